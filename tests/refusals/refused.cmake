# Compiles FILE and wants two things: the compiler refuses it, and says what the file's first lines expect:
#   // flags: -ffast-math                  (optional)
#   // message: a regular expression

file(STRINGS ${FILE} flags REGEX "^// flags: ")
file(STRINGS ${FILE} message REGEX "^// message: ")
string(REPLACE "// flags: " "" flags "${flags}")
string(REPLACE "// message: " "" message "${message}")
separate_arguments(flags UNIX_COMMAND "${flags}")

execute_process(COMMAND ${COMPILER} -std=c++20 -I ${INCLUDE} -fsyntax-only ${flags} ${FILE}
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "this should not have compiled:\n${FILE}")
elseif(message STREQUAL "" OR NOT output MATCHES "${message}")
  message(FATAL_ERROR "the compiler was expected to say\n  ${message}\nand said\n${output}")
endif()

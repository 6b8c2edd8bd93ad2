# Compiles FILE and wants two things: the compiler refuses it, and says what its first lines expect:
#   // flags: -ffast-math                  (optional)
#   // message: a regular expression       (one or more)

file(STRINGS ${FILE} flags REGEX "^// flags: ")
file(STRINGS ${FILE} messages REGEX "^// message: ")
string(REPLACE "// flags: " "" flags "${flags}")
string(REPLACE "// message: " "" messages "${messages}")
separate_arguments(flags UNIX_COMMAND "${flags}")

if(NOT messages)
  message(FATAL_ERROR "no '// message:' in ${FILE}")
endif()
execute_process(COMMAND ${COMPILER} -std=c++20 -I ${INCLUDE} -fsyntax-only ${flags} ${FILE}
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "this should not have compiled:\n${FILE}")
endif()
foreach(message ${messages})
  if(NOT output MATCHES "${message}")
    message(FATAL_ERROR "the compiler was expected to say\n  ${message}\nand said\n${output}")
  endif()
endforeach()

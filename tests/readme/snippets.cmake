# Compiles and runs the C++ blocks of README.md in DIR. A block is
#  - a program, where it includes anything; what it prints is compared with what the README shows,
#    in a comment behind `std::cout << ...;` or in the console block below the program;
#  - an addition to a copy of needle's headers, where its first line names one of them;
#  - a declaration for all, where it begins with a template;
#  - a piece of code otherwise, which becomes a block of its own in one program of them all.

file(REMOVE_RECURSE ${DIR}/include)
file(COPY ${INCLUDE} DESTINATION ${DIR})
file(READ ${README} rest)

# Puts `added` before the last `before` of a file.
function(insert path before added)
  file(READ ${path} text)
  string(FIND "${text}" "${before}" at REVERSE)
  if(at EQUAL -1)
    message(FATAL_ERROR "README.md adds to ${path}, where there is no '${before}' any more")
  endif()
  string(SUBSTRING "${text}" 0 ${at} head)
  string(SUBSTRING "${text}" ${at} -1 tail)
  file(WRITE ${path} "${head}${added}\n${tail}")
endfunction()

function(run name text)
  file(WRITE ${DIR}/${name}.cpp "${text}")
  execute_process(COMMAND ${COMPILER} -std=c++20 -O0 -Wall -Wextra -Werror -Wno-unused-variable
                          -I ${DIR}/include ${name}.cpp -pthread -o ${name}
                  WORKING_DIRECTORY ${DIR} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${DIR}/${name} WORKING_DIRECTORY ${DIR} COMMAND_ERROR_IS_FATAL ANY
                  OUTPUT_VARIABLE printed ECHO_OUTPUT_VARIABLE)
  set(printed "${printed}" PARENT_SCOPE)
endfunction()

# Refuses what the README shows unless the last program printed just that. Where "..." ends it, the
# program prints more, and numbers with a decimal point may be others: those of a training differ
# from machine to machine.
function(check_printed shown)
  if(shown MATCHES "^(.+\n)\\.\\.\\.\n$")
    set(number "[0-9]+\\.[0-9]+")
    string(REGEX REPLACE "${number}" "#" shown "${CMAKE_MATCH_1}")
    string(REGEX REPLACE "${number}" "#" printed "${printed}")
    string(LENGTH "${shown}" length)
    string(SUBSTRING "${printed}" 0 ${length} printed)
  endif()
  if(shown STREQUAL "" OR NOT printed STREQUAL shown)
    message(FATAL_ERROR "README.md shows\n${shown}\nwhere the program prints\n${printed}")
  endif()
endfunction()

set(programs 0)
while(rest MATCHES "\n```cpp\n")
  string(FIND "${rest}" "\n```cpp\n" begin)
  math(EXPR begin "${begin} + 8")
  string(SUBSTRING "${rest}" ${begin} -1 rest)
  string(FIND "${rest}" "\n```\n" end)
  string(SUBSTRING "${rest}" 0 ${end} block)
  string(SUBSTRING "${rest}" ${end} -1 rest)

  if(block MATCHES "#include")
    math(EXPR programs "${programs} + 1")
    set(program_${programs} "${block}\n")
    set(shown_${programs} "")
    while(block MATCHES "std::cout <<[^\n]*;  // ([^\n]*)\n(.*)$")
      string(APPEND shown_${programs} "${CMAKE_MATCH_1}\n")
      set(block "${CMAKE_MATCH_2}")
    endwhile()
    if(rest MATCHES "^\n```\n\n```console\n[$][^\n]*\n([^`]*)```")
      string(APPEND shown_${programs} "${CMAKE_MATCH_1}")
    endif()
  elseif(block MATCHES "^// include/(needle/[a-z_/]+\\.hpp)\n")
    set(header ${DIR}/include/${CMAKE_MATCH_1})
    if(header MATCHES "scalar\\.hpp$")  # the steps that the text describes: into a list
      string(REGEX MATCH "struct ([A-Za-z0-9]+)" name "${block}")
      set(name ${CMAKE_MATCH_1})
      insert(${header} "/// A list of scalar functions" "${block}\n")
      file(READ ${header} text)
      string(REPLACE "RealFunctions = List<" "RealFunctions = List<${name}, " text "${text}")
      file(WRITE ${header} "${text}")
    else()
      insert(${header} "}  // namespace needle" "${block}\n")
    endif()
  elseif(block MATCHES "^template")
    string(APPEND declarations "${block}\n\n")
  else()
    string(APPEND pieces "{\n${block}\n}\n")
  endif()
endwhile()

if(NOT programs EQUAL 2 OR NOT pieces OR NOT declarations)
  message(FATAL_ERROR "the blocks of README.md were not found")
endif()
run(pieces "#include <cstdio>\n#include <needle/needle.hpp>\nusing namespace needle;\n
${declarations}
int main() {
${pieces}
const Tensor<> error = {-3, 0.5};
std::printf(\"%s %s\\n\", str(huber(error)).c_str(), str(softsign(error)).c_str());
}
")
foreach(i RANGE 1 ${programs})
  run(program_${i} "${program_${i}}")
  check_printed("${shown_${i}}")
endforeach()

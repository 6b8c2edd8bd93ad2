# A header includes its own folder and those that its folder stands on, so that whoever reads one
# knows what it can depend on. (The umbrella and needle/compiled.hpp include all.) INCLUDE is the
# folder of the headers.

cmake_minimum_required(VERSION 3.25)

set(below_core "")
set(below_program core)
set(below_reference core program)
set(below_cpu core program)
set(below_cuda core program)
set(below_graph core program)
set(below_ops core program graph)
set(below_nn core program graph ops)
set(below_optim core program graph ops)
set(below_io core program graph ops nn)                   # files of modules
set(below_data core program graph ops io cpu/device.hpp)  # readers, into the host's memory

file(GLOB_RECURSE headers RELATIVE ${INCLUDE}/needle ${INCLUDE}/needle/*/*.hpp)
foreach(header ${headers})
  cmake_path(GET header PARENT_PATH folder)
  if(NOT DEFINED below_${folder})
    message(SEND_ERROR "${header}: say here what the folder ${folder} stands on")
  endif()
  set(allowed ${folder} ${below_${folder}})
  file(STRINGS ${INCLUDE}/needle/${header} includes REGEX "^ *# *include *\"")
  foreach(line ${includes})
    string(REGEX REPLACE ".*\"needle/([^\"]*)\".*" "\\1" other "${line}")
    cmake_path(GET other PARENT_PATH its_folder)
    if(NOT its_folder IN_LIST allowed AND NOT other IN_LIST allowed)
      message(SEND_ERROR "${header} includes ${other}: ${folder} does not stand on ${its_folder}")
    endif()
  endforeach()
endforeach()
list(LENGTH headers count)
if(count EQUAL 0)
  message(FATAL_ERROR "no headers in ${INCLUDE}/needle")
endif()

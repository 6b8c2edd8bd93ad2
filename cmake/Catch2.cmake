# Finds Catch2, version 3 or 2: on the system; or from the Debian archive, unpacked into the build
# tree, which needs no root; or from GitHub.

set(catch2_dir ${PROJECT_BINARY_DIR}/catch2)

macro(find_catch2)
  find_package(Catch2 3 QUIET)
  if(NOT Catch2_FOUND)
    find_package(Catch2 2.13 QUIET)
  endif()
endmacro()

function(unpack_debian_catch2)
  find_program(APT_GET apt-get)
  find_program(DPKG dpkg)
  mark_as_advanced(APT_GET DPKG)
  if(NOT APT_GET OR NOT DPKG)
    return()
  endif()
  file(MAKE_DIRECTORY ${catch2_dir})
  foreach(package libcatch2-dev catch2)  # its name since Debian 13, and before
    execute_process(COMMAND ${APT_GET} download ${package}
                    WORKING_DIRECTORY ${catch2_dir} OUTPUT_QUIET ERROR_QUIET)
    file(GLOB file ${catch2_dir}/${package}_*.deb)
    if(file)
      execute_process(COMMAND ${DPKG} -x ${file} ${catch2_dir})
      return()
    endif()
  endforeach()
endfunction()

function(fetch_catch2)
  set(CMAKE_COMPILE_WARNING_AS_ERROR OFF)
  include(FetchContent)
  FetchContent_Declare(Catch2 GIT_REPOSITORY https://github.com/catchorg/Catch2.git GIT_TAG v3.5.4
                       GIT_SHALLOW ON SYSTEM)
  FetchContent_MakeAvailable(Catch2)
endfunction()

list(APPEND CMAKE_PREFIX_PATH ${catch2_dir}/usr)
find_catch2()
if(NOT Catch2_FOUND)
  unpack_debian_catch2()
  find_catch2()
endif()
if(Catch2_FOUND)
  message(STATUS "Catch2 ${Catch2_VERSION}: ${Catch2_DIR}")
else()
  message(STATUS "Catch2: from GitHub")
  fetch_catch2()
endif()

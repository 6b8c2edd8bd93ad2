# Finds Catch2, version 3 or 2: on the system; or from the Debian archive, unpacked into the build
# tree, which needs no root; or from GitHub. Sets catch2_library, the target to link to.

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
  execute_process(COMMAND ${APT_GET} download catch2
                  WORKING_DIRECTORY ${catch2_dir} OUTPUT_QUIET ERROR_QUIET)
  file(GLOB package ${catch2_dir}/catch2_*.deb)
  if(package)
    execute_process(COMMAND ${DPKG} -x ${package} ${catch2_dir})
  endif()
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
if(NOT Catch2_FOUND)
  fetch_catch2()
endif()
message(STATUS "Catch2 ${Catch2_VERSION}: ${Catch2_DIR}${catch2_SOURCE_DIR}")

# Version 2 is one header, whose main function catch_main.cpp compiles.
if(Catch2_VERSION AND Catch2_VERSION VERSION_LESS 3)
  set(catch2_library Catch2::Catch2)
else()
  set(catch2_library Catch2::Catch2WithMain)
endif()

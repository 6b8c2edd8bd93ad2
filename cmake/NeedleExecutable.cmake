# What needle adds to a project, whether it is part of the build or found by find_package:
#
#   needle_executable(name file.cpp ...)
#
# An executable linked to needle. With NEEDLE_CUDA=ON its sources are compiled as CUDA, and the same
# program then has Tensor<Cuda>.
#
#   target_link_libraries(name PRIVATE needle::compiled)
#
# Takes most of needle on the CPU from a library that is compiled once, when something links it, with
# the flags of this project; in place of needle::needle, or added to it. For programs and shared
# libraries: a static library that is installed with its targets links needle::needle.

# Where there is zlib, needle reads .gz files; NEEDLE_ZLIB can insist on it, or do without.
set(NEEDLE_ZLIB AUTO CACHE STRING "Read .gz files: ON, OFF, or AUTO (where zlib is found)")
set_property(CACHE NEEDLE_ZLIB PROPERTY STRINGS AUTO ON OFF)
if(NEEDLE_ZLIB STREQUAL "AUTO")
  find_package(ZLIB QUIET)
elseif(NEEDLE_ZLIB)
  find_package(ZLIB)
  if(NOT ZLIB_FOUND)
    message(FATAL_ERROR "NEEDLE_ZLIB=ON: zlib was not found (Debian: zlib1g-dev).")
  endif()
else()
  set(ZLIB_FOUND OFF)
endif()
if(ZLIB_FOUND)  # of this build: an installed needle looks for it where it is used
  get_target_property(needle_target needle::needle ALIASED_TARGET)
  if(NOT needle_target)
    set(needle_target needle::needle)
  endif()
  target_compile_definitions(${needle_target} INTERFACE $<BUILD_INTERFACE:NEEDLE_ZLIB=1>)
  target_link_libraries(${needle_target} INTERFACE $<BUILD_INTERFACE:ZLIB::ZLIB>)
  unset(needle_target)
endif()

if(NEEDLE_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "NEEDLE_CUDA=ON: no CUDA compiler was found; "
                        "put nvcc on the PATH or set CMAKE_CUDA_COMPILER.")
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
  endif()
  enable_language(CUDA)
endif()

function(needle_executable name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE needle::needle)
  if(NEEDLE_CUDA)
    if(NOT CMAKE_CUDA_COMPILER_LOADED)
      message(FATAL_ERROR "NEEDLE_CUDA=ON: add CUDA to the languages of your project().")
    endif()
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CUDA)
  endif()
endfunction()

if(CMAKE_CXX_COMPILER_LOADED AND NOT TARGET needle_compiled)  # find_package may be called twice
  string(TOUPPER "${CMAKE_BUILD_TYPE}" needle_build_type)
  if(NOT CMAKE_CONFIGURATION_TYPES AND NOT needle_FIND_QUIETLY
     AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${needle_build_type}}" MATCHES "-O([123s]|fast)")
    message(NOTICE "CMAKE_BUILD_TYPE is '${CMAKE_BUILD_TYPE}': needle's kernels need optimisation, "
                    "and will be many times slower than in a Release build.")
  endif()
  add_library(needle_compiled STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/compiled.cpp)
  add_library(needle::compiled ALIAS needle_compiled)
  target_link_libraries(needle_compiled PUBLIC needle::needle)
  target_compile_definitions(needle_compiled PUBLIC NEEDLE_COMPILED=1)
  target_compile_options(needle_compiled PRIVATE -w)  # a project's warnings are about its own code
  set_target_properties(needle_compiled PROPERTIES
    POSITION_INDEPENDENT_CODE ON  # for shared libraries
    CXX_SCAN_FOR_MODULES OFF)
endif()

# Downloads the full MNIST set and checks it:
#   cmake [-DDIR=mnist] [-DURL=https://...] -P cmake/download_mnist.cmake
# Files that are there already, and right, are kept.

if(NOT DEFINED DIR)
  set(DIR mnist)
endif()
if(NOT DEFINED URL)
  set(URL https://ossci-datasets.s3.amazonaws.com/mnist
          https://storage.googleapis.com/cvdf-datasets/mnist)
endif()
cmake_path(ABSOLUTE_PATH DIR BASE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})

function(download name md5)
  set(file ${DIR}/${name})
  foreach(mirror "" ${URL})
    if(mirror)
      message(STATUS "${mirror}/${name}")
      file(DOWNLOAD ${mirror}/${name} ${file} TIMEOUT 600 STATUS status)
    endif()
    if(EXISTS ${file})
      file(MD5 ${file} found)
      if(found STREQUAL md5)
        return()
      endif()
    endif()
  endforeach()
  file(REMOVE ${file})
  message(FATAL_ERROR "${name} could not be downloaded, or its MD5 is not ${md5} (${status}).")
endfunction()

download(train-images-idx3-ubyte.gz f68b3c2dcbeaaa9fbdd348bbdeb94873)
download(train-labels-idx1-ubyte.gz d53e105ee54ea40749a09fcbcd1e9432)
download(t10k-images-idx3-ubyte.gz 9fb629c4189551a2d022fa330f9573f3)
download(t10k-labels-idx1-ubyte.gz ec29112dd5afa0611ce80d1b7f02629c)

# Unpacked as well, for a build of needle without zlib.
find_program(GZIP gzip)
if(GZIP)
  file(GLOB archives ${DIR}/*-ubyte.gz)
  execute_process(COMMAND ${GZIP} -dkf ${archives} COMMAND_ERROR_IS_FATAL ANY)
endif()
message(STATUS "MNIST is in ${DIR}")

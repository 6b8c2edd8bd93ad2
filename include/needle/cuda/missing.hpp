// Where no CUDA compiler is at work: naming the GPU is refused, and the compiler says what to
// switch on.
#pragma once

#include "needle/core/device.hpp"

#if defined(NEEDLE_DEFAULT_CUDA)
// clang-format off
#error "needle: NEEDLE_DEFAULT_CUDA needs a CUDA compiler for every file: configure with -DNEEDLE_CUDA=ON"
// clang-format on
#endif

namespace needle {

struct __attribute__((unavailable(
    "needle: Tensor<Cuda> needs a CUDA compiler: configure with -DNEEDLE_CUDA=ON, or compile this "
    "file with nvcc -x cu"))) Cuda;

}  // namespace needle

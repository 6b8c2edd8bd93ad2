// All kernels of the GPU; for CUDA compilers only.
#pragma once

#include "needle/cuda/copy.hpp"
#include "needle/cuda/extreme.hpp"
#include "needle/cuda/gemm.hpp"
#include "needle/cuda/indexing.hpp"
#include "needle/cuda/random.hpp"
#include "needle/cuda/reduce.hpp"
#include "needle/cuda/softmax.hpp"
#include "needle/program/backend.hpp"

namespace needle {

static_assert(Backend<Cuda>);

}  // namespace needle

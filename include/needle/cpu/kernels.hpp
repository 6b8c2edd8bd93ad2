// All kernels of the CPU.
#pragma once

#include "needle/cpu/copy.hpp"
#include "needle/cpu/indexing.hpp"
#include "needle/cpu/matmul.hpp"
#include "needle/cpu/random.hpp"
#include "needle/cpu/reduce.hpp"
#include "needle/cpu/softmax.hpp"
#include "needle/program/backend.hpp"

namespace needle {

static_assert(Backend<Cpu>);

}  // namespace needle

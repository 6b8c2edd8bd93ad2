// The whole library: N-d tensors, lazy expressions, gradients, modules, optimizers and data readers.
#pragma once

#define NEEDLE_VERSION "0.1.0"

#include "needle/cpu/kernels.hpp"
#include "needle/graph/parameter.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/loss.hpp"
#include "needle/ops/print.hpp"
#include "needle/ops/random.hpp"
#include "needle/ops/transfer.hpp"
#include "needle/reference/kernels.hpp"

// The whole library: N-d tensors, lazy expressions, gradients, modules, optimizers and data
// readers.
#pragma once

#define NEEDLE_VERSION "0.1.0"

#include "needle/cpu/kernels.hpp"
#include "needle/data/loader.hpp"
#include "needle/data/mnist.hpp"
#include "needle/io/state.hpp"
#include "needle/nn/activation.hpp"
#include "needle/nn/any_module.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/loss.hpp"
#include "needle/ops/print.hpp"
#include "needle/ops/random.hpp"
#include "needle/ops/transfer.hpp"
#include "needle/ops/two_devices.hpp"
#include "needle/optim/adam.hpp"
#include "needle/optim/one_cycle.hpp"
#include "needle/optim/sgd.hpp"
#include "needle/reference/kernels.hpp"

#if defined(__CUDACC__)
#include "needle/cuda/kernels.hpp"
#else
#include "needle/cuda/missing.hpp"
#endif

#if defined(NEEDLE_COMPILED) && NEEDLE_COMPILED
#include "needle/compiled.hpp"
#endif

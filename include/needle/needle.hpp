// The whole library: N-d tensors, lazy expressions, gradients, modules, optimizers and data readers.
#pragma once

#define NEEDLE_VERSION "0.1.0"

#include "needle/core/config.hpp"

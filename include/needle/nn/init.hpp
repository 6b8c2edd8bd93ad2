// Initial values of parameters.
#pragma once

#include <cmath>

#include "needle/ops/random.hpp"

namespace needle::nn {

/// Uniform in [-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for linear layers and
/// convolutions, which it calls kaiming_uniform with a = sqrt(5).
template <Device D>
Tensor<D> uniform_fan_in(const Shape& shape, std::int64_t fan_in,
                         Generator& generator = default_generator()) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return rand<D>(shape, -bound, bound, generator);
}

}  // namespace needle::nn

// Dropout.
#pragma once

#include "needle/nn/module.hpp"
#include "needle/ops/comparison.hpp"
#include "needle/ops/random.hpp"

namespace needle::nn {

/// In training each element becomes 0 with probability p and the others grow by 1 / (1 - p), so
/// that the mean stays (Srivastava et al. 2014); in evaluation nothing happens.
struct Dropout {
  /// The probability, 0 to 1; PyTorch's default.
  double p = 0.5;
  /// Whether it drops.
  Mode mode = {};

  /// x of any shape to the same shape; a p outside of [0, 1] is refused.
  template <Device D>
  Tensor<D> operator()(const Tensor<D>& x) const {
    if (!(p >= 0 && p <= 1)) fail("dropout: a probability of ", p, "; it must lie in [0, 1]");
    if (!mode || p == 0) return x;
    if (p == 1) return x * 0.0;
    return where(randb<D>(x.shape(), 1 - p), x * (1 / (1 - p)), 0);
  }
};

}  // namespace needle::nn

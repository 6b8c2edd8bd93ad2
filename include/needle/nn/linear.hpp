// The linear layer.
#pragma once

#include "needle/nn/init.hpp"
#include "needle/nn/module.hpp"
#include "needle/ops/matmul.hpp"

namespace needle::nn {

/// y = x W^T + b: x (..., in), y (..., out). `Linear<>{.in = 784, .out = 10}`.
template <Device D = DefaultDevice>
struct Linear {
  /// The size of the last axis of x.
  std::int64_t in;
  /// The size of the last axis of y.
  std::int64_t out;
  /// Whether b is there.
  bool has_bias = true;
  /// (out, in), as in PyTorch (in CMU's course Deep Learning Systems, 10-414/714, it is (in, out)).
  Parameter<D> weight{uniform_fan_in<D>(checked({out, in}, "linear"), in)};
  /// (out,); absent without bias.
  Parameter<D> bias = has_bias ? Parameter<D>(uniform_fan_in<D>({out}, in)) : Parameter<D>();

  /// x (..., in) to (..., out); another last axis is refused.
  Tensor<D> operator()(const Tensor<D>& x) const {
    return bias ? linear(x, *weight, *bias) : linear(x, *weight);
  }
};

}  // namespace needle::nn

// Batch normalisation (Ioffe and Szegedy 2015).
#pragma once

#include "needle/nn/module.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/reduction.hpp"

namespace needle::nn {

/// (x - mean) / sqrt(var + eps) * weight + bias for each feature of x (batch, features) or (batch,
/// features, length). In training mean and variance are the batch's, and the running ones follow
/// them: running = (1 - momentum) running + momentum batch, with the unbiased variance, as in
/// PyTorch.
template <Device D = DefaultDevice>
struct BatchNorm1d {
  /// The size of axis 1 of x.
  std::int64_t features;
  /// Added to the variance; PyTorch's default.
  double eps = 1e-5;
  /// The share of the batch in the running values, 0 to 1; PyTorch's default.
  double momentum = 0.1;
  /// (features,), ones at first.
  Parameter<D> weight{ones<D>(checked({features}, "batch_norm"))};
  /// (features,), zeros at first.
  Parameter<D> bias{zeros<D>({features})};
  /// (features,), zeros at first.
  Buffer<D> running_mean{zeros<D>({features})};
  /// (features,), ones at first.
  Buffer<D> running_var{ones<D>({features})};
  /// Whether it uses the batch's mean and variance or the running ones.
  Mode mode = {};

  /// x (batch, features) or (batch, features, length) to the same shape; another one is refused,
  /// and so is training with fewer than 2 values for a feature.
  Tensor<D> operator()(const Tensor<D>& x) const {
    if ((x.ndim() != 2 && x.ndim() != 3) || x.shape()[1] != features) {
      fail("batch_norm: input ", x.shape(), " for ", features, " features; it takes (batch, ",
           features, ") or (batch, ", features, ", length)");
    }
    const Shape along = x.ndim() == 2 ? Shape{1, features} : Shape{1, features, 1};
    if (!mode) {
      const Tensor<D> scale = *weight / sqrt(*running_var + eps);
      const Tensor<D> shift = *bias - *running_mean * scale;
      return x * reshape(scale, along) + reshape(shift, along);
    }
    const double count = static_cast<double>(x.shape()[0] * (x.ndim() == 2 ? 1 : x.shape()[2]));
    if (count < 2) {
      fail("batch_norm: training takes at least 2 values for each feature; input ", x.shape(),
           " has ", count);
    }
    const Axes others = x.ndim() == 2 ? Axes{0} : Axes{0, 2};
    const Tensor<D> average = mean(x, others, true);
    const Tensor<D> centred = x - average;
    const Tensor<D> variance = mean(square(centred), others, true);
    const Tensor<D> new_mean =
        *running_mean * (1 - momentum) + reshape(average, {features}) * momentum;
    const Tensor<D> new_var = *running_var * (1 - momentum) +
                              reshape(variance, {features}) * (momentum * count / (count - 1));
    const Tensor<D> scale = reshape(*weight, along) / sqrt(variance + eps);
    const Tensor<D> y = centred * scale + reshape(*bias, along);
    running_mean.assign(new_mean);  // after all that can be refused
    running_var.assign(new_var);
    return y;
  }
};

}  // namespace needle::nn

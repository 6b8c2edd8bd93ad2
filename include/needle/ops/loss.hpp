// Losses, with PyTorch's names, arguments and defaults.
#pragma once

#include "needle/ops/gather.hpp"
#include "needle/ops/matmul.hpp"

namespace needle {

/// What becomes of the losses of single items: they stay, or their mean or sum is the loss.
enum class Reduction { none, mean, sum };

namespace detail {
template <Device D>
Tensor<D> reduce_loss(const Tensor<D>& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::mean ? mean(losses) : sum(losses);
}
}  // namespace detail

/// Options of `cross_entropy`.
template <Device D = DefaultDevice>
struct CrossEntropy {
  /// The mean, as in PyTorch.
  Reduction reduction = Reduction::mean;
  /// The share of the target that is spread evenly over all classes, 0 to 1.
  double label_smoothing = 0;
  /// Items of this class count for nothing (PyTorch's default is -100; here nothing is ignored).
  std::optional<std::int32_t> ignore_index = std::nullopt;
  /// A weight for each class, (classes,); the mean is weighted then.
  Tensor<D> weight = {};
};

/// -log softmax(logits)[target]: logits (items, classes, ...), target class ids (items, ...) as
/// int32 or uint8; or (classes,) with a scalar target. A scalar, or of the target's shape with
/// `Reduction::none`; an id outside of [0, classes) that is not ignored is refused when the loss is
/// calculated.
template <Device D>
Tensor<D> cross_entropy(const Tensor<D>& logits, const Tensor<D>& target,
                        const CrossEntropy<std::type_identity_t<D>>& options = {}) {
  if (logits.ndim() == 0) fail("cross_entropy: logits () have no axis of classes");
  const int axis = logits.ndim() > 1 ? 1 : 0;
  Shape expected = logits.shape();
  expected.erase(axis);
  if (!(target.shape() == expected)) {
    fail("cross_entropy: logits ", logits.shape(), " expect class ids of shape ", expected,
         ", got ", target.shape());
  }
  const std::int64_t classes = logits.shape()[axis];
  if (classes == 0) fail("cross_entropy: logits ", logits.shape(), " of no class");
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    fail("cross_entropy: a label_smoothing of ", options.label_smoothing,
         "; it must lie in [0, 1]");
  }
  const bool plain =
      !options.ignore_index && !options.weight.defined() && options.label_smoothing == 0;
  Tensor<D> ids = detail::as_index(target, "cross_entropy"), counts;
  if (options.ignore_index) {
    counts = ids != *options.ignore_index;
    ids = where(counts, ids, 0);
  }
  ids = unsqueeze(ids, axis);
  const auto of_target = [&](const Tensor<D>& x) {
    return apply(ops::Gather{axis, "cross_entropy"}, x, ids);
  };
  if (plain) {
    const detail::LogSum<D> sum(logits, axis);
    const Tensor<D> losses = sum.rest + (sum.shift - of_target(logits));
    return detail::reduce_loss(squeeze(losses, axis), options.reduction);
  }
  const Tensor<D> log_p = log_softmax(logits, axis);
  Tensor<D> losses = -squeeze(of_target(log_p), axis);
  Tensor<D> spread = -log_p, item_weight = counts.defined() ? to_real(counts) : ones<D>(expected);
  if (options.weight.defined()) {
    if (!(options.weight.shape() == Shape{classes})) {
      fail("cross_entropy: weight ", options.weight.shape(), " for ", classes, " classes");
    }
    const Tensor<D> of_item = reshape(index_select(options.weight, 0, flatten(ids)), expected);
    item_weight = item_weight * of_item;
    Shape along{};
    for (int i = 0; i < logits.ndim(); ++i) along.push_back(i == axis ? classes : 1);
    spread = spread * reshape(options.weight, along);
  }
  losses = losses * item_weight;
  if (options.label_smoothing != 0) {
    losses = losses * (1 - options.label_smoothing) +
             sum(spread, axis) * (options.label_smoothing / static_cast<double>(classes));
  }
  if (counts.defined()) losses = where(counts, losses, 0);  // also where they are infinite
  if (options.reduction == Reduction::mean) return sum(losses) / sum(item_weight);
  return detail::reduce_loss(losses, options.reduction);
}

/// The square of the difference, elementwise; shapes broadcast (PyTorch warns of it). A scalar, or
/// of the broadcast shape with `Reduction::none`.
template <Device D>
Tensor<D> mse_loss(const Tensor<D>& input, const Tensor<D>& target,
                   Reduction reduction = Reduction::mean) {
  broadcast_shapes(input.shape(), target.shape(), "mse_loss");
  return detail::reduce_loss(square(input - target), reduction);
}

}  // namespace needle

// Reductions: over one axis, several or (an empty list) all, with or without keeping them as
// size 1.
#pragma once

#include <limits>

#include "needle/ops/cast.hpp"
#include "needle/ops/comparison.hpp"
#include "needle/ops/view.hpp"

namespace needle {

namespace detail {

/// The axes of a reduction, and whether they stay.
struct Reduced {
  unsigned mask;
  bool keepdims;

  /// How many elements of a source of this shape become one.
  double count(const Shape& source) const {
    double n = 1;
    for (int i = 0; i < source.ndim(); ++i) n *= mask >> i & 1 ? double(source[i]) : 1;
    return n;
  }
  /// y, a result of this reduction, as it would broadcast against its source of this shape.
  template <Device D>
  Tensor<D> raised(const Tensor<D>& y, const Shape& source) const {
    return reshape(y, reduced_shape(source, mask, true));
  }
};

template <Device D>
Reduced reduced(const Tensor<D>& x, const Axes& axes, bool keepdims, std::string_view op,
                bool needs_elements = false) {
  const unsigned mask = axis_mask(axes, x.ndim(), op);
  if (needs_elements) {
    for (int i = 0; i < x.ndim(); ++i) {
      if ((mask >> i & 1) && x.shape()[i] == 0) {
        fail(op, ": axis ", i, " of shape ", x.shape(), " is empty; it takes at least one element");
      }
    }
  }
  return {mask, keepdims};
}

}  // namespace detail

namespace ops {
/// the sum
struct Sum : detail::Reduced {
  static constexpr Monoid monoid = Monoid::sum;
  static constexpr unsigned reads = reads_nothing;
  auto gradient(const auto& g, const auto&, const auto& x) const {
    return std::array{broadcast_to(raised(g, x.shape()), x.shape())};
  }
};
}  // namespace ops

namespace detail {
/// The gradient of an extreme: shared evenly by all that reach it, as in PyTorch.
template <Device D>
Tensor<D> extreme_gradient(const Reduced& op, const Tensor<D>& g, const Tensor<D>& y,
                           const Tensor<D>& x) {
  const Tensor<D> at = to_real(x == op.raised(y, x.shape()));
  const Tensor<D> count = apply(ops::Sum{{op.mask, true}}, at);
  return at * (op.raised(g, x.shape()) / count);
}
}  // namespace detail

namespace ops {
/// the largest element
struct Max : detail::Reduced {
  static constexpr Monoid monoid = Monoid::maximum;
  auto gradient(const auto& g, const auto& y, const auto& x) const {
    return std::array{detail::extreme_gradient(*this, g, y, x)};
  }
};
/// the smallest element
struct Min : detail::Reduced {
  static constexpr Monoid monoid = Monoid::minimum;
  auto gradient(const auto& g, const auto& y, const auto& x) const {
    return std::array{detail::extreme_gradient(*this, g, y, x)};
  }
};

/// The first position of the largest or smallest element along one axis, which disappears.
struct ArgExtreme {
  int axis;
  bool largest;
  static constexpr unsigned reads = reads_nothing;
  static Dtype dtype(Dtype) { return Dtype::int32; }
  Shape shape(Shape x) const {
    x.erase(axis);
    return x;
  }
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    Array<D> out(shape(x.shape), Dtype::int32);
    arg_extreme(converted(x, arithmetic_dtype<D>(x.dtype)), axis, largest, out);
    return out;
  }
};
}  // namespace ops

/// The sum; int32 and uint8 are added in 64 bits and give int32, refused if it does not fit.
template <Device D>
Tensor<D> sum(const Tensor<D>& x, const Axes& axes = {}, bool keepdims = false) {
  return apply(ops::Sum{detail::reduced(x, axes, keepdims, "sum")}, x);
}

/// The arithmetic mean, always real; of no elements it is NaN.
template <Device D>
Tensor<D> mean(const Tensor<D>& x, const Axes& axes = {}, bool keepdims = false) {
  const detail::Reduced op = detail::reduced(x, axes, keepdims, "mean");
  return apply(ops::Sum{op}, to_real(x)) / op.count(x.shape());
}

/// The variance: the mean square distance from the mean, divided by n - correction (1 is the
/// unbiased estimate and PyTorch's default, 0 the variance of exactly these numbers).
template <Device D>
Tensor<D> var(const Tensor<D>& x, const Axes& axes = {}, double correction = 1,
              bool keepdims = false) {
  const detail::Reduced op = detail::reduced(x, axes, keepdims, "var");
  return apply(ops::Sum{op}, square(x - mean(x, axes, true))) /
         (std::fmax)(op.count(x.shape()) - correction, 0.0);
}

/// The largest element; NaN if there is one. Ties share the gradient evenly.
template <Device D>
Tensor<D>(max)(const Tensor<D>& x, const Axes& axes = {}, bool keepdims = false) {
  return apply(ops::Max{detail::reduced(x, axes, keepdims, "max", true)}, x);
}

/// The smallest element; NaN if there is one. Ties share the gradient evenly.
template <Device D>
Tensor<D>(min)(const Tensor<D>& x, const Axes& axes = {}, bool keepdims = false) {
  return apply(ops::Min{detail::reduced(x, axes, keepdims, "min", true)}, x);
}

namespace detail {
template <Device D>
Tensor<D> arg_extreme_of(const Tensor<D>& x, int axis, bool keepdims, bool largest,
                         std::string_view op) {
  const int at = normal_axis(axis, x.ndim(), op);
  reduced(x, at, false, op, true);
  if (x.shape()[at] > (std::numeric_limits<std::int32_t>::max)()) {
    fail(op, ": axis ", axis, " of shape ", x.shape(), " has positions beyond int32");
  }
  const Tensor<D> position = apply(ops::ArgExtreme{at, largest}, x);
  return keepdims ? unsqueeze(position, at) : position;
}
}  // namespace detail

/// The first position of the largest element along an axis, as int32.
template <Device D>
Tensor<D> argmax(const Tensor<D>& x, int axis, bool keepdims = false) {
  return detail::arg_extreme_of(x, axis, keepdims, true, "argmax");
}
/// The first position of the largest element in row-major order, as an int32 scalar.
template <Device D>
Tensor<D> argmax(const Tensor<D>& x) {
  return argmax(flatten(x), 0);
}
/// The first position of the smallest element along an axis, as int32.
template <Device D>
Tensor<D> argmin(const Tensor<D>& x, int axis, bool keepdims = false) {
  return detail::arg_extreme_of(x, axis, keepdims, false, "argmin");
}
/// The first position of the smallest element in row-major order, as an int32 scalar.
template <Device D>
Tensor<D> argmin(const Tensor<D>& x) {
  return argmin(flatten(x), 0);
}

/// g, of a broadcast shape, added up to the shape it was broadcast from.
template <Device D>
Tensor<D> sum_to(const Tensor<D>& g, const Shape& shape) {
  if (g.shape() == shape) return g;
  unsigned mask = 0;
  const int skip = g.ndim() - shape.ndim();
  for (int i = 0; i < g.ndim(); ++i) {
    const bool repeated = i < skip || (shape[i - skip] == 1 && g.shape()[i] != 1);
    mask |= repeated ? 1u << i : 0;
  }
  return reshape(apply(ops::Sum{{mask, true}}, g), shape);
}

namespace detail {
/// log(sum(exp(x))) = rest + shift without overflow, with axes kept. The shift is the maximum: what
/// is near it is subtracted from it first, or the digits of the rest are lost.
template <Device D>
struct LogSum {
  Tensor<D> shift, rest;
  LogSum(const Tensor<D>& x, const Axes& axes) {
    const Tensor<D> top = stop_gradient((max)(to_real(x), axes, true));
    // An infinite maximum is not subtracted: infinity minus infinity would be NaN.
    shift = where(abs(top) == HUGE_VAL, 0, top);
    rest = log(sum(exp(x - shift), axes, true));
  }
};
}  // namespace detail

/// log(sum(exp(x))), calculated without overflow.
template <Device D>
Tensor<D> logsumexp(const Tensor<D>& x, const Axes& axes = {}, bool keepdims = false) {
  detail::reduced(x, axes, keepdims, "logsumexp", true);
  const detail::LogSum<D> sum(x, axes);
  const Tensor<D> y = sum.rest + sum.shift;
  return keepdims
             ? y
             : reshape(y, reduced_shape(x.shape(), axis_mask(axes, x.ndim(), "logsumexp"), false));
}

namespace detail {
/// softmax or its logarithm along one axis.
struct AlongAxis {
  int axis;
  static constexpr unsigned reads = reads_output;
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  Array<D> computed(const Array<D>& x, bool log) const {
    Array<D> y(x.shape, real<D>);
    softmax(converted(x, real<D>), axis, log, y);
    return y;
  }
};
}  // namespace detail

namespace ops {
/// exp(x) / sum(exp(x))
struct Softmax : detail::AlongAxis {
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    return computed(x, false);
  }
  auto gradient(const auto& g, const auto& y, const auto&) const {
    return std::array{y * (g - sum(g * y, axis, true))};
  }
};
/// x - log(sum(exp(x)))
struct LogSoftmax : detail::AlongAxis {
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    return computed(x, true);
  }
  auto gradient(const auto& g, const auto& y, const auto&) const {
    return std::array{g - exp(y) * sum(g, axis, true)};
  }
};
}  // namespace ops

/// exp(x) / sum(exp(x)) along an axis, calculated without overflow.
template <Device D>
Tensor<D> softmax(const Tensor<D>& x, int axis = -1) {
  detail::reduced(x, axis, true, "softmax", true);
  return apply(ops::Softmax{normal_axis(axis, x.ndim(), "softmax")}, x);
}

/// log(softmax(x)) along an axis, calculated without overflow.
template <Device D>
Tensor<D> log_softmax(const Tensor<D>& x, int axis = -1) {
  detail::reduced(x, axis, true, "log_softmax", true);
  return apply(ops::LogSoftmax{normal_axis(axis, x.ndim(), "log_softmax")}, x);
}

}  // namespace needle

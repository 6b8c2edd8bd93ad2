// Other shapes of the same elements: reshape, permute, broadcast. Nothing is copied where strides
// can say it.
#pragma once

#include "needle/graph/apply.hpp"

namespace needle {

namespace detail {
/// For ops whose result has the dtype of their first input.
struct KeepsDtype {
  static Dtype dtype(Dtype x, auto...) { return x; }
};
}  // namespace detail

namespace ops {
/// Another shape of the same size; a copy only where no strides give it.
struct Reshape : detail::KeepsDtype {
  Shape to;
  explicit Reshape(const Shape& to) : to(to) {}
  static constexpr unsigned reads = reads_nothing;
  Shape shape(const Shape&) const { return to; }
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    Layout layout;
    if (try_reshape(x, to, layout)) return Array<D>(x, layout);
    Array<D> whole(x.shape, x.dtype);
    copy(x, whole);
    return Array<D>(whole, compact_layout(to));
  }
  static auto gradient(const auto& g, const auto&, const auto& x) {
    return std::array{reshape(g, x.shape())};
  }
};

/// Axes in another order: a view.
struct Permute : detail::KeepsDtype {
  Axes order;
  explicit Permute(const Axes& order) : order(order) {}
  static constexpr unsigned reads = reads_nothing;
  Shape shape(const Shape& x) const { return permuted({x, row_major(x), 0}, order).shape; }
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    return Array<D>(x, permuted(x, order));
  }
  auto gradient(const auto& g, const auto&, const auto&) const {
    Axes inverse = order;
    for (int i = 0; i < order.ndim(); ++i) inverse[static_cast<int>(order[i])] = i;
    return std::array{permute(g, inverse)};
  }
};

/// Repeated to a larger shape: a view with strides of 0.
struct BroadcastTo : detail::KeepsDtype {
  Shape to;
  explicit BroadcastTo(const Shape& to) : to(to) {}
  static constexpr unsigned reads = reads_nothing;
  Shape shape(const Shape& x) const {
    if (!(broadcast_shapes(x, to, "broadcast_to") == to)) {
      fail("broadcast_to: shape ", x, " does not broadcast to ", to);
    }
    return to;
  }
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    return Array<D>(x, broadcasted(x, to));
  }
  static auto gradient(const auto& g, const auto&, const auto& x) {
    return std::array{sum_to(g, x.shape())};
  }
};

/// The same values, from which no gradient flows back.
struct StopGradient : detail::KeepsDtype {
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    return x;
  }
};
}  // namespace ops

/// The same elements in row-major order under another shape; one size may be -1 and is worked out.
template <Device D>
Tensor<D> reshape(const Tensor<D>& x, Shape shape) {
  int open = -1;
  Shape others = shape;
  for (int i = 0; i < shape.ndim(); ++i) {
    if (shape[i] != -1) continue;
    if (open >= 0) fail("reshape: shape ", shape, " leaves two sizes open; one may be -1");
    others[open = i] = 1;
  }
  const std::int64_t known = checked(others, "reshape").size();
  const bool fits = open < 0 ? known == x.size() : known != 0 && x.size() % known == 0;
  if (!fits) {
    fail("reshape: shape ", x.shape(), " of ", x.size(), " elements does not fit ", shape,
         open < 0 ? text(" of ", known) : text(", whose other sizes make ", known));
  }
  if (open >= 0) shape[open] = x.size() / known;
  if (shape == x.shape()) return x;
  return apply(ops::Reshape(shape), x);
}

/// The axes in another order: axis i of the result is axis `order[i]` of x.
template <Device D>
Tensor<D> permute(const Tensor<D>& x, const Axes& order) {
  if (order.ndim() != x.ndim()) {
    fail("permute: order ", order, " names ", order.ndim(), " axes, shape ", x.shape(), " has ",
         x.ndim());
  }
  Axes normal = order;
  for (int i = 0; i < order.ndim(); ++i) normal[i] = normal_axis(order[i], x.ndim(), "permute");
  if (x.ndim() > 0) axis_mask(normal, x.ndim(), "permute");
  return apply(ops::Permute(normal), x);
}

/// Two axes exchanged; by default the last two.
template <Device D>
Tensor<D> transpose(const Tensor<D>& x, int a = -2, int b = -1) {
  Axes order;
  for (int i = 0; i < x.ndim(); ++i) order.push_back(i);
  std::swap(order[normal_axis(a, x.ndim(), "transpose")],
            order[normal_axis(b, x.ndim(), "transpose")]);
  return apply(ops::Permute(order), x);
}

/// x repeated to a larger shape it broadcasts to; takes no memory.
template <Device D>
Tensor<D> broadcast_to(const Tensor<D>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (x.node().kind() == Kind::constant && !x.requires_grad()) {
    ops::BroadcastTo(shape).shape(x.shape());
    return constant<D>(x.node().constant, shape, x.dtype());
  }
  return apply(ops::BroadcastTo(checked(shape, "broadcast_to")), x);
}

/// Without an axis of size 1; without an argument all of them go.
template <Device D>
Tensor<D> squeeze(const Tensor<D>& x, const Axes& axes = {}) {
  const bool every = axes.ndim() == 0;
  const unsigned mask = axis_mask(axes, x.ndim(), "squeeze");
  Shape shape;
  for (int i = 0; i < x.ndim(); ++i) {
    const bool named = mask >> i & 1;
    if (named && !every && x.shape()[i] != 1) {
      fail("squeeze: axis ", i, " of shape ", x.shape(), " has size ", x.shape()[i], ", not 1");
    }
    if (!named || x.shape()[i] != 1) shape.push_back(x.shape()[i]);
  }
  return reshape(x, shape);
}

/// With a new axis of size 1 that will be axis `axis` of the result.
template <Device D>
Tensor<D> unsqueeze(const Tensor<D>& x, int axis) {
  Shape shape = x.shape();
  if (x.ndim() == max_dims) {
    fail("unsqueeze: shape ", shape, " has ", max_dims, " dimensions, the most there are");
  }
  shape.insert(normal_axis(axis, x.ndim() + 1, "unsqueeze"), 1);
  return reshape(x, shape);
}

/// Axes from `first` to the last made one.
template <Device D>
Tensor<D> flatten(const Tensor<D>& x, int first = 0) {
  if (x.ndim() == 0) return reshape(x, Shape{1});
  const int from = normal_axis(first, x.ndim(), "flatten");
  Shape shape;
  std::int64_t rest = 1;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i < from) shape.push_back(x.shape()[i]);
    else rest *= x.shape()[i];
  }
  shape.push_back(rest);
  return reshape(x, shape);
}

/// The same values, from which no gradient flows back.
template <Device D>
Tensor<D> stop_gradient(const Tensor<D>& x) {
  if (x.node().evaluated()) return Tensor<D>(x.node().value);
  no_grad guard;
  return apply(ops::StopGradient{}, x);
}

}  // namespace needle

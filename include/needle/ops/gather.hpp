// Elements and rows chosen by an index; an index is never made into a matrix.
#pragma once

#include "needle/ops/slice.hpp"
#include "needle/program/backend.hpp"

namespace needle {

namespace detail {
/// An index as kernels take it, int32; refused if it is no whole number.
template <Device D>
Tensor<D> as_index(const Tensor<D>& index, std::string_view op) {
  if (is_float(index.dtype()))
    fail(op, ": an index of ", index.dtype(), "; it must be int32 or uint8");
  return cast(index, Dtype::int32);
}
}  // namespace detail

/// The transposed map of `Gather`: adds up what goes to the same place.
struct ScatterAdd {
  int axis;
  Shape to;
  static constexpr unsigned reads = reads_input(1);
  static Dtype dtype(Dtype source, Dtype) { return source; }
  const Shape& shape(const Shape&, const Shape&) const { return to; }
  template <Device D>
  Array<D> compute(const Array<D>& source, const Array<D>& index) const {
    Array<D> out = zero_array<D>(to, source.dtype);
    scatter_add(source, index, axis, out);
    return out;
  }
  auto gradient(const auto& g, const auto&, const auto&, const auto& index) const {
    return std::array{gather(g, axis, index), std::decay_t<decltype(g)>()};
  }
};

struct Gather {
  int axis;
  static constexpr unsigned reads = reads_input(1);
  static Dtype dtype(Dtype x, Dtype) { return x; }
  Shape shape(const Shape& x, const Shape& index) const {
    bool fits = x.ndim() == index.ndim();
    for (int i = 0; fits && i < x.ndim(); ++i) fits = i == axis || index[i] <= x[i];
    if (!fits) {
      fail("gather: index ", index, " does not fit ", x, " along axis ", axis,
           "; it needs as many axes, and no other axis may be longer");
    }
    return index;
  }
  template <Device D>
  Array<D> compute(const Array<D>& x, const Array<D>& index) const {
    Array<D> out(index.shape, x.dtype);
    gather(x, index, axis, out);
    return out;
  }
  auto gradient(const auto& g, const auto&, const auto& x, const auto& index) const {
    return std::array{apply(ScatterAdd{axis, x.shape()}, g, index), std::decay_t<decltype(g)>()};
  }
};

/// y[i, j] = x[index[i, j], j] for axis 0 of a matrix, and so on; y has the index's shape.
template <Device D>
Tensor<D> gather(const Tensor<D>& x, int axis, const Tensor<D>& index) {
  return apply(Gather{normal_axis(axis, x.ndim(), "gather")}, x, detail::as_index(index, "gather"));
}

/// Zeros of a shape with source[i, j] added at [index[i, j], j] for axis 0 of a matrix, and so on.
template <Device D>
Tensor<D> scatter_add(const Shape& shape, int axis, const Tensor<D>& index,
                      const Tensor<D>& source) {
  const int at = normal_axis(axis, checked(shape, "scatter_add").ndim(), "scatter_add");
  Gather{at}.shape(shape, index.shape());
  if (!(index.shape() == source.shape())) {
    fail("scatter_add: index ", index.shape(), " and source ", source.shape(), " differ in shape");
  }
  return apply(ScatterAdd{at, shape}, to_real(source), detail::as_index(index, "scatter_add"));
}

/// Like `gather`, with an index that broadcasts against x on the other axes (NumPy's
/// take_along_axis).
template <Device D>
Tensor<D> take_along(const Tensor<D>& x, const Tensor<D>& index, int axis) {
  const int at = normal_axis(axis, x.ndim(), "take_along");
  if (index.ndim() != x.ndim()) {
    fail("take_along: index ", index.shape(), " and ", x.shape(), " differ in the number of axes");
  }
  Shape shape = x.shape(), one = x.shape(), other = index.shape();
  one[at] = other[at] = 1;
  shape = broadcast_shapes(one, other, "take_along");
  Shape source = shape;
  source[at] = x.shape()[at];
  shape[at] = index.shape()[at];
  const Tensor<D> ids = detail::as_index(index, "take_along");
  return gather(broadcast_to(x, source), at, broadcast_to(ids, shape));
}

/// The rows of x along an axis that a vector of ids names, in its order; one may come twice.
template <Device D>
Tensor<D> index_select(const Tensor<D>& x, int axis, const Tensor<D>& ids) {
  const int at = normal_axis(axis, x.ndim(), "index_select");
  const Tensor<D> index = detail::as_index(ids, "index_select");
  if (ids.ndim() != 1) fail("index_select: ids of shape ", ids.shape(), "; it takes a vector");
  Shape flat, shape = x.shape();
  for (int i = 0; i < x.ndim(); ++i) flat.push_back(i == at ? ids.size() : 1);
  shape[at] = ids.size();
  return gather(x, at, broadcast_to(reshape(index, flat), shape));
}

}  // namespace needle

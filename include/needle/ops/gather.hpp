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

/// Calls a kernel whose refusals lack the name of who asked.
template <class F>
void run_named(std::string_view op, F&& kernel) {
  try {
    kernel();
  } catch (const Error& error) {
    fail(op, ": ", error.what());
  }
}
}  // namespace detail

namespace ops {
/// The transposed map of `Gather`: adds up what goes to the same place.
struct ScatterAdd {
  int axis;
  Shape to;
  std::string_view caller = "scatter_add";  // whom to name when an index is refused
  static constexpr unsigned reads = reads_input(1);
  static Dtype dtype(Dtype source, Dtype) { return source; }
  const Shape& shape(const Shape&, const Shape&) const { return to; }
  template <Device D>
  Array<D> compute(const Array<D>& source, const Array<D>& index) const {
    Array<D> out = zero_array<D>(to, source.dtype);
    detail::run_named(caller, [&] { scatter_add(source, index, axis, out); });
    return out;
  }
  auto gradient(const auto& g, const auto&, const auto&, const auto& index) const {
    return std::array{gather(g, axis, index), std::decay_t<decltype(g)>()};
  }
};

/// Elements of the first input along an axis, by the index that is the second.
struct Gather {
  int axis;
  std::string_view caller = "gather";  // whom to name when an index is refused
  static constexpr unsigned reads = reads_input(1);
  static Dtype dtype(Dtype x, Dtype) { return x; }
  Shape shape(const Shape& x, const Shape& index) const {
    bool fits = x.ndim() == index.ndim();
    for (int i = 0; fits && i < x.ndim(); ++i) fits = i == axis || index[i] <= x[i];
    if (!fits) {
      fail(caller, ": index ", index, " does not fit ", x, " along axis ", axis,
           "; it needs as many axes, and no other axis may be longer");
    }
    return index;
  }
  template <Device D>
  Array<D> compute(const Array<D>& x, const Array<D>& index) const {
    Array<D> out(index.shape, x.dtype);
    detail::run_named(caller, [&] { gather(x, index, axis, out); });
    return out;
  }
  auto gradient(const auto& g, const auto&, const auto& x, const auto& index) const {
    return std::array{apply(ScatterAdd{axis, x.shape()}, g, index), std::decay_t<decltype(g)>()};
  }
};
}  // namespace ops

/// y[i, j] = x[index[i, j], j] for axis 0 of a matrix, and so on (PyTorch's gather): y has the
/// shape of the index and the dtype of x. The index, int32 or uint8, has as many axes as x and is
/// no longer than x on the others; an element outside of [0, size of the axis) is refused when y is
/// calculated.
template <Device D>
Tensor<D> gather(const Tensor<D>& x, int axis, const Tensor<D>& index) {
  return apply(ops::Gather{normal_axis(axis, x.ndim(), "gather")}, x,
               detail::as_index(index, "gather"));
}

/// Zeros of a shape with source[i, j] added at [index[i, j], j] for axis 0 of a matrix, and so on;
/// always real. Index, int32 or uint8, and source have one shape, which has as many axes as the
/// result and is no longer on the others; an element of the index outside of [0, size of the axis)
/// is refused when the sums are calculated.
template <Device D>
Tensor<D> scatter_add(const Shape& shape, int axis, const Tensor<D>& index,
                      const Tensor<D>& source) {
  const int at = normal_axis(axis, checked(shape, "scatter_add").ndim(), "scatter_add");
  ops::Gather{at, "scatter_add"}.shape(shape, index.shape());
  if (!(index.shape() == source.shape())) {
    fail("scatter_add: index ", index.shape(), " and source ", source.shape(), " differ in shape");
  }
  return apply(ops::ScatterAdd{at, shape}, to_real(source), detail::as_index(index, "scatter_add"));
}

/// ids, int32 or uint8, as rows of zeros with a one at each id: (..., classes), real; an id outside
/// of [0, classes) is refused when the rows are calculated. For an embedding use `index_select`,
/// which needs no such matrix.
template <Device D>
Tensor<D> one_hot(const Tensor<D>& ids, std::int64_t classes) {
  if (classes < 1) fail("one_hot: ", classes, " classes; it takes at least one");
  if (ids.ndim() == max_dims) {
    fail("one_hot: ids ", ids.shape(), " have ", ids.ndim(), " dimensions; it takes at most ",
         max_dims - 1);
  }
  const Tensor<D> index = unsqueeze(detail::as_index(ids, "one_hot"), -1);
  Shape shape = index.shape();
  shape[ids.ndim()] = classes;
  return apply(ops::ScatterAdd{ids.ndim(), checked(shape, "one_hot"), "one_hot"},
               constant<D>(1, index.shape()), index);
}

/// Like `gather`, with an index of as many axes as x that broadcasts against it on the others
/// (NumPy's take_along_axis); the result has the index's size along the axis.
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
  return apply(ops::Gather{at, "take_along"}, broadcast_to(x, source), broadcast_to(ids, shape));
}

/// The rows of x along an axis that a vector of ids (n,), int32 or uint8, names, in its order; one
/// may come twice. The result has the shape of x with n along the axis; an id outside of [0, size
/// of the axis) is refused when it is calculated.
template <Device D>
Tensor<D> index_select(const Tensor<D>& x, int axis, const Tensor<D>& ids) {
  const int at = normal_axis(axis, x.ndim(), "index_select");
  const Tensor<D> index = detail::as_index(ids, "index_select");
  if (ids.ndim() != 1) fail("index_select: ids of shape ", ids.shape(), "; it takes a vector");
  Shape flat, shape = x.shape();
  for (int i = 0; i < x.ndim(); ++i) flat.push_back(i == at ? ids.size() : 1);
  shape[at] = ids.size();
  return apply(ops::Gather{at, "index_select"}, x, broadcast_to(reshape(index, flat), shape));
}

}  // namespace needle

// Parts of tensors and tensors of parts: slices, put, flip, concat, stack, split.
#pragma once

#include "needle/ops/factory.hpp"
#include "needle/ops/reduction.hpp"

namespace needle {

namespace detail {
/// Along each axis: positions start, start + step, ..., count of them.
struct Run {
  std::int64_t start, count, step;
};

inline Layout sliced(Layout x, const std::vector<Run>& runs) {
  for (int i = 0; i < static_cast<int>(runs.size()); ++i) {
    x = needle::sliced(x, i, runs[i].start, runs[i].count, runs[i].step);
  }
  return x;
}
}  // namespace detail

namespace ops {
/// A run of positions along each axis: a view.
struct Slice : detail::KeepsDtype {
  std::vector<detail::Run> runs;
  explicit Slice(std::vector<detail::Run> runs) : runs(std::move(runs)) {}
  static constexpr unsigned reads = reads_nothing;
  Shape shape(const Shape& x) const { return detail::sliced({x, row_major(x), 0}, runs).shape; }
  template <Device D>
  Array<D> compute(const Array<D>& x) const {
    return Array<D>(x, detail::sliced(x, runs));
  }
  template <Device D>
  auto gradient(const Tensor<D>& g, const Tensor<D>&, const Tensor<D>& x) const {
    return std::array{apply(Put(runs), zeros<D>(x.shape()), g)};
  }

  /// The first input with these positions taken from the second.
  struct Put : detail::KeepsDtype {
    std::vector<detail::Run> runs;
    explicit Put(std::vector<detail::Run> runs) : runs(std::move(runs)) {}
    static constexpr unsigned reads = reads_nothing;
    static Shape shape(const Shape& x, const Shape&) { return x; }
    template <Device D>
    Array<D> compute(const Array<D>& x, const Array<D>& part) const {
      Array<D> y(x.shape, x.dtype);
      copy(x, y);
      Array<D> to(y, detail::sliced(y, runs));
      copy(Array<D>(part, broadcasted(part, to.shape)), to);
      return y;
    }
    auto gradient(const auto& g, const auto&, const auto&, const auto& part) const {
      const auto inside = apply(Slice(runs), g);
      return std::array{apply(Put(runs), g, zeros_like(inside)), sum_to(inside, part.shape())};
    }
  };
};

/// Inputs one after the other along an axis.
struct Concat {
  int axis;
  static constexpr unsigned reads = reads_nothing;
  Dtype dtype(std::span<const Dtype> x) const {
    for (Dtype each : x) {
      if (each != x[0]) fail("concat: dtypes ", x[0], " and ", each, " differ; cast one of them");
    }
    return x[0];
  }
  Shape shape(std::span<const Shape> x) const {
    Shape result = x[0];
    for (std::size_t k = 1; k < x.size(); ++k) {
      Shape fits = x[k];
      if (fits.ndim() == result.ndim()) fits[axis] = result[axis];
      if (!(fits == result)) {
        fail("concat: shapes ", x[0], " and ", x[k], " differ in more than axis ", axis);
      }
      result[axis] = added_sizes(result[axis], x[k][axis], "concat");
    }
    return checked(result, "concat");
  }
  template <Device D>
  Array<D> compute(std::span<const Array<D>> x) const {
    Shape result = x[0].shape;
    for (const Array<D>& part : x.subspan(1)) result[axis] += part.shape[axis];
    Array<D> y(result, x[0].dtype);
    std::int64_t start = 0;
    for (const Array<D>& part : x) {
      Array<D> to(y, sliced(y, axis, start, part.shape[axis], 1));
      copy(part, to);
      start += part.shape[axis];
    }
    return y;
  }
  template <Device D>
  auto gradient(const Tensor<D>& g, const Tensor<D>&, std::span<const Tensor<D>> x) const {
    std::vector<Tensor<D>> parts;
    std::int64_t start = 0;
    for (const Tensor<D>& part : x) {
      parts.push_back(narrow(g, axis, start, part.shape()[axis]));
      start += part.shape()[axis];
    }
    return parts;
  }
};
}  // namespace ops

namespace detail {
/// Python's slice.indices: the run of positions that a range means on an axis of n.
inline detail::Run run_of(const range& r, std::int64_t n, std::string_view op) {
  if (r.step == 0) fail(op, ": a step of 0; it must be positive or negative");
  const std::int64_t low = r.step > 0 ? 0 : -1, high = r.step > 0 ? n : n - 1;
  const auto place = [&](std::optional<std::int64_t> at, std::int64_t otherwise) {
    if (!at) return otherwise;
    return (std::clamp)(*at < 0 ? *at + n : *at, low, high);
  };
  const std::int64_t start = place(r.start, r.step > 0 ? 0 : n - 1);
  const std::int64_t stop = place(r.stop, r.step > 0 ? n : -1);
  const std::int64_t step = (std::clamp)(r.step, -n - 1, n + 1);  // one beyond them all is enough
  const std::int64_t distance = step > 0 ? stop - start : start - stop;
  return {start, distance > 0 ? (distance - 1) / (step > 0 ? step : -step) + 1 : 0, step};
}

/// An index as a run for each axis, and the shape once dropped axes are gone and new ones there.
inline std::vector<detail::Run> runs_of(std::span<const Index> indices, const Shape& x,
                                        Shape& result, std::string_view op) {
  int named = 0, fills = 0, left = x.ndim();
  for (const Index& index : indices) {
    named += index.kind == Index::position || index.kind == Index::run;
    fills += index.kind == Index::fill;
    left += (index.kind == Index::added) - (index.kind == Index::position);
  }
  if (fills > 1) fail(op, ": more than one ellipsis");
  if (named > x.ndim()) {
    fail(op, ": ", named, " indices for shape ", x, " of ", x.ndim(), " dimensions");
  }
  if (left > max_dims) {
    fail(op, ": shape ", x, " with new axes would have ", left,
         " dimensions; a tensor has at most ", max_dims);
  }
  std::vector<detail::Run> runs;
  const auto whole = [&] {
    const std::int64_t n = x[static_cast<int>(runs.size())];
    runs.push_back({0, n, 1});
    result.push_back(n);
  };
  for (const Index& index : indices) {
    const int axis = static_cast<int>(runs.size());
    if (index.kind == Index::added) {
      result.push_back(1);
    } else if (index.kind == Index::fill) {
      for (int rest = x.ndim() - named; rest > 0; --rest) whole();
    } else if (index.kind == Index::run) {
      runs.push_back(run_of(index.positions, x[axis], op));
      result.push_back(runs.back().count);
    } else {
      if (index.at < -x[axis] || index.at >= x[axis]) {
        fail(op, ": index ", index.at, " on axis ", axis, " of shape ", x, "; it has ", x[axis],
             " positions");
      }
      runs.push_back({index.at < 0 ? index.at + x[axis] : index.at, 1, 1});
    }
  }
  while (static_cast<int>(runs.size()) < x.ndim()) whole();
  return runs;
}
}  // namespace detail

/// What `x[{...}]` means: a view of these positions. A position that is not there, more indices
/// than axes and a second ellipsis are refused; ranges end where the axis does.
template <Device D>
Tensor<D> slice(const Tensor<D>& x, std::span<const Index> indices) {
  Shape result;
  std::vector<detail::Run> runs = detail::runs_of(indices, x.shape(), result, "slice");
  return reshape(apply(ops::Slice(std::move(runs)), x), result);
}

/// x with the positions of an index taken from `values`, which broadcasts to them: a new tensor.
template <Device D>
Tensor<D> put(const Tensor<D>& x, std::initializer_list<Index> indices, const Tensor<D>& values) {
  if (x.dtype() != values.dtype()) {
    fail("put: values of ", values.dtype(), " into a tensor of ", x.dtype(), "; cast them first");
  }
  Shape shown, whole;
  std::vector<detail::Run> runs =
      detail::runs_of(std::span(indices.begin(), indices.size()), x.shape(), shown, "put");
  for (const detail::Run& run : runs) whole.push_back(run.count);
  if (!broadcasts_to(values.shape(), shown)) {
    fail("put: values ", values.shape(), " do not broadcast to the positions ", shown, " of ",
         x.shape());
  }
  const Tensor<D> part = reshape(broadcast_to(values, shown), whole);
  return apply(ops::Slice::Put(std::move(runs)), x, part);
}
template <Device D, Number S>
Tensor<D> put(const Tensor<D>& x, std::initializer_list<Index> indices, S value) {
  return put(x, indices, constant<D>(static_cast<double>(value), Shape{}, x.dtype(), "put"));
}

/// Positions start, ..., start + length - 1 of one axis.
template <Device D>
Tensor<D> narrow(const Tensor<D>& x, int axis, std::int64_t start, std::int64_t length) {
  const int at = normal_axis(axis, x.ndim(), "narrow");
  if (start < 0 || length < 0 || start > x.shape()[at] - length) {
    fail("narrow: ", length, " positions from ", start, " on axis ", axis, " of shape ", x.shape(),
         "; it has ", x.shape()[at]);
  }
  std::vector<detail::Run> runs;
  for (std::int64_t n : x.shape()) runs.push_back({0, n, 1});
  runs[static_cast<std::size_t>(at)] = {start, length, 1};
  return apply(ops::Slice(std::move(runs)), x);
}

/// The order along these axes reversed; without axes, along all.
template <Device D>
Tensor<D> flip(const Tensor<D>& x, const Axes& axes = {}) {
  const unsigned mask = axis_mask(axes, x.ndim(), "flip");
  std::vector<detail::Run> runs;
  for (int i = 0; i < x.ndim(); ++i) {
    const std::int64_t n = x.shape()[i];
    runs.push_back(mask >> i & 1 ? detail::Run{n - 1, n, -1} : detail::Run{0, n, 1});
  }
  return apply(ops::Slice(std::move(runs)), x);
}

/// Tensors one after the other along an axis; dtypes, numbers of axes and the sizes of all other
/// axes must agree.
template <Device D>
Tensor<D> concat(const std::vector<Tensor<D>>& parts, int axis = 0) {
  if (parts.empty()) fail("concat: no tensors; it takes at least one");
  return apply_all(ops::Concat{normal_axis(axis, parts[0].ndim(), "concat")}, parts);
}

template <Device D>
Tensor<D> concat(std::initializer_list<Tensor<D>> parts, int axis = 0) {
  return concat(std::vector<Tensor<D>>(parts), axis);
}

/// Tensors of one shape and dtype side by side along a new axis, number `axis` of the result.
template <Device D>
Tensor<D> stack(const std::vector<Tensor<D>>& parts, int axis = 0) {
  if (parts.empty()) fail("stack: no tensors; it takes at least one");
  const int at = normal_axis(axis, parts[0].ndim() + 1, "stack");
  if (parts[0].ndim() == max_dims) {
    fail("stack: shape ", parts[0].shape(), " has ", max_dims, " dimensions, the most there are");
  }
  std::vector<Tensor<D>> raised;
  for (const Tensor<D>& part : parts) {
    if (!(part.shape() == parts[0].shape())) {
      fail("stack: shapes ", parts[0].shape(), " and ", part.shape(),
           " differ; they must be equal");
    }
    if (part.dtype() != parts[0].dtype()) {
      fail("stack: dtypes ", parts[0].dtype(), " and ", part.dtype(), " differ; cast one of them");
    }
    raised.push_back(unsqueeze(part, at));
  }
  return concat(raised, at);
}
template <Device D>
Tensor<D> stack(std::initializer_list<Tensor<D>> parts, int axis = 0) {
  return stack(std::vector<Tensor<D>>(parts), axis);
}

/// Parts of these sizes along an axis; they must add up to its size.
template <Device D>
std::vector<Tensor<D>> split(const Tensor<D>& x, const std::vector<std::int64_t>& sizes,
                             int axis = 0) {
  const int at = normal_axis(axis, x.ndim(), "split");
  std::int64_t start = 0;
  for (std::int64_t size : sizes) {
    if (size < 0) fail("split: a part of size ", size, "; it must be at least 0");
    start = added_sizes(start, size, "split");
  }
  if (start != x.shape()[at]) {
    fail("split: sizes add up to ", start, ", axis ", axis, " of shape ", x.shape(), " has ",
         x.shape()[at]);
  }
  std::vector<Tensor<D>> parts;
  start = 0;
  for (std::int64_t size : sizes) {
    parts.push_back(narrow(x, at, start, size));
    start += size;
  }
  return parts;
}

/// Parts of one size along an axis; the last may be shorter. At least one, if of no elements.
template <Device D>
std::vector<Tensor<D>> split(const Tensor<D>& x, std::int64_t size, int axis = 0) {
  if (size < 1) fail("split: parts of size ", size, "; it must be at least 1");
  const std::int64_t n = x.shape()[normal_axis(axis, x.ndim(), "split")];
  std::vector<std::int64_t> sizes{(std::min)(size, n)};
  for (std::int64_t at = size; at < n; at += size) sizes.push_back((std::min)(size, n - at));
  return split(x, sizes, axis);
}

}  // namespace needle

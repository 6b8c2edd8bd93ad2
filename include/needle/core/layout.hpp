// Views: a shape, strides and an offset. Every function here is arithmetic; no element moves.
#pragma once

#include <array>

#include "needle/core/shape.hpp"

namespace needle {

/// Where the elements of a view lie in their storage, counted in elements.
struct Layout {
  /// How many elements it has along each dimension.
  Shape shape;
  /// How far apart neighbours are along each dimension.
  Strides strides;
  /// Where its first element lies.
  std::int64_t offset = 0;

  /// How many dimensions it has.
  int ndim() const { return shape.ndim(); }
  /// How many elements it has.
  std::int64_t size() const { return shape.size(); }

  /// Whether the elements lie in row-major order without gaps (dimensions of size 1 do not matter).
  bool is_compact() const {
    std::int64_t expected = 1;
    for (int i = ndim() - 1; i >= 0; --i) {
      if (shape[i] == 0) return true;
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }
};

/// A row-major layout from the start of its storage.
inline Layout compact_layout(const Shape& shape) { return {shape, row_major(shape), 0}; }

/// The dimensions in another order: dimension i of the result is dimension `order[i]`.
inline Layout permuted(Layout x, const Axes& order) {
  Layout result{{}, {}, x.offset};
  for (std::int64_t axis : order) {
    result.shape.push_back(x.shape[static_cast<int>(axis)]);
    result.strides.push_back(x.strides[static_cast<int>(axis)]);
  }
  return result;
}

/// The view repeated to a larger shape it broadcasts to, by strides of 0.
inline Layout broadcasted(const Layout& x, const Shape& shape) {
  Layout result{shape, {}, x.offset};
  const int skip = shape.ndim() - x.ndim();
  for (int i = 0; i < shape.ndim(); ++i) {
    const bool moves = i >= skip && x.shape[i - skip] == shape[i] && shape[i] != 1;
    result.strides.push_back(moves ? x.strides[i - skip] : 0);
  }
  return result;
}

/// Elements start, start + step, ... (count of them) along one axis; a negative step runs back.
inline Layout sliced(Layout x, int axis, std::int64_t start, std::int64_t count,
                     std::int64_t step) {
  if (count > 0) x.offset += start * x.strides[axis];
  x.shape[axis] = count;
  x.strides[axis] *= step;
  return x;
}

/// One position along an axis, which disappears.
inline Layout selected(Layout x, int axis, std::int64_t index) {
  x.offset += index * x.strides[axis];
  x.shape.erase(axis);
  x.strides.erase(axis);
  return x;
}

/// Where position `at` of the first `dims` dimensions, in row-major order, lies for each of some
/// strides.
template <class... S>
std::array<std::int64_t, sizeof...(S)> offsets_at(std::int64_t at, const Shape& shape, int dims,
                                                  const S&... strides) {
  std::array<std::int64_t, sizeof...(S)> offsets{};
  for (int i = dims - 1; i >= 0; --i) {
    std::size_t k = 0;
    ((offsets[k++] += at % shape[i] * strides[i]), ...);
    at /= shape[i];
  }
  return offsets;
}

/// Finds strides that give `x` another shape of the same size without moving elements; false where
/// none exist. Runs of dimensions that lie as one are matched with runs of the new shape.
inline bool try_reshape(const Layout& x, const Shape& shape, Layout& result) {
  result = {shape, row_major(shape), x.offset};
  if (x.size() == 0 || x.is_compact()) return true;
  Layout dense{{}, {}, 0};  // x without its sizes of 1, whose strides mean nothing
  for (int i = 0; i < x.ndim(); ++i) {
    if (x.shape[i] == 1) continue;
    dense.shape.push_back(x.shape[i]);
    dense.strides.push_back(x.strides[i]);
  }
  int j = shape.ndim() - 1;
  for (int i = dense.ndim() - 1; i >= 0; --i) {
    const std::int64_t stride = dense.strides[i];
    std::int64_t run = dense.shape[i], filled = 1;
    while (i > 0 && dense.strides[i - 1] == dense.shape[i] * dense.strides[i]) {
      run *= dense.shape[--i];
    }
    for (; filled < run; --j) {
      result.strides[j] = stride * filled;
      filled *= shape[j];
    }
    if (filled != run) return false;
  }
  return true;
}

}  // namespace needle

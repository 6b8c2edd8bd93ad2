// Walking along one axis: for kernels on the host that search, normalise, gather and scatter.
#pragma once

#include "needle/core/array.hpp"

namespace needle {

/// The lines of a view along one axis, numbered row-major over the other axes.
struct Lines {
  /// The lines of x along this axis, which counts from the front.
  template <Device D>
  Lines(const Array<D>& x, int axis) : length(x.shape[axis]), stride(x.strides[axis]) {
    others = x;
    others.offset = 0;
    others = selected(others, axis, 0);
  }
  /// How many lines there are.
  std::int64_t count() const { return others.size(); }
  /// The offset of a line's first element.
  std::int64_t start(std::int64_t line) const {
    return offsets_at(line, others.shape, others.ndim(), others.strides)[0];
  }

  /// The other axes, from offset 0.
  Layout others;
  /// How many elements a line has, and how far apart they are.
  std::int64_t length, stride;
};

/// Whether a comes before b as an extreme; NaN comes before all numbers.
template <class T>
NEEDLE_INLINE bool is_more_extreme(T a, T b, bool largest) {
  return (largest ? a > b : a < b) | ((a != a) & (b == b));
}

/// The first position of the extreme of n > 0 elements.
template <class T>
std::int32_t first_extreme(const T* x, std::int64_t n, std::int64_t stride, bool largest) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i) {
    if (is_more_extreme(x[i * stride], x[best * stride], largest)) best = i;
  }
  return static_cast<std::int32_t>(best);
}

/// An index, if it lies in [0, size); refused otherwise. Who asked adds a name.
inline std::int64_t checked_index(std::int64_t index, std::int64_t size) {
  if (index < 0 || index >= size) fail("index ", index, " is outside of [0, ", size, ")");
  return index;
}

/// The loop of a gather: rows along the innermost dimension over which the index does not change.
class GatherLoop {
 public:
  /// Where a row begins in x (at its indexed position) and in the result.
  struct Row {
    std::int64_t x, out;
  };

  /// `out` has the shape of `index`, whose elements are int32 on the host.
  template <Device D>
  GatherLoop(const Array<D>& x, const Array<D>& index, int axis, const Array<D>& out)
      : axis_(axis), x_(x), index_(index), out_(out) {
    if (index.size() > 0) values_ = index.template data<std::int32_t>();
    const int last = out.ndim() - 1;
    const bool rows =
        last >= 0 && last != axis && (index.strides[last] == 0 || index.shape[last] == 1);
    outer_ = rows ? last : out.ndim();
    if (!rows) return;
    length = out.shape[last];
    x_stride = x.strides[last];
    out_stride = out.strides[last];
  }

  /// How many rows the result has; none if they are empty.
  std::int64_t rows() const { return length == 0 ? 0 : out_.size() / length; }

  /// A row; an index that is out of range is refused.
  Row row(std::int64_t number) const {
    std::int64_t at[max_dims] = {}, from = 0;
    Row row{0, 0};
    for (int i = outer_ - 1; i >= 0; --i) {
      at[i] = number % out_.shape[i];
      number /= out_.shape[i];
      from += at[i] * index_.strides[i];
      row.out += at[i] * out_.strides[i];
    }
    at[axis_] = checked_index(values_[from], x_.shape[axis_]);
    for (int i = 0; i < outer_; ++i) row.x += at[i] * x_.strides[i];
    return row;
  }

  /// Elements of a row, and how far apart they are in x and in the result.
  std::int64_t length = 1, x_stride = 0, out_stride = 0;

 private:
  int axis_, outer_ = 0;
  Layout x_, index_, out_;
  const std::int32_t* values_ = nullptr;
};

}  // namespace needle

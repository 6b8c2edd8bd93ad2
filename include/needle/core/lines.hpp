// Walking along one axis: what kernels that search, gather and scatter on the host share.
#pragma once

#include "needle/core/array.hpp"

namespace needle {

/// The lines of a view along one axis, numbered row-major over the other axes.
struct Lines {
  template <Device D>
  Lines(const Array<D>& x, int axis) : length(x.shape[axis]), stride(x.strides[axis]) {
    others = x;
    others.offset = 0;
    others = selected(others, axis, 0);
  }
  std::int64_t count() const { return others.size(); }
  /// The offset of a line's first element.
  std::int64_t start(std::int64_t line) const {
    std::int64_t at = 0;
    for (int i = others.ndim() - 1; i >= 0; --i) {
      at += line % others.shape[i] * others.strides[i];
      line /= others.shape[i];
    }
    return at;
  }

  Layout others;
  std::int64_t length, stride;
};

/// The first position of the extreme of n > 0 elements; NaN counts as extreme.
template <class T>
std::int32_t first_extreme(const T* x, std::int64_t n, std::int64_t stride, bool largest) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i) {
    const T a = x[i * stride], b = x[best * stride];
    if ((largest ? a > b : a < b) || (a != a && b == b)) best = i;
  }
  return static_cast<std::int32_t>(best);
}

/// Refuses an index (int32 or uint8, on the host) that is outside of [0, size).
template <Device D>
void check_indices(const Array<D>& index, std::int64_t size, std::string_view op) {
  visit(index.dtype, [&]<class T>(T) {
    const Lines lines(Array<D>(index, broadcasted(index, index.ndim() ? index.shape : Shape{1})),
                      index.ndim() ? index.ndim() - 1 : 0);
    for (std::int64_t line = 0; line < lines.count(); ++line) {
      const T* from = index.template data<T>() + lines.start(line);
      for (std::int64_t i = 0; i < (lines.stride == 0 ? (std::min)(lines.length, std::int64_t{1}) : lines.length); ++i) {
        const auto at = static_cast<std::int64_t>(from[i * lines.stride]);
        if (at < 0 || at >= size) {
          fail(op, ": index ", at, " is outside of [0, ", size, ")");
        }
      }
    }
  });
}

/// The loop of a gather: rows along the innermost dimension over which the index does not change.
struct GatherLoop {
  /// Where a row begins in x (at its indexed position) and in the result.
  struct Row {
    std::int64_t x, out;
  };

  template <Device D>
  GatherLoop(const Array<D>& x, const Array<D>& index, int axis, const Array<D>& out)
      : axis_(axis), x_(x), index_(index), out_(out) {
    x_.offset = index_.offset = out_.offset = 0;
    visit(index.dtype, [&]<class T>(T) {
      values_ = index.storage ? static_cast<const void*>(index.template data<T>()) : nullptr;
      wide_ = std::is_same_v<T, std::int32_t>;
    });
    const int last = out.ndim() - 1;
    if (last >= 0 && last != axis && (index.strides[last] == 0 || index.shape[last] == 1)) {
      length = out.shape[last];
      x_stride = x.strides[last];
      out_stride = out.strides[last];
      outer_ = last;
    } else {
      outer_ = out.ndim();
    }
  }

  std::int64_t rows() const { return length == 0 ? 0 : out_.size() / length; }

  Row row(std::int64_t number) const {
    std::int64_t at[max_dims], from = 0;
    Row row{0, 0};
    for (int i = outer_ - 1; i >= 0; --i) {
      at[i] = number % out_.shape[i];
      number /= out_.shape[i];
      from += at[i] * index_.strides[i];
      row.out += at[i] * out_.strides[i];
    }
    const std::int64_t chosen = wide_ ? static_cast<const std::int32_t*>(values_)[from]
                                      : static_cast<const std::uint8_t*>(values_)[from];
    for (int i = 0; i < outer_; ++i) row.x += (i == axis_ ? chosen : at[i]) * x_.strides[i];
    return row;
  }

  std::int64_t length = 1, x_stride = 0, out_stride = 0;

 private:
  int axis_, outer_ = 0;
  Layout x_, index_, out_;
  const void* values_ = nullptr;
  bool wide_ = true;
};

}  // namespace needle

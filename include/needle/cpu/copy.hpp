// Copies between views on the CPU.
//
// The destination sets the order. Where the source runs across it (a transpose), squares of 16 x 16
// are copied, so that both sides are read and written a cache line at a time.
#pragma once

#include "needle/cpu/interpreter.hpp"

namespace needle {

namespace cpu {

/// Positions [begin, end) of a loop whose operands are the destination and the source.
template <class To, class From>
void copy_runs(To* to, const From* from, const Loop& loop, std::int64_t begin, std::int64_t end) {
  const std::int64_t inner = loop.shape.ndim() ? loop.shape.back() : 1;
  const std::int64_t to_stride = loop.shape.ndim() ? loop.strides[0].back() : 0;
  const std::int64_t from_stride = loop.shape.ndim() ? loop.strides[1].back() : 0;
  From line[tile];
  for (std::int64_t i = begin; i < end;) {
    const std::int64_t n = (std::min)({end - i, inner - i % inner, tile});
    std::int64_t to_at = 0, from_at = 0, rest = i;
    for (int d = loop.shape.ndim() - 1; d >= 0; --d) {
      const std::int64_t index = rest % loop.shape[d];
      rest /= loop.shape[d];
      to_at += index * loop.strides[0][d];
      from_at += index * loop.strides[1][d];
    }
    if (to_stride == 1 || n == 1) {
      load(to + to_at, from + from_at, from_stride, n);
    } else {
      load(line, from + from_at, from_stride, n);
      store(to + to_at, line, to_stride, n);
    }
    i += n;
  }
}

/// A matrix whose rows are near in the destination and whose columns are near in the source.
template <class To, class From>
void copy_transposed(To* to, std::int64_t to_row, const From* from, std::int64_t from_column,
                     std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t side = 16;
  for (std::int64_t i = 0; i < rows; i += side) {
    const std::int64_t height = (std::min)(side, rows - i);
    for (std::int64_t j = 0; j < columns; j += side) {
      const std::int64_t width = (std::min)(side, columns - j);
      for (std::int64_t r = i; r < i + height; ++r) {
        for (std::int64_t c = j; c < j + width; ++c) {
          to[r * to_row + c] = convert<To>(from[c * from_column + r]);
        }
      }
    }
  }
}

template <class To, class From>
void copy_elements(To* to, const From* from, const Loop& loop) {
  const int n = loop.shape.ndim();
  const bool across = n >= 2 && loop.strides[0][n - 1] == 1 && loop.strides[1][n - 2] == 1;
  if (!across) {
    return for_each_chunk(loop.size(), 2, [&](std::int64_t begin, std::int64_t end) {
      copy_runs(to, from, loop, begin, end);
    });
  }
  // Bands of 16 rows of the innermost two dimensions are the tasks.
  const std::int64_t rows = loop.shape[n - 2], columns = loop.shape[n - 1];
  const std::int64_t bands = (rows + 15) / 16, matrices = loop.size() / (rows * columns);
  const auto band = [&](std::int64_t task) {
    std::int64_t rest = task / bands, to_at = 0, from_at = 0;
    const std::int64_t row = task % bands * 16;
    for (int d = n - 3; d >= 0; --d) {
      to_at += rest % loop.shape[d] * loop.strides[0][d];
      from_at += rest % loop.shape[d] * loop.strides[1][d];
      rest /= loop.shape[d];
    }
    copy_transposed(to + to_at + row * loop.strides[0][n - 2], loop.strides[0][n - 2],
                    from + from_at + row, loop.strides[1][n - 1],
                    (std::min)(rows - row, std::int64_t{16}), columns);
  };
  if (loop.size() < parallel_work) {
    for (std::int64_t i = 0; i < bands * matrices; ++i) band(i);
  } else {
    parallel_for(bands * matrices, band);
  }
}

}  // namespace cpu

/// Copies and converts the elements of one view into another of the same shape.
inline void copy(const Array<Cpu>& from, Array<Cpu>& to) {
  if (to.size() == 0) return;
  const Array<Cpu> both[] = {to, from};
  const Loop loop = loop_over<Cpu>(to.shape, std::span<const Array<Cpu>>(both));
  visit(to.dtype, [&]<class To>(To) {
    visit(from.dtype, [&]<class From>(From) {
      if constexpr (!std::is_same_v<To, double> && !std::is_same_v<From, double>) {
        cpu::copy_elements(to.data<To>(), from.data<From>(), loop);
      }
    });
  });
}

}  // namespace needle

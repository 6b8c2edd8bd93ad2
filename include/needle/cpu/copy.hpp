// Copies between views on the CPU.
//
// The destination sets the order. Where the source runs across it (a transpose), squares of 16 x 16
// are copied, so that both sides are read and written a cache line at a time.
#pragma once

#include "needle/cpu/execute.hpp"

namespace needle {

namespace cpu {

/// Positions [begin, end) of a loop whose operands are the destination and the source.
template <class T>
void copy_runs(T* to, const T* from, const Loop& loop, std::int64_t begin, std::int64_t end) {
  const int n = loop.shape.ndim();
  const std::int64_t inner = n ? loop.shape.back() : 1;
  const std::int64_t to_stride = n ? loop.strides[0].back() : 1;
  for (std::int64_t i = begin; i < end;) {
    const auto [to_at, from_at] = offsets_at(i, loop.shape, n, loop.strides[0], loop.strides[1]);
    const std::int64_t count = (std::min)(end - i, inner - i % inner);
    const std::int64_t from_stride = n ? loop.strides[1].back() : 1;
    if (to_stride == 1) {
      load(to + to_at, from + from_at, from_stride, count);
    } else {
      for (std::int64_t j = 0; j < count; ++j)
        to[to_at + j * to_stride] = from[from_at + j * from_stride];
    }
    i += count;
  }
}

/// A matrix whose rows are near in the destination and whose columns are near in the source.
template <class T>
void copy_transposed(T* to, std::int64_t to_row, const T* from, std::int64_t from_column,
                     std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t side = 16;
  for (std::int64_t j = 0; j < columns; j += side) {
    const std::int64_t width = (std::min)(side, columns - j);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = j; c < j + width; ++c) to[r * to_row + c] = from[c * from_column + r];
    }
  }
}

template <class T>
void copy_elements(T* to, const T* from, const Loop& loop) {
  const int n = loop.shape.ndim();
  const bool across = n >= 2 && loop.strides[0][n - 1] == 1 && loop.strides[1][n - 2] == 1;
  if (!across) {
    return for_each_chunk(loop.size(), 2, [&](std::int64_t begin, std::int64_t end) {
      copy_runs(to, from, loop, begin, end);
    });
  }
  // Bands of 16 rows of the innermost two dimensions are the tasks.
  const std::int64_t rows = loop.shape[n - 2], columns = loop.shape[n - 1];
  const std::int64_t bands = (rows + 15) / 16, tasks = loop.size() / (rows * columns) * bands;
  const auto band = [&](std::int64_t task) {
    const std::int64_t row = task % bands * 16;
    const auto [to_at, from_at] =
        offsets_at(task / bands, loop.shape, n - 2, loop.strides[0], loop.strides[1]);
    copy_transposed(to + to_at + row * loop.strides[0][n - 2], loop.strides[0][n - 2],
                    from + from_at + row, loop.strides[1][n - 1],
                    (std::min)(rows - row, std::int64_t{16}), columns);
  };
  if (loop.size() >= parallel_work) return parallel_for(tasks, band);
  for (std::int64_t i = 0; i < tasks; ++i) band(i);
}

}  // namespace cpu

/// Copies and converts the elements of one view into another of the same shape.
NEEDLE_ON_DEMAND
void copy(const Array<Cpu>& from, Array<Cpu>& to) {
  if (to.size() == 0) return;
  if (from.dtype != to.dtype) {  // a program converts, into a compact array
    const bool real = is_float(from.dtype) || is_float(to.dtype);
    Array<Cpu> out = to.is_compact() ? to : Array<Cpu>(to.shape, to.dtype);
    execute(identity_program(real ? Arithmetic::real : Arithmetic::int32),
            std::span<const Array<Cpu>>(&from, 1), std::span<Array<Cpu>>(&out, 1));
    if (!to.is_compact()) copy(out, to);
    return;
  }
  const Array<Cpu> both[] = {to, from};
  const Loop loop = loop_over<Cpu>(to.shape, std::span<const Array<Cpu>>(both));
  cpu::with_bits(to, from, [&](auto* y, const auto* x) { cpu::copy_elements(y, x, loop); });
}

}  // namespace needle

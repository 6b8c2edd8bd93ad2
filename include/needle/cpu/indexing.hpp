// Kernels on the CPU that read or write where an index says, and positions of extremes.
#pragma once

#include "needle/core/lines.hpp"
#include "needle/cpu/interpreter.hpp"

namespace needle {

/// First position of the largest (or smallest) element along an axis; NaN counts as extreme.
inline void arg_extreme(const Array<Cpu>& x, int axis, bool largest, Array<Cpu>& out) {
  visit(x.dtype, [&]<class T>(T) {
    const Lines lines(x, axis);
    cpu::for_each_chunk(lines.count(), 2 * lines.length, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t line = begin; line < end; ++line) {
        const T* from = x.data<T>() + lines.start(line);
        out.data<std::int32_t>()[line] = first_extreme(from, lines.length, lines.stride, largest);
      }
    });
  });
}

/// out[..., i, ...] = x[..., index[..., i, ...], ...]; rows whose index is one are moved whole.
inline void gather(const Array<Cpu>& x, const Array<Cpu>& index, int axis, Array<Cpu>& out) {
  const GatherLoop loop(x, index, axis, out, "gather");
  const auto move = [&]<class T>(T* to, const T* from) {
    cpu::for_each_chunk(loop.rows(), 2 * loop.length, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        cpu::load(to + row * loop.length, from + loop.row(row).x, loop.x_stride, loop.length);
      }
    });
  };
  if (item_bytes(x.dtype) == 1) move(out.data<std::uint8_t>(), x.data<std::uint8_t>());
  else move(out.data<std::int32_t>(), x.data<std::int32_t>());  // four bytes are four bytes
}

/// out[..., index[..., i, ...], ...] += source[..., i, ...], in the order of the source.
inline void scatter_add(const Array<Cpu>& source, const Array<Cpu>& index, int axis,
                        Array<Cpu>& out) {
  const GatherLoop loop(out, index, axis, source, "scatter_add");
  float* to = out.data<float>();
  const float* from = source.data<float>();
  for (std::int64_t row = 0; row < loop.rows(); ++row) {
    const GatherLoop::Row at = loop.row(row);
    for (std::int64_t j = 0; j < loop.length; ++j) {
      to[at.x + j * loop.x_stride] += from[at.out + j * loop.out_stride];
    }
  }
}

}  // namespace needle

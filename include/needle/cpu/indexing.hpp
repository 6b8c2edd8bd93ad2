// Kernels on the CPU that read or write where an index says, and positions of extremes.
#pragma once

#include <algorithm>

#include "needle/core/lines.hpp"
#include "needle/cpu/chunks.hpp"
#include "needle/cpu/fold.hpp"

namespace needle {

namespace cpu {

/// `first_extreme` of neighbours, by stretches: the extreme of one is joined in vectors, and only
/// where it beats all before it is its place looked for.
template <bool largest>
std::int32_t first_extreme_of_row(const float* x, std::int64_t n) {
  constexpr std::int64_t stretch = 4096;
  const FoldLoop fold = fold_loops(largest ? Monoid::maximum : Monoid::minimum).row;
  std::int64_t best = 0;
  for (std::int64_t begin = 0; begin < n; begin += stretch) {
    const std::int64_t end = (std::min)(n, begin + stretch);
    const std::int64_t whole = (end - begin) / block * block;
    alignas(64) float chain[chains];
    float extreme = x[begin];
    std::fill_n(chain, chains, extreme);
    fold(chain, x + begin, whole, chains);
    for (float v : chain) extreme = is_more_extreme(v, extreme, largest) ? v : extreme;
    for (std::int64_t i = begin + whole; i < end; ++i) {
      extreme = is_more_extreme(x[i], extreme, largest) ? x[i] : extreme;
    }
    if (!is_more_extreme(extreme, x[best], largest)) continue;
    const bool nan = extreme != extreme;
    for (best = begin; best + block <= end; best += block) {
      int found = 0;
      for (int j = 0; j < block; ++j) {
        const float v = x[best + j];
        found |= (v == extreme) | (nan & (v != v));
      }
      if (found) break;
    }
    while (!(x[best] == extreme || (nan && x[best] != x[best]))) ++best;
  }
  return static_cast<std::int32_t>(best);
}

/// How many lines that lie side by side are searched together: a kilobyte of each row is read in
/// one go (bench_reduction, 1000 x 1000: 0.6 ms, with 64 bytes 2.2).
inline constexpr std::int64_t columns_together = 16 * block;

/// `first_extreme` of `columns` lines that lie side by side, whole blocks of them.
template <bool largest>
void first_extremes_of_columns(const float* x, std::int64_t n, std::int64_t stride,
                               std::int64_t columns, std::int32_t* at) {
  float best[columns_together];
  std::copy_n(x, columns, best);
  std::fill_n(at, columns, 0);
  for (std::int64_t i = 1; i < n; ++i) {
    x += stride;
    for (std::int64_t c = 0; c < columns; c += block) {
      NEEDLE_INDEPENDENT
      for (std::int64_t j = c; j < c + block; ++j) {
        const bool more = is_more_extreme(x[j], best[j], largest);
        best[j] = math::detail::select(more, x[j], best[j]);
        at[j] = more ? static_cast<std::int32_t>(i) : at[j];
      }
    }
  }
}

/// Lines [line, end) of floats.
template <bool largest>
void first_extremes(const Array<Cpu>& x, const Lines& lines, std::int64_t line, std::int64_t end,
                    std::int32_t* out) {
  const Layout& others = lines.others;
  const bool columns = others.ndim() > 0 && others.strides.back() == 1;
  while (line < end) {
    const float* from = x.data<float>() + lines.start(line);
    const std::int64_t side_by_side =
        columns ? others.shape.back() - line % others.shape.back() : 1;
    if (lines.stride == 1 && lines.length >= 2 * chains) {
      out[line++] = first_extreme_of_row<largest>(from, lines.length);
    } else if (const std::int64_t n = (std::min)({side_by_side, end - line, columns_together});
               n >= block) {
      const std::int64_t whole = n / block * block;
      first_extremes_of_columns<largest>(from, lines.length, lines.stride, whole, out + line);
      line += whole;
    } else {
      out[line++] = first_extreme(from, lines.length, lines.stride, largest);
    }
  }
}

}  // namespace cpu

/// First position of the largest (or smallest) element along an axis; NaN counts as extreme.
NEEDLE_ON_DEMAND
void arg_extreme(const Array<Cpu>& x, int axis, bool largest, Array<Cpu>& out) {
  const Lines lines(x, axis);
  std::int32_t* to = out.data<std::int32_t>();
  cpu::for_each_chunk(lines.count(), 2 * lines.length, [&](std::int64_t begin, std::int64_t end) {
    if (x.dtype == Dtype::float32) {
      if (largest) cpu::first_extremes<true>(x, lines, begin, end, to);
      else cpu::first_extremes<false>(x, lines, begin, end, to);
      return;
    }
    visit(x.dtype, [&]<class T>(T) {
      for (std::int64_t line = begin; line < end; ++line) {
        const T* from = x.data<T>() + lines.start(line);
        to[line] = first_extreme(from, lines.length, lines.stride, largest);
      }
    });
  });
}

/// out[..., i, ...] = x[..., index[..., i, ...], ...]; rows whose index is one are moved whole.
NEEDLE_ON_DEMAND
void gather(const Array<Cpu>& x, const Array<Cpu>& index, int axis, Array<Cpu>& out) {
  const GatherLoop loop(x, index, axis, out);
  cpu::with_bits(out, x, [&](auto* to, const auto* from) {
    cpu::for_each_chunk(loop.rows(), 2 * loop.length, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        cpu::load(to + row * loop.length, from + loop.row(row).x, loop.x_stride, loop.length);
      }
    });
  });
}

/// out[..., index[..., i, ...], ...] += source[..., i, ...], in the order of the source.
NEEDLE_ON_DEMAND
void scatter_add(const Array<Cpu>& source, const Array<Cpu>& index, int axis, Array<Cpu>& out) {
  const GatherLoop loop(out, index, axis, source);
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

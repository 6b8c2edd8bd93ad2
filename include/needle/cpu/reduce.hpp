// Reductions on the CPU, over any axes, of whatever a program calculates.
//
// The axes are put in the order (outer kept, reduced, inner kept), and the program's tiles are folded
// as they come: neighbours by vector loops over halves, tiles in double precision (64-bit integers for
// int32). The reduced range is cut into pieces of a fixed number of elements, joined in order, so the
// bits do not depend on threads, and the error of a sum grows with the logarithm of a tile, not with n.
#pragma once

#include "needle/cpu/interpreter.hpp"

namespace needle::cpu {

template <class R>
class Reducer {
 public:
  using Wide = std::conditional_t<std::is_integral_v<R>, std::int64_t, double>;

  Reducer(Monoid monoid, const Program& program, std::span<const Array<Cpu>> inputs,
          const Shape& shape, unsigned mask)
      : monoid_(monoid), program_(program), fold_(steps<R>()[scalar_code(monoid)]) {
    const int inner_from = 32 - __builtin_clz(mask | 1u) - (mask == 0);  // after the last reduced axis
    Axes order;
    for (int i = 0; i < inner_from; ++i) {
      if (!(mask >> i & 1)) order.push_back(i), outer_ *= shape[i];
    }
    for (int i = 0; i < inner_from; ++i) {
      if (mask >> i & 1) order.push_back(i), length_ *= shape[i];
    }
    for (int i = inner_from; i < shape.ndim(); ++i) order.push_back(i), inner_ *= shape[i];
    for (const Array<Cpu>& input : inputs) inputs_.emplace_back(input, permuted(input, order));
    loop_ = loop_over<Cpu>(permuted({shape, row_major(shape)}, order).shape,
                           std::span<const Array<Cpu>>(inputs_));
  }

  /// The results, outer kept axes before inner kept ones.
  std::vector<Wide> run() {
    const Wide identity = monoid_ == Monoid::product ? 1 : 0;
    std::vector<Wide> out(static_cast<std::size_t>(outer_ * inner_), identity);
    if (out.empty() || length_ == 0) return out;
    const std::int64_t cost = program_.steps + program_.inputs + 1;
    if (inner_ == 1 && length_ <= tile) {
      const std::int64_t rows = (std::max)(chunk / length_, std::int64_t{1});
      tasks((outer_ + rows - 1) / rows, cost, [&](std::int64_t task) {
        reduce_rows(out.data(), task * rows, (std::min)(outer_, (task + 1) * rows));
      });
      return out;
    }
    // A task is a piece of the reduced range of one outer index and one run of inner positions.
    const std::int64_t width = (std::min)(inner_, tile), runs = (inner_ + width - 1) / width;
    const std::int64_t piece = (std::max)(chunk / width, std::int64_t{1});
    const std::int64_t pieces = (length_ + piece - 1) / piece;
    std::vector<Wide> partial(static_cast<std::size_t>(outer_ * runs * pieces * width));
    tasks(outer_ * runs * pieces, cost, [&](std::int64_t task) {
      const std::int64_t p = task % pieces, run = task / pieces % runs, o = task / pieces / runs;
      const std::int64_t from = run * width, count = (std::min)(width, inner_ - from);
      const std::int64_t end = (std::min)(length_, (p + 1) * piece);
      Wide* to = &partial[static_cast<std::size_t>(task * width)];
      if (inner_ == 1) *to = reduce_run(o * length_ + p * piece, end - p * piece);
      else reduce_columns(to, o, p * piece, end, from, count);
    });
    for (std::int64_t o = 0; o < outer_; ++o) {
      for (std::int64_t run = 0; run < runs; ++run) {
        const Wide* from = &partial[static_cast<std::size_t>((o * runs + run) * pieces * width)];
        const std::int64_t count = (std::min)(width, inner_ - run * width);
        Wide* to = &out[static_cast<std::size_t>(o * inner_ + run * width)];
        std::copy_n(from, count, to);
        for (std::int64_t p = 1; p < pieces; ++p) join_all(to, from + p * width, count);
      }
    }
    return out;
  }

 private:
  template <class Body>
  void tasks(std::int64_t count, std::int64_t cost, Body&& body) {
    if (count > 1 && loop_.size() * cost >= parallel_work) return parallel_for(count, body);
    for (std::int64_t i = 0; i < count; ++i) body(i);
  }

  Wide join(Wide a, Wide b) const {
    switch (monoid_) {
      case Monoid::sum: return scalar::Add::apply(a, b);
      case Monoid::product: return scalar::Multiply::apply(a, b);
      case Monoid::maximum: return scalar::Maximum::apply(a, b);
      case Monoid::minimum: break;
    }
    return scalar::Minimum::apply(a, b);
  }

  /// a[i] = join(a[i], b[i]) for i < n, with one decision for all of them.
  template <class V>
  void join_all(Wide* a, const V* b, std::int64_t n) const {
    const auto each = [&]<class F>(F) {
      std::int64_t i = 0;
      for (; i + block <= n; i += block) {
        NEEDLE_INDEPENDENT
        for (int j = 0; j < block; ++j) a[i + j] = F::apply(a[i + j], static_cast<Wide>(b[i + j]));
      }
      for (; i < n; ++i) a[i] = F::apply(a[i], static_cast<Wide>(b[i]));
    };
    switch (monoid_) {
      case Monoid::sum: return each(scalar::Add{});
      case Monoid::product: return each(scalar::Multiply{});
      case Monoid::maximum: return each(scalar::Maximum{});
      case Monoid::minimum: return each(scalar::Minimum{});
    }
  }

  /// a[i] = join(a[i], b[i]) for any count.
  void fold(R* a, const R* b, std::int64_t count) const {
    const std::int64_t whole = count / block * block, rest = count - whole;
    if (whole > 0) fold_(a, a, b, b, whole);
    if (rest > 0) {
      R x[block] = {}, y[block] = {};
      std::copy_n(a + whole, rest, x);
      std::copy_n(b + whole, rest, y);
      fold_(x, x, y, y, block);
      std::copy_n(x, rest, a + whole);
    }
  }

  /// One value from 0 < n <= tile neighbours.
  Wide fold_all(const R* v, std::int64_t n) const {
    std::int64_t i = 1;
    Wide sum = v[0];
    if constexpr (!std::is_integral_v<R>) {
      const std::int64_t whole = n / block * block;
      R halves[tile / 2];
      const R* from = v;
      for (std::int64_t m = whole; m > block;) {
        const std::int64_t half = padded(m / 2);
        fold_(halves, from, from + half, from + half, m - half);
        if (from == v) std::copy(v + (m - half), v + half, halves + (m - half));
        from = halves;
        m = half;
      }
      if (whole > 0) {
        Wide lanes[block];
        std::copy_n(from, block, lanes);
        for (int m = block / 2; m > 0; m /= 2) join_all(lanes, lanes + m, m);
        sum = lanes[0];
        i = whole;
      }
    }
    for (; i < n; ++i) sum = join(sum, v[i]);
    return sum;
  }

  /// Asks for the next tile while this one is folded. Folding halves reads two streams at once,
  /// which a processor does not foresee: a sum of 40 MB takes half the time with it.
  static void prefetch(const R* v) {
    for (std::int64_t i = 0; i < tile; i += block) __builtin_prefetch(v + i);
  }

  /// Whole rows that are shorter than a tile, several to a tile.
  void reduce_rows(Wide* out, std::int64_t row, std::int64_t end) {
    const std::int64_t rows = tile / length_;
    Interpreter<R> interpreter(program_, loop_, inputs_, (std::min)(rows, end - row) * length_);
    const bool input = interpreter.read_only();
    for (; row < end; row += rows) {
      const std::int64_t count = (std::min)(rows, end - row);
      interpreter.run(row * length_, count * length_);
      const R* v = interpreter.result(0);
      if (input) prefetch(v + count * length_);
      for (std::int64_t i = 0; i < count; ++i) out[row + i] = fold_all(v + i * length_, length_);
    }
  }

  /// A run of neighbours longer than a tile.
  Wide reduce_run(std::int64_t begin, std::int64_t length) {
    Interpreter<R> interpreter(program_, loop_, inputs_, (std::min)(tile, length));
    const bool input = interpreter.read_only();
    Wide sum{};
    for (std::int64_t i = 0; i < length; i += tile) {
      const std::int64_t n = (std::min)(tile, length - i);
      interpreter.run(begin + i, n);
      const R* v = interpreter.result(0);
      if (input) prefetch(v + n);
      const Wide part = fold_all(v, n);
      sum = i == 0 ? part : join(sum, part);
    }
    return sum;
  }

  /// Rows [row, end) of the reduced range at inner positions [from, from + count), all at once.
  void reduce_columns(Wide* out, std::int64_t outer, std::int64_t row, std::int64_t end,
                      std::int64_t from, std::int64_t count) {
    const std::int64_t rows = count == inner_ ? tile / inner_ : 1;  // of one run of the program
    const std::int64_t group = std::is_integral_v<R> ? 1 : 16;      // runs folded before widening
    Interpreter<R> interpreter(program_, loop_, inputs_, rows * count);
    if (rows == 1) interpreter.read_only();
    R sum[tile];
    bool first = true;
    while (row < end) {
      for (std::int64_t g = 0; g < group && row < end; ++g) {
        std::int64_t m = (std::min)(rows, end - row);
        interpreter.run((outer * length_ + row) * inner_ + from, m * count);
        R* v = interpreter.result(0);
        row += m;
        if constexpr (std::is_integral_v<R>) {
          for (std::int64_t i = 0; i < m; ++i, first = false) widen(out, v + i * count, count, first);
        } else {
          for (; m > 1; m = (m + 1) / 2) fold(v, v + (m + 1) / 2 * count, m / 2 * count);
          if (g == 0) std::copy_n(v, count, sum);
          else fold(sum, v, count);
        }
      }
      if constexpr (!std::is_integral_v<R>) widen(out, sum, count, std::exchange(first, false));
    }
  }

  void widen(Wide* out, const R* v, std::int64_t count, bool first) const {
    if (first) std::copy_n(v, count, out);
    else join_all(out, v, count);
  }

  Monoid monoid_;
  const Program& program_;
  StepLoop<R> fold_;
  std::int64_t outer_ = 1, length_ = 1, inner_ = 1;
  std::vector<Array<Cpu>> inputs_;
  Loop loop_;
};

}  // namespace needle::cpu

namespace needle {

/// Joins a program's values over the axes of `mask`; see `Backend`.
inline void reduce(Monoid monoid, const Program& program, std::span<const Array<Cpu>> inputs,
                   const Shape& shape, unsigned mask, Array<Cpu>& out) {
  const auto finish = [&](auto values) {
    visit(out.dtype, [&]<class T>(T) {
      if constexpr (!std::is_same_v<T, double>) {
        T* to = out.template data<T>();
        for (auto value : values) {
          if constexpr (std::is_same_v<T, std::int32_t>) check_int32(value, name(monoid));
          *to++ = static_cast<T>(value);
        }
      }
    });
  };
  if (program.arithmetic == Arithmetic::real) {
    finish(cpu::Reducer<float>(monoid, program, inputs, shape, mask).run());
  } else {
    finish(cpu::Reducer<std::int32_t>(monoid, program, inputs, shape, mask).run());
  }
}

}  // namespace needle

// Reductions on the CPU, over any axes, of whatever a program calculates.
//
// The axes are put in the order (outer kept, reduced, inner kept), and the program's tiles are
// folded as they come: neighbours in chains of floats for some thousand elements, then in double
// precision (64-bit integers for int32). The reduced range is cut into pieces of a fixed size and
// joined in order, so bits do not depend on threads, and the error of a sum does not grow with n.
#pragma once

#include "needle/cpu/fold.hpp"
#include "needle/cpu/interpreter.hpp"

namespace needle::cpu {

template <class R>
class Reducer {
 public:
  using Wide = std::conditional_t<std::is_integral_v<R>, std::int64_t, double>;

  Reducer(Monoid monoid, const Program& program, std::span<const Array<Cpu>> inputs,
          const Shape& shape, unsigned mask)
      : monoid_(monoid),
        program_(program),
        fold_(steps<R>()[scalar_code(monoid)]),
        fold_row_(fold_loop(monoid)) {
    const int inner_from = mask == 0 ? 0 : 32 - __builtin_clz(mask);  // after the last reduced axis
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
    // A piece is a part of the reduced range of one outer index and one run of inner positions.
    const std::int64_t width = (std::min)(inner_, tile), runs = (inner_ + width - 1) / width;
    const std::int64_t piece = inner_ == 1 ? chunk : (std::max)(4 * chunk / width, std::int64_t{1});
    const std::int64_t pieces = (length_ + piece - 1) / piece, count = outer_ * runs * pieces;
    std::vector<Wide> partial(static_cast<std::size_t>(count * width));
    // A task is as many of them as make it worth a thread's while.
    const std::int64_t each = (std::max)(piece / length_, std::int64_t{1});
    tasks((count + each - 1) / each, [&](std::int64_t task) {
      const std::int64_t first = task * each, last = (std::min)(count, first + each);
      if (inner_ == 1 && length_ <= 2 * tile) return reduce_rows(partial.data(), first, last);
      Interpreter<R> interpreter(program_, loop_, inputs_, tile);
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t p = i % pieces, run = i / pieces % runs, o = i / pieces / runs;
        const std::int64_t from = run * width, columns = (std::min)(width, inner_ - from);
        const std::int64_t end = (std::min)(length_, (p + 1) * piece);
        Wide* to = &partial[static_cast<std::size_t>(i * width)];
        if (inner_ == 1) *to = reduce_run(interpreter, o * length_ + p * piece, end - p * piece);
        else reduce_columns(interpreter, to, o, p * piece, end, from, columns);
      }
    });
    if (runs * pieces == 1) return partial;
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
  void tasks(std::int64_t count, Body&& body) {
    const std::int64_t cost = program_.steps + program_.inputs + 1;
    if (count > 1 && loop_.size() * cost >= parallel_work) return parallel_for(count, body);
    for (std::int64_t i = 0; i < count; ++i) body(i);
  }

  /// What `body` gives for the scalar function that joins.
  template <class Body>
  auto with_join(const Body& body) const {
    switch (monoid_) {
      case Monoid::sum: return body(scalar::Add{});
      case Monoid::product: return body(scalar::Multiply{});
      case Monoid::maximum: return body(scalar::Maximum{});
      case Monoid::minimum: break;
    }
    return body(scalar::Minimum{});
  }

  Wide join(Wide a, Wide b) const {
    return with_join([&]<class F>(F) { return F::apply(a, b); });
  }

  /// a[i] = join(a[i], b[i]) for i < n, with one decision for all of them.
  template <class V>
  void join_all(Wide* a, const V* b, std::int64_t n) const {
    with_join([&]<class F>(F) {
      std::int64_t i = 0;
      for (; i + block <= n; i += block) {
        NEEDLE_INDEPENDENT
        for (int j = 0; j < block; ++j) a[i + j] = F::apply(a[i + j], static_cast<Wide>(b[i + j]));
      }
      for (; i < n; ++i) a[i] = F::apply(a[i], static_cast<Wide>(b[i]));
    });
  }

  /// a[i] = join(a[i], b[i]) for any count.
  void fold(R* a, const R* b, std::int64_t count) const {
    const std::int64_t whole = count / block * block, rest = count - whole;
    if (whole > 0) fold_(a, a, b, b, whole, b);
    if (rest > 0) {
      R x[block] = {}, y[block] = {};
      std::copy_n(a + whole, rest, x);
      std::copy_n(b + whole, rest, y);
      fold_(x, x, y, y, block, y);
      std::copy_n(x, rest, a + whole);
    }
  }

  /// The values of one row, joined as they come.
  class Row {
   public:
    explicit Row(const Reducer& reducer) : reducer_(reducer) {}

    /// Up to two tiles.
    void add(const R* v, std::int64_t n) {
      std::int64_t i = 0;
      if constexpr (!std::is_integral_v<R>) {
        i = n / block * block;
        if (i > 0) add_blocks(v, i);
      }
      for (; i < n; ++i) join(v[i]);
    }

    Wide value() {
      if constexpr (!std::is_integral_v<R>) {
        if (parts_ > 0) widen();
      }
      return value_;
    }

   private:
    /// 16 elements to a chain, then 16 chains: an error grows no further than by 32 roundings.
    void add_blocks(const R* v, std::int64_t n) {
      alignas(64) R next[chains];
      R* chain = parts_ == 0 ? chain_ : next;
      std::fill_n(chain, chains, static_cast<R>(identity_of(reducer_.monoid_)));
      reducer_.fold_row_(chain, v, n, chains);
      if (parts_ > 0) reducer_.fold_(chain_, chain_, next, next, chains, next);
      if (++parts_ == 16) widen();
    }
    void widen() {
      join(reducer_.with_join([&]<class F>(F) {
        const auto halve = [](auto* x, auto half) {
          for (int j = 0; j < half; ++j) x[j] = F::apply(x[j], x[j + half]);
        };
        halve(chain_, std::integral_constant<int, 32>());
        halve(chain_, std::integral_constant<int, 16>());
        Wide wide[block];
        for (int j = 0; j < block; ++j) wide[j] = chain_[j];
        halve(wide, std::integral_constant<int, 8>());
        halve(wide, std::integral_constant<int, 4>());
        return F::apply(F::apply(wide[0], wide[2]), F::apply(wide[1], wide[3]));
      }));
      parts_ = 0;
    }
    void join(Wide value) {
      value_ = empty_ ? value : reducer_.join(value_, value);
      empty_ = false;
    }

    const Reducer& reducer_;
    int parts_ = 0;  // that the chains hold
    bool empty_ = true;
    Wide value_{};
    alignas(64) R chain_[chains];
  };

  /// Whole rows that are no longer than two tiles, several to a run of the program.
  void reduce_rows(Wide* out, std::int64_t row, std::int64_t end) {
    const std::int64_t rows = (std::max)(tile / length_, std::int64_t{1});
    Interpreter<R> interpreter(program_, loop_, inputs_, (std::min)(rows, end - row) * length_);
    interpreter.read_only();
    while (row < end) {
      const std::int64_t count = (std::min)(rows, end - row);
      interpreter.run(row * length_, count * length_);
      for (std::int64_t i = 0; i < count; ++i) {
        Row values(*this);
        values.add(interpreter.result(0) + i * length_, length_);
        out[row++] = values.value();
      }
    }
  }

  /// A run of neighbours, tile by tile.
  Wide reduce_run(Interpreter<R>& interpreter, std::int64_t begin, std::int64_t length) {
    interpreter.read_only();
    Row values(*this);
    for (std::int64_t i = 0; i < length; i += tile) {
      const std::int64_t n = (std::min)(tile, length - i);
      interpreter.run(begin + i, n);
      values.add(interpreter.result(0), n);
    }
    return values.value();
  }

  /// Rows [row, end) of the reduced range at inner positions [from, from + count), all at once.
  void reduce_columns(Interpreter<R>& interpreter, Wide* out, std::int64_t outer, std::int64_t row,
                      std::int64_t end, std::int64_t from, std::int64_t count) {
    if constexpr (!std::is_integral_v<R>) {
      const std::int64_t begin = (outer * length_ + row) * inner_ + from;
      const R* v = count >= chains ? interpreter.in_place(begin) : nullptr;
      if (v) return fold_columns(out, v, end - row, count);
    }
    const std::int64_t rows = count == inner_ ? tile / inner_ : 1;  // of one run of the program
    const std::int64_t group = std::is_integral_v<R> ? 1 : 16;      // runs folded before widening
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
          for (; m > 0; --m, v += count, first = false) widen(out, v, count, first);
        } else {
          for (; m > 1; m = (m + 1) / 2) fold(v, v + (m + 1) / 2 * count, m / 2 * count);
          if (g == 0) std::copy_n(v, count, sum);
          else fold(sum, v, count);
        }
      }
      if constexpr (!std::is_integral_v<R>) widen(out, sum, count, std::exchange(first, false));
    }
  }

  /// The same of rows in memory: 64 columns at a time, which stay in registers for 32 rows.
  void fold_columns(Wide* out, const R* v, std::int64_t rows, std::int64_t count) const {
    R sum[tile];
    for (std::int64_t row = 0, m = 0; row < rows; row += m, v += m * inner_) {
      m = (std::min)(std::int64_t{32}, rows - row);
      std::copy_n(v, count, sum);
      std::int64_t i = 0;
      for (; i + chains <= count; i += chains) {
        fold_row_(sum + i, v + inner_ + i, (m - 1) * chains, inner_);
      }
      for (std::int64_t r = 1; i < count && r < m; ++r)
        fold(sum + i, v + r * inner_ + i, count - i);
      widen(out, sum, count, row == 0);
    }
  }

  void widen(Wide* out, const R* v, std::int64_t count, bool first) const {
    if (first) std::copy_n(v, count, out);
    else join_all(out, v, count);
  }

  Monoid monoid_;
  const Program& program_;
  StepLoop<R> fold_;
  FoldLoop fold_row_;
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

// Reductions on the CPU, over any axes, of whatever a program calculates.
//
// The axes are put in the order (outer kept, reduced, inner kept), and the program's tiles are
// folded as they come: neighbours in chains of floats, on two levels of sixteen, then in double
// precision (64-bit integers for int32). The reduced range is cut into pieces of a fixed size and
// joined in order, so bits do not depend on threads, and the error of a sum does not grow with n.
#pragma once

#include "needle/cpu/interpreter.hpp"
#include "needle/cpu/join.hpp"

namespace needle::cpu {

template <class R>
class Reducer {
 public:
  using Wide = typename Joiner<R>::Wide;

  Reducer(Monoid monoid, const Program& program, std::span<const Array<Cpu>> inputs,
          const Shape& shape, unsigned mask)
      : join_(monoid), program_(program) {
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
    std::vector<Wide> out(static_cast<std::size_t>(outer_ * inner_));
    if (out.empty() || length_ == 0) return out;
    // A piece is a part of the reduced range of one outer index and one run of inner positions.
    const std::int64_t width = (std::min)(inner_, tile), runs = (inner_ + width - 1) / width;
    const std::int64_t piece = inner_ == 1 ? chunk : (std::max)(4 * chunk / width, std::int64_t{1});
    const std::int64_t pieces = (length_ + piece - 1) / piece, count = outer_ * runs * pieces;
    std::vector<Wide> partial(static_cast<std::size_t>(count * width));
    // A task is as many of them as make it worth a thread's while.
    const std::int64_t each = (std::max)(piece / length_, pieces_of_task(count));
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
        for (std::int64_t p = 1; p < pieces; ++p) join_.all(to, from + p * width, count);
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

  /// Whole rows that are no longer than two tiles, several to a run of the program.
  void reduce_rows(Wide* out, std::int64_t row, std::int64_t end) {
    const std::int64_t rows = (std::max)(tile / length_, std::int64_t{1});
    Interpreter<R> interpreter(program_, loop_, inputs_, (std::min)(rows, end - row) * length_);
    interpreter.read_only();
    while (row < end) {
      const std::int64_t count = (std::min)(rows, end - row);
      const R* v = interpreter.in_place(row * length_);
      if (!v) interpreter.run(row * length_, count * length_), v = interpreter.result(0);
      if constexpr (!std::is_integral_v<R>) {
        if (length_ >= block && length_ <= Row<R>::most) {
          join_.loops.rows(out + row, v, count, length_);
          row += count;
          continue;
        }
      }
      for (std::int64_t i = 0; i < count; ++i) {
        Row<R> values(join_);
        values.add(v + i * length_, length_);
        out[row++] = values.value();
      }
    }
  }

  /// A run of neighbours, tile by tile.
  Wide reduce_run(Interpreter<R>& interpreter, std::int64_t begin, std::int64_t length) {
    interpreter.read_only();
    Row<R> values(join_);
    const R* place = interpreter.in_place(begin);
    const std::int64_t step = place ? length : tile;
    for (std::int64_t i = 0; i < length; i += step) {
      const std::int64_t n = (std::min)(step, length - i);
      if (!place) interpreter.run(begin + i, n);
      values.add(place ? place + i : interpreter.result(0), n);
    }
    return values.value();
  }

  /// Rows [row, end) of the reduced range at inner positions [from, from + count), all at once.
  void reduce_columns(Interpreter<R>& interpreter, Wide* out, std::int64_t outer, std::int64_t row,
                      std::int64_t end, std::int64_t from, std::int64_t count) {
    if constexpr (!std::is_integral_v<R>) {
      const std::int64_t begin = (outer * length_ + row) * inner_ + from;
      if (count >= chains) return fold_columns(interpreter, out, begin, end - row, count);
    }
    const std::int64_t rows = count == inner_ ? tile / inner_ : 1;  // of one run of the program
    const std::int64_t group = std::is_integral_v<R> ? 1 : 16;      // runs folded before widening
    if (rows == 1) interpreter.read_only();
    alignas(64) R sum[tile];
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
          for (; m > 1; m = (m + 1) / 2) join_.fold(v, v + (m + 1) / 2 * count, m / 2 * count);
          if (g == 0) std::copy_n(v, count, sum);
          else join_.fold(sum, v, count);
        }
      }
      if constexpr (!std::is_integral_v<R>) widen(out, sum, count, std::exchange(first, false));
    }
  }

  /// The same where a row fills the chains: 64 columns at a time stay in registers, for 16 rows.
  void fold_columns(Interpreter<R>& interpreter, Wide* out, std::int64_t begin, std::int64_t length,
                    std::int64_t count) const {
    const std::int64_t rows = count == inner_ ? tile / inner_ : 1;  // of one run of the program
    interpreter.read_only();
    const R* place = interpreter.in_place(begin);
    alignas(64) R sum[tile], upper[tile];
    int raised = 0;  // sums of 16 rows in `upper`
    bool none = true;
    for (std::int64_t first = 0; first < length; first += 16) {
      const std::int64_t last = (std::min)(length, first + 16);
      R* to = raised == 0 ? upper : sum;
      for (std::int64_t row = first, m = 0; row < last; row += m) {
        m = place ? last - row : (std::min)(rows, last - row);
        if (!place) interpreter.run(begin + row * inner_, m * count);
        fold_rows(to, place ? place + row * inner_ : interpreter.result(0), m, count, row == first);
      }
      if (raised++ > 0) join_.fold(upper, sum, count);
      if (raised < most_raised && last < length) continue;
      widen(out, upper, count, std::exchange(none, false));
      raised = 0;
    }
  }
  /// Folds m rows into `sum`; the last columns with some before them, which are then left alone.
  void fold_rows(R* sum, const R* v, std::int64_t m, std::int64_t count, bool first) const {
    if (first) std::copy_n(v, count, sum), v += inner_, --m;
    const std::int64_t left = count % chains, end = count - chains;
    alignas(64) R last[chains];
    std::copy_n(sum + end, chains, last);
    if (left > 0) join_.loops.row(last, v + end, m * chains, inner_);
    for (std::int64_t i = 0; i <= end; i += chains) {
      join_.loops.row(sum + i, v + i, m * chains, inner_);
    }
    std::copy_n(last + chains - left, left, sum + count - left);
  }

  void widen(Wide* out, const R* v, std::int64_t count, bool first) const {
    if (first) std::copy_n(v, count, out);
    else join_.all(out, v, count);
  }

  Joiner<R> join_;
  const Program& program_;
  std::int64_t outer_ = 1, length_ = 1, inner_ = 1;
  std::vector<Array<Cpu>> inputs_;
  Loop loop_;
};

}  // namespace needle::cpu

namespace needle {

/// Joins a program's values over the axes of `mask`; see `Backend`.
NEEDLE_ON_DEMAND
void reduce(Monoid monoid, const Program& program, std::span<const Array<Cpu>> inputs,
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

// softmax and log_softmax on the CPU.
//
// Policy. A line is walked three times while it stays in the cache: for its maximum; for e^(x -
// maximum), stored, and its sum; to be scaled. The logarithm stores x - maximum, sums e^ of it on
// the side and subtracts log(sum) at last. The loops are those of programs and of reductions, and
// sums are as accurate as there.
//
// Lines that lie side by side are walked row by row, a kilobyte of each row at a time; short ones
// are laid side by side in a table first, and of others one whose elements are not neighbours is
// copied. A very long line is cut into pieces, which threads share. What is added to what depends
// on shape and layout alone, and so do the bits.
#pragma once

#include <cmath>

#include "needle/core/lines.hpp"
#include "needle/cpu/copy.hpp"
#include "needle/cpu/join.hpp"

namespace needle::cpu {

/// The lines of one softmax, or of its logarithm.
template <class R>
class Softmax {
 public:
  /// How many columns are walked together; how many neighbours go through one loop, then the next.
  static constexpr std::int64_t columns_together = 16 * block, part = 4 * chains;
  /// Lines up to this length are walked side by side wherever they lie, so many at a time.
  static constexpr std::int64_t short_length = 7 * block, short_lines_together = 8 * block;
  /// The loops that an element goes through.
  static constexpr std::int64_t cost = 4;

  explicit Softmax(bool log) : log_(log) {}

  /// One line with any strides.
  void line(R* y, std::int64_t y_stride, const R* x, std::int64_t x_stride, std::int64_t n) const {
    if (y_stride == 1 && x_stride == 1) return line(y, x, n);
    const Storage<Cpu> room(static_cast<std::size_t>(n) * sizeof(R));
    R* const copied = static_cast<R*>(room.data);
    for (std::int64_t i = 0; i < n; ++i) copied[i] = x[i * x_stride];
    line(copied, copied, n);
    for (std::int64_t i = 0; i < n; ++i) y[i * y_stride] = copied[i];
  }
  /// One line of neighbours, y may be x; a long one is cut into pieces, which threads share.
  void line(R* y, const R* x, std::int64_t n) const {
    if (n * cost < parallel_work) return scale(y, n, factor(lower(y, x, n, largest(x, n))));
    std::vector<double> sums(static_cast<std::size_t>((n + chunk - 1) / chunk));
    std::vector<R> tops(sums.size());
    enum { find, add, finish };
    R top = none, by = 0;
    for (const int pass : {find, add, finish}) {
      parallel_for(static_cast<std::int64_t>(sums.size()), [&](std::int64_t p) {
        const auto piece = static_cast<std::size_t>(p);
        const std::int64_t at = p * chunk, m = (std::min)(chunk, n - at);
        if (pass == find) tops[piece] = largest(x + at, m);
        else if (pass == add) sums[piece] = lower(y + at, x + at, m, top);
        else scale(y + at, m, by);
      });
      double sum = 0;
      for (const double each : sums) sum += each;
      for (const R each : tops) top = scalar::Maximum::apply(top, each);
      if (pass == add) by = factor(sum);
    }
  }

  /// `count` lines of n elements that lie side by side, whole blocks of lines and up to twice
  /// `columns_together`; rows lie `y_row` and `x_row` apart, and y may be x.
  void columns(R* y, std::int64_t y_row, const R* x, std::int64_t x_row, std::int64_t n,
               std::int64_t count) const {
    constexpr std::int64_t most = 2 * columns_together, group = 16;  // rows added as floats
    alignas(64) R top[most], sum[most], room[most];
    double whole[most];
    std::fill_n(whole, count, 0.0);
    std::copy_n(x, count, top);
    for (std::int64_t i = 1; i < n; ++i) {
      const R* row = x + i * x_row;
      maximum_(top, top, row, row, count, row + x_row);
    }
    for (std::int64_t first = 0; first < n; first += group) {
      for (std::int64_t i = first; i < (std::min)(n, first + group); ++i) {
        R* e = lower_part(y + i * y_row, x + i * x_row, top, room, count, x_row);
        if (i == first) std::copy_n(e, count, sum);
        else add_(sum, sum, e, e, count, e);
      }
      sum_.all(whole, sum, count);
    }
    for (std::int64_t j = 0; j < count; ++j) top[j] = factor(whole[j]);
    for (std::int64_t i = 0; i < n; ++i) {
      R* row = y + i * y_row;
      scale_(row, row, top, top, count, row + y_row);
    }
  }

  /// `count` lines that lie anyhow, as columns of a table.
  void in_table(const Array<Cpu>& y, const Lines& to, const Array<Cpu>& x, const Lines& from,
                std::int64_t first, std::int64_t count) const {
    const std::int64_t width = padded(count), n = from.length;
    const Storage<Cpu> room(static_cast<std::size_t>(n * width) * sizeof(R));
    R* const table = static_cast<R*>(room.data);
    const auto move = [&](R* base, const Lines& lines, bool back) {
      for (std::int64_t column = 0; column < width; column += block) {
        R* at[block];
        for (std::int64_t c = 0; c < block; ++c) {
          at[c] = base + lines.start(first + (std::min)(column + c, count - 1));
        }
        for (std::int64_t i = 0; i < n; ++i) {
          R* row = table + i * width + column;
          const std::int64_t k = i * lines.stride;
          if (back) {
            for (std::int64_t c = 0; c < block; ++c) at[c][k] = row[c];
          } else {
            for (std::int64_t c = 0; c < block; ++c) row[c] = at[c][k];
          }
        }
      }
    };
    move(x.data<R>(), from, false);
    columns(table, width, table, width, n, width);
    move(y.data<R>(), to, true);
  }

 private:
  static constexpr R none = static_cast<R>(identity_of(Monoid::maximum));

  R largest(const R* x, std::int64_t n) const {
    alignas(64) R chain[chains];
    const std::int64_t whole = n / block * block;
    std::fill_n(chain, chains, none);
    largest_(chain, x, whole, chains);
    for (std::int64_t i = whole; i < n; ++i) {
      chain[i - whole] = scalar::Maximum::apply(chain[i - whole], x[i]);
    }
    for (std::int64_t half = chains / 2; half >= block; half /= 2) {
      maximum_(chain, chain, chain + half, chain, half, chain);
    }
    for (std::int64_t half = block / 2; half > 0; half /= 2) {
      for (std::int64_t j = 0; j < half; ++j) {
        chain[j] = scalar::Maximum::apply(chain[j], chain[j + half]);
      }
    }
    return chain[0];
  }
  /// y = e^(x - top), or x - top for the logarithm; returns where e^(x - top) is. What lies `after`
  /// x and y is fetched meanwhile.
  R* lower_part(R* y, const R* x, const R* top, R* room, std::int64_t n, std::int64_t after) const {
    R* e = log_ ? room : y;
    subtract_(y, x, top, top, n, x + after);
    exp_(e, y, y, y, n, y + after);
    return e;
  }
  /// The same for neighbours and one maximum; returns the sum of e^(x - top).
  double lower(R* y, const R* x, std::int64_t n, R top) const {
    alignas(64) R tops[part], room[part];
    fill(tops, (std::min)(part, padded(n)), top);
    Row<R> sum(sum_);
    in_parts(y, x, n, [&](R* to, const R* from, std::int64_t whole, std::int64_t count) {
      sum.add(lower_part(to, from, tops, room, whole, n), count);
    });
    return sum.value();
  }
  /// What finishes a line whose exponentials add up to this.
  R factor(double sum) const { return static_cast<R>(log_ ? std::log(sum) : 1 / sum); }
  void scale(R* y, std::int64_t n, R by) const {
    alignas(64) R factors[part];
    fill(factors, (std::min)(part, padded(n)), by);
    in_parts(y, y, n, [&](R* to, const R* from, std::int64_t whole, std::int64_t) {
      scale_(to, from, factors, factors, whole, from);
    });
  }
  /// Calls `body(to, from, whole, count)` for parts of whole blocks, and for the ragged end, of
  /// `count` elements, in a buffer.
  template <class Body>
  static void in_parts(R* y, const R* x, std::int64_t n, const Body& body) {
    std::int64_t i = 0;
    for (std::int64_t m; i + block <= n; i += m) {
      m = (std::min)(part, (n - i) / block * block);
      body(y + i, x + i, m, m);
    }
    if (i == n) return;
    R end[block] = {};
    std::copy_n(x + i, n - i, end);
    body(end, end, block, n - i);
    std::copy_n(end, n - i, y + i);
  }

  const bool log_;
  const Joiner<R> sum_{Monoid::sum};
  const FoldLoop largest_ = fold_loops(Monoid::maximum).row;
  const StepLoop<R> maximum_ = steps<R>()[scalar::code<scalar::Maximum>],
                    add_ = steps<R>()[scalar::code<scalar::Add>],
                    subtract_ = steps<R>()[scalar::code<scalar::Subtract>],
                    exp_ = steps<R>()[scalar::code<scalar::Exp>],
                    scale_ = log_ ? subtract_ : steps<R>()[scalar::code<scalar::Multiply>];
};

}  // namespace needle::cpu

namespace needle {

/// exp(x) / sum(exp(x)) of each line of floats along an axis, or its logarithm.
NEEDLE_ON_DEMAND
void softmax(const Array<Cpu>& x, int axis, bool log, Array<Cpu>& out) {
  using cpu::block;
  Lines from(x, axis), to(out, axis);
  const std::int64_t n = to.length, count = to.count();
  if (n * count == 0) return;
  const Loop loop = collapse({to.others.shape, {from.others.strides, to.others.strides}});
  from.others = {loop.shape, loop.strides[0]}, to.others = {loop.shape, loop.strides[1]};
  const cpu::Softmax<float> lines(log);
  std::int64_t columns = 1;  // that lie side by side
  if (count > 1 && loop.strides[0].back() == 1 && loop.strides[1].back() == 1) {
    columns = loop.shape.back();
  }
  enum { side_by_side, in_table, one_by_one } way = one_by_one;
  std::int64_t width = 1;  // lines of a task
  if (columns >= block) {
    way = side_by_side;
    width = (std::min)(columns, lines.columns_together);
    if (n * count * lines.cost >= cpu::parallel_work) {  // a task for each thread; no sum notices
      width = (std::min)(width, cpu::padded((count + num_threads() - 1) / num_threads()));
    }
  } else if (n <= lines.short_length) {
    way = in_table, width = lines.short_lines_together;
  }
  const std::int64_t runs = columns / width;  // of a row; the last one takes the rest
  const auto run = [&](std::int64_t task) {
    const std::int64_t column = way == side_by_side ? task % runs * width : 0;
    const std::int64_t line = way == side_by_side ? task / runs * columns + column : task * width;
    float* y = out.data<float>() + to.start(line);
    const float* v = x.data<float>() + from.start(line);
    switch (way) {
      case side_by_side: {
        const std::int64_t m = task % runs + 1 < runs ? width : columns - column;
        const std::int64_t whole = m / block * block, end = m - block;
        lines.columns(y, to.stride, v, from.stride, n, whole);
        if (whole == m) return;  // or else some of the last ones once more
        return lines.columns(y + end, to.stride, v + end, from.stride, n, block);
      }
      case in_table: return lines.in_table(out, to, x, from, line, (std::min)(width, count - line));
      case one_by_one: return lines.line(y, to.stride, v, from.stride, n);
    }
  };
  const std::int64_t size = n * width;
  const std::int64_t tasks =
      way == side_by_side ? count / columns * runs : (count + width - 1) / width;
  if (way == one_by_one && n * lines.cost >= cpu::parallel_work) {
    for (std::int64_t i = 0; i < count; ++i) run(i);  // threads share each of them
    return;
  }
  cpu::for_each_chunk(
      tasks, size * lines.cost,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) run(i);
      },
      (std::max)(cpu::chunk / size, std::int64_t{1}));
}

}  // namespace needle

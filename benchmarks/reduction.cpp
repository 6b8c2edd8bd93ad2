// Reductions as users write them (build, realize, drop), in turns with a loop written by hand and
// with libtorch, one thread each.
//
// Each line: microseconds at best, the bytes read as a share of the bandwidth of the hand-written
// sum of 40 MB, our time over the hand-written loop's where there is one, and over libtorch's
// (median of neighbouring runs, and of the minima).
#include <cmath>

#include "passes.hpp"
#include "rivals/torch.hpp"

using namespace needle;

namespace {

double read_speed = 0;

struct Matrix {
  std::int64_t rows, columns;
  std::vector<float> values;
  Tensor<> x;
  Matrix(std::int64_t rows, std::int64_t columns)
      : rows(rows),
        columns(columns),
        values(bench::made_up(rows * columns, 1)),
        x(std::vector<float>(values.begin(), values.begin() + rows * columns), {rows, columns}) {}
};

/// `check` says of the result's values if they are right; `pass` does the same by hand.
template <class Ours, class Check, class Pass>
void report(const char* name, const Matrix& m, const Ours& ours, const Check& check,
            const Pass& pass, bool by_hand) {
  bench::require(check(ours()), name);
  const double bytes = 4 * static_cast<double>(m.rows * m.columns);
  bench::Turns turns;
  if (by_hand) turns = bench::in_turns([&] { ours().realize(); }, pass);
#if NEEDLE_BENCH_TORCH
  const auto rival = rival::torch_expression(name, m.values.data(), m.values.data(),
                                             m.values.data(), m.rows, m.columns);
  const bench::Turns against = bench::in_turns([&] { ours().realize(); }, [&] { rival(); });
  turns.ours = (std::min)(turns.ours, against.ours);
#endif
  std::printf("%-18s %6lld x %5lld  %8.2f us %6.1f %% of read", name,
              static_cast<long long>(m.rows), static_cast<long long>(m.columns), turns.ours * 1e6,
              100e-9 * bytes / turns.ours / read_speed);
  if (by_hand) std::printf("  by hand %5.2f (%5.2f)", turns.median, turns.of_minima());
#if NEEDLE_BENCH_TORCH
  std::printf("  libtorch %5.2f (%5.2f)", against.median, against.of_minima());
#endif
  std::printf("\n");
  std::fflush(stdout);
}

/// Whether the elements of y are those that `expected(i)` gives, within 1e-4 of the number of
/// terms.
template <class F>
auto near(std::int64_t terms, F expected) {
  return [=](const Tensor<>& y) {
    const std::vector<double> values = y.values<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double tolerance = 1e-5 * std::sqrt(static_cast<double>(terms));
      const double difference = std::fabs(values[i] - expected(static_cast<std::int64_t>(i)));
      if (!(difference <= tolerance)) return false;
    }
    return true;
  };
}

void report_all(std::int64_t rows, std::int64_t columns) {
  const Matrix m(rows, columns);
  const Tensor<>& x = m.x;
  const float* v = m.values.data();
  const std::int64_t n = rows * columns;
  std::vector<float> out(static_cast<std::size_t>((std::max)(rows, columns)));
  volatile double result = 0;
  const auto total = [&](std::int64_t first, std::int64_t count, std::int64_t stride) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += double{v[first + i * stride]};
    return sum;
  };
  const auto first_largest = [&](std::int64_t first, std::int64_t count, std::int64_t stride) {
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < count; ++i) {
      if (v[first + i * stride] > v[first + best * stride]) best = i;
    }
    return static_cast<double>(best);
  };
  const auto none = [] {};
  report(
      "sum(x)", m, [&] { return sum(x); }, near(n, [&](std::int64_t) { return total(0, n, 1); }),
      [&] { result = bench::sum_of(v, n); }, true);
  report(
      "max(x)", m, [&] { return (max)(x); },
      near(1, [&](std::int64_t) { return double{*std::max_element(v, v + n)}; }),
      [&] { result = bench::max_of(v, n); }, true);
  report(
      "sum(x, rows)", m, [&] { return sum(x, 1); },
      near(columns, [&](std::int64_t i) { return total(i * columns, columns, 1); }),
      [&] {
        for (std::int64_t i = 0; i < rows; ++i) {
          out[static_cast<std::size_t>(i)] =
              static_cast<float>(bench::sum_of(v + i * columns, columns));
        }
      },
      true);
  report(
      "sum(x, columns)", m, [&] { return sum(x, 0); },
      near(rows, [&](std::int64_t j) { return total(j, rows, columns); }),
      [&] { bench::sum_columns(out.data(), v, rows, columns); }, true);
  report(
      "argmax(x)", m, [&] { return argmax(x); },
      near(1, [&](std::int64_t) { return first_largest(0, n, 1); }), none, false);
  report(
      "argmax(x, rows)", m, [&] { return argmax(x, 1); },
      near(1, [&](std::int64_t i) { return first_largest(i * columns, columns, 1); }), none, false);
  report(
      "argmax(x, columns)", m, [&] { return argmax(x, 0); },
      near(1, [&](std::int64_t j) { return first_largest(j, rows, columns); }), none, false);
}

}  // namespace

int main() {
  set_num_threads(1);
#if NEEDLE_BENCH_TORCH
  rival::torch_set_num_threads(1);
#endif
  {
    const std::vector<float> values = bench::made_up(10'000'000, 1);
    double best = 1e30;
    volatile double result = 0;
    for (int i = 0; i < 9; ++i) {
      best = (std::min)(
          best, bench::seconds_per_call([&] { result = bench::sum_of(values.data(), 10'000'000); },
                                        4e-3, bench::thread_now));
    }
    read_speed = 4e-2 / best;
    std::printf("read %.1f GB/s, copy %.1f GB/s\n", read_speed, bench::copy_bandwidth());
  }
  report_all(100, 10);
  report_all(1000, 1000);
  report_all(10'000, 1000);
}

// What one op costs where there is nearly nothing to calculate: nanoseconds to build a node, to
// evaluate it, to differentiate it, and to drop it; and chains of a million. One thread.
#include <sys/resource.h>

#include <cmath>
#include <needle/needle.hpp>

#include "timing.hpp"

using namespace needle;

namespace {

constexpr int length = 1000;  // of chains: below the limit where they are evaluated

/// The least over many rounds, in nanoseconds a node, of the phases that `round(lap)` passes
/// through; it calls lap(i) when phase i is over.
template <class Round>
std::vector<double> phases(int count, double nodes, const Round& round) {
  std::vector<double> best(static_cast<std::size_t>(count), 1e30);
  for (int i = 0; i < 200; ++i) {
    double last = bench::thread_now();
    round([&](int phase) {
      const double now = bench::thread_now();
      double& least = best[static_cast<std::size_t>(phase)];
      least = (std::min)(least, 1e9 * (now - last) / nodes);
      last = bench::thread_now();
    });
  }
  return best;
}

void report(const char* name, double nanoseconds, double required = 0, double reach = 0) {
  std::printf("%-62s %8.1f ns", name, nanoseconds);
  if (required > 0) {
    std::printf("  required %.0f, reach %.0f  %s", required, reach,
                nanoseconds <= reach      ? ""
                : nanoseconds <= required ? "not reached"
                                          : "OVER");
  }
  std::printf("\n");
  std::fflush(stdout);
}

/// A chain x = f(x) of so many nodes, in all phases.
template <class F>
void chain(const std::string& name, const Tensor<>& start, int nodes_a_link, const F& f) {
  const auto best = phases(3, double{length} * nodes_a_link, [&](auto lap) {
    Tensor<> x = start;
    for (int i = 0; i < length; ++i) x = f(x);
    lap(0);
    x.realize();
    lap(1);
    x = Tensor<>();
    lap(2);
  });
  report((name + ": build").c_str(), best[0], 150, 80);
  report((name + ": evaluate").c_str(), best[1]);
  report((name + ": drop").c_str(), best[2]);
}

/// The same, differentiated.
template <class F>
void differentiated(const std::string& name, const Tensor<>& start, int nodes_a_link, const F& f) {
  const auto best = phases(2, double{length} * nodes_a_link, [&](auto lap) {
    start.zero_grad();
    Tensor<> x = start;
    for (int i = 0; i < length; ++i) x = f(x);
    const Tensor<> y = sum(x);
    lap(0);
    y.backward();
    lap(1);
  });
  report((name + ": evaluate and differentiate").c_str(), best[1]);
}

template <class F>
void one_op(const char* name, const F& f) {
  double best = 1e30;
  for (int i = 0; i < 15; ++i) {
    best =
        (std::min)(best, bench::seconds_per_call([&] { f().realize(); }, 2e-3, bench::thread_now));
  }
  report(name, best * 1e9);
}

double megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

template <class F>
void million(const char* name, const F& f) {
  const double before = megabytes(), start = bench::thread_now();
  f();
  std::printf("%-62s %8.1f ns a link, %.1f MB more at peak\n", name,
              1e9 * (bench::thread_now() - start) / 1e6, megabytes() - before);
  std::fflush(stdout);
}

}  // namespace

int main() {
  set_num_threads(1);
  const Tensor<> x = {1, 2, 3, 4, 5, 6, 7, 8}, y = {1, 1, 1, 1, 1, 1, 1, 1};
  const Tensor<> square = full({4, 4}, 0.25).realize();
  Tensor<> w = Tensor<>(std::vector<float>(8, 1.0f), {8}), m = Tensor<>(square.values(), {4, 4});
  w.requires_grad(true);
  m.requires_grad(true);

  // Checked first: chains, their gradients, and a million links, where evaluation is bounded.
  Tensor<> z = x;
  for (int i = 0; i < length; ++i) z = z + y;
  bench::require(z.values() == (x + length).values(), "a chain of sums");
  z = w;
  for (int i = 0; i < length; ++i) z = z * y;
  sum(z).backward();
  bench::require(w.grad().values() == y.values(), "the gradient of a chain of products");

  chain("x + y", x, 1, [&](const Tensor<>& a) { return a + y; });
  chain("x + 1 (two nodes)", x, 2, [](const Tensor<>& a) { return a + 1; });
  chain("x * y, tracked", w, 1, [&](const Tensor<>& a) { return a * y; });
  chain("matmul of 4 x 4", square, 1, [&](const Tensor<>& a) { return matmul(a, square); });
  chain("matmul of 4 x 4, tracked", m, 1, [&](const Tensor<>& a) { return matmul(a, square); });
  differentiated("x * y", w, 1, [&](const Tensor<>& a) { return a * y; });
  differentiated("tanh(x)", w, 1, [&](const Tensor<>& a) { return tanh(a); });
  differentiated("matmul of 4 x 4", m, 1, [&](const Tensor<>& a) { return matmul(a, square); });

  one_op("x + y of 8, from expression to dropped value", [&] { return x + y; });
  one_op("exp(x) of 8, the same", [&] { return exp(x); });
  one_op("relu(2 x + 1) of 8, the same", [&] { return relu(2 * x + 1); });
  one_op("sum(x) of 8, the same", [&] { return sum(x); });
  one_op("matmul of 4 x 4, the same", [&] { return matmul(square, square); });

  million("x = x + y a million times", [&] {
    Tensor<> a = x;
    for (int i = 0; i < 1'000'000; ++i) a = a + y;
    bench::require(a.values() == (x + 1'000'000).values(), "a million sums");
  });
  million("x = x * y a million times, tracked, and backward", [&] {
    w.zero_grad();
    Tensor<> a = w;
    for (int i = 0; i < 1'000'000; ++i) a = a * y;
    sum(a).backward();
    bench::require(w.grad().values() == y.values(), "the gradient of a million products");
  });
}

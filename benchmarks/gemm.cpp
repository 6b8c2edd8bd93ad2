// Matrix products: checked against a plain loop in double, then timed in turns with OpenBLAS.
//
// Each line: size and layout, one thread's GFLOP/s and share of the measured peak of one core, the
// ratio to OpenBLAS on one thread (above 1: needle is faster), and the gain from two threads.
#include "needle/cpu/gemm.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "needle/cpu/device.hpp"
#include "roofline.hpp"

#ifndef NEEDLE_BENCH_OPENBLAS
#define NEEDLE_BENCH_OPENBLAS 0
#endif
#if NEEDLE_BENCH_OPENBLAS
#include <cblas.h>
#endif

namespace {

struct Case {
  int64_t m, n, k;
  bool a_transposed, b_transposed;
};

struct Problem {
  Case size;
  needle::Array<needle::Cpu> rows, columns, result;  // in the memory that tensors have
  float *a, *b, *c;
  explicit Problem(const Case& s)
      : size(s),
        rows({s.m, s.k}, needle::Dtype::float32),
        columns({s.k, s.n}, needle::Dtype::float32),
        result({s.m, s.n}, needle::Dtype::float32),
        a(rows.data<float>()),
        b(columns.data<float>()),
        c(result.data<float>()) {
    uint32_t state = 1;
    const auto fill = [&](float* x, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        state = state * 1664525u + 1013904223u;
        x[i] = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
      }
    };
    fill(a, rows.size()), fill(b, columns.size());
  }
  int64_t a_row() const { return size.a_transposed ? 1 : size.k; }
  int64_t a_col() const { return size.a_transposed ? size.m : 1; }
  int64_t b_row() const { return size.b_transposed ? 1 : size.n; }
  int64_t b_col() const { return size.b_transposed ? size.k : 1; }

  void needle() {
    needle::cpu::gemm(size.m, size.n, size.k, a, a_row(), a_col(), b, b_row(), b_col(), c, size.n);
  }
#if NEEDLE_BENCH_OPENBLAS
  void openblas() {
    const auto i = [](int64_t x) { return static_cast<int>(x); };
    cblas_sgemm(CblasRowMajor, size.a_transposed ? CblasTrans : CblasNoTrans,
                size.b_transposed ? CblasTrans : CblasNoTrans, i(size.m), i(size.n), i(size.k), 1,
                a, i(size.a_transposed ? size.m : size.k), b,
                i(size.b_transposed ? size.k : size.n), 0, c, i(size.n));
  }
#endif
  /// Checks up to 4,000 elements, spread over C, against a sum in double.
  bool right() const {
    const int64_t step = (std::max)(int64_t{1}, size.m * size.n / 4000);
    for (int64_t e = 0; e < size.m * size.n; e += step) {
      const int64_t i = e / size.n, j = e % size.n;
      double sum = 0;
      for (int64_t p = 0; p < size.k; ++p) {
        sum += static_cast<double>(a[i * a_row() + p * a_col()]) *
               static_cast<double>(b[p * b_row() + j * b_col()]);
      }
      const double tolerance = 1e-6 * std::sqrt(static_cast<double>(size.k)) * 10;
      if (!(std::fabs(sum - static_cast<double>(c[e])) <= tolerance)) {
        return false;
      }
    }
    return true;
  }
};

void report(const Case& size) {
  Problem problem(size);
  problem.needle();
  if (!problem.right()) {
    std::printf("wrong result for %lld x %lld x %lld\n", static_cast<long long>(size.m),
                static_cast<long long>(size.n), static_cast<long long>(size.k));
    std::exit(1);
  }
  // OpenBLAS with two threads comes last: its idle worker spins, and would take a core from the
  // rest.
  constexpr int rounds = 9;
  double peak = 0, one = 1e30, two = 1e30;
  [[maybe_unused]] double blas = 1e30, blas_two = 1e30;
  const auto best = [](double& so_far, const auto& f) {
    so_far = (std::min)(so_far, bench::seconds_per_call(f));
  };
  for (int round = 0; round < rounds; ++round) {
    peak = (std::max)(peak, bench::fma_peak(needle::cpu::isa(), 1));
    needle::set_num_threads(1);
    best(one, [&] { problem.needle(); });
#if NEEDLE_BENCH_OPENBLAS
    openblas_set_num_threads(1);
    best(blas, [&] { problem.openblas(); });
#endif
    needle::set_num_threads(2);
    best(two, [&] { problem.needle(); });
  }
#if NEEDLE_BENCH_OPENBLAS
  openblas_set_num_threads(2);
  for (int round = 0; round < rounds; ++round) best(blas_two, [&] { problem.openblas(); });
  openblas_set_num_threads(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
#endif
  const double work = 2e-9 * static_cast<double>(size.m * size.n * size.k);
  std::printf("%5lld x%5lld x%5lld %c%c %8.2f us %7.1f GFLOP/s %5.1f %% of peak, 2 threads x%4.2f",
              static_cast<long long>(size.m), static_cast<long long>(size.n),
              static_cast<long long>(size.k), size.a_transposed ? 'T' : 'N',
              size.b_transposed ? 'T' : 'N', one * 1e6, work / one, 100 * work / one / peak,
              one / two);
#if NEEDLE_BENCH_OPENBLAS
  std::printf(", OpenBLAS %5.1f %%, we x%4.2f, 2 threads x%4.2f", 100 * work / blas / peak,
              blas / one, blas_two / two);
#endif
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main() {
  std::printf("peak of one core %.1f GFLOP/s, copy %.1f GB/s\n", bench::fma_peak(),
              bench::copy_bandwidth());
  for (const Case& size :
       {Case{8, 4, 32, false, false},        Case{8, 32, 16, false, true},
        Case{8, 32, 16, false, false},       Case{1, 100, 784, false, true},
        Case{1, 512, 512, false, false},     Case{784, 1, 100, false, false},
        Case{784, 1, 100, true, false},      Case{100, 10, 100, false, true},
        Case{100, 100, 10, false, false},    Case{100, 10, 100, true, false},
        Case{100, 50, 100, false, true},     Case{100, 100, 50, false, false},
        Case{100, 50, 100, true, false},     Case{100, 100, 784, false, true},
        Case{100, 784, 100, false, false},   Case{100, 784, 100, true, false},
        Case{64, 64, 64, false, false},      Case{128, 128, 128, false, true},
        Case{256, 256, 256, false, false},   Case{512, 512, 512, false, false},
        Case{512, 512, 512, true, true},     Case{1000, 1000, 1000, false, false},
        Case{1024, 1024, 1024, false, false}}) {
    report(size);
  }
}

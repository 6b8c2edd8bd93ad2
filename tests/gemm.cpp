#include "needle/cpu/gemm.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "catch.hpp"

using namespace needle::cpu;

namespace {

constexpr float guard = 12345.0f;

float noise(uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
}

/// A rows x columns matrix with chosen strides, in memory that holds every element it can reach.
struct Matrix {
  int64_t row, col;
  std::vector<float> memory;
  int64_t origin = 0;

  Matrix(int64_t rows, int64_t columns, int64_t row, int64_t col, uint32_t seed)
      : row(row), col(col) {
    int64_t low = 0, high = 0;
    for (const auto& [count, stride] : {std::pair{rows, row}, std::pair{columns, col}}) {
      (stride < 0 ? low : high) += (std::max)(count - 1, int64_t{0}) * stride;
    }
    origin = -low;
    memory.resize(static_cast<size_t>(high - low + 1));
    for (float& x : memory) x = noise(seed);
  }
  const float* data() const { return memory.data() + origin; }
  float& at(int64_t i, int64_t j) {
    return memory[static_cast<size_t>(origin + i * row + j * col)];
  }
  double operator()(int64_t i, int64_t j) const {
    return static_cast<double>(memory[static_cast<size_t>(origin + i * row + j * col)]);
  }
};

std::vector<float> product(int64_t m, int64_t n, int64_t k, const Matrix& a, const Matrix& b,
                           int64_t c_row, const GemmKernel& kernel) {
  std::vector<float> c(static_cast<size_t>((m + 1) * c_row + 64), guard);
  gemm(m, n, k, a.data(), a.row, a.col, b.data(), b.row, b.col, c.data() + 32, c_row, kernel);
  return c;
}

/// The number of elements that are wrong, inside the product or in the guard around it.
int64_t wrong(int64_t m, int64_t n, int64_t k, const Matrix& a, const Matrix& b, int64_t c_row,
              const GemmKernel& kernel) {
  const std::vector<float> c = product(m, n, k, a, b, c_row, kernel);
  int64_t bad = 0;
  for (int64_t e = 0; e < static_cast<int64_t>(c.size()); ++e) {
    const int64_t at = e - 32, i = at < 0 ? -1 : at / c_row, j = at < 0 ? -1 : at % c_row;
    const double got = static_cast<double>(c[static_cast<size_t>(e)]);
    if (i < 0 || i >= m || j >= n) {
      bad += got != static_cast<double>(guard);
      continue;
    }
    double sum = 0, size = 0;
    for (int64_t p = 0; p < k; ++p) {
      sum += a(i, p) * b(p, j);
      size += std::fabs(a(i, p) * b(p, j));
    }
    bad += !(std::fabs(got - sum) <= 6e-8 * static_cast<double>(k + 1) * size);
  }
  return bad;
}

/// Every set of tiles this processor can run; the AVX-512 tiles, compiled for AVX2, are among them.
std::vector<const GemmKernel*> kernels() {
  std::vector<const GemmKernel*> all{&gemm_kernel(Isa::baseline)};
#if NEEDLE_X86
  if (isa() != Isa::baseline) {
    all.push_back(&gemm_kernel(Isa::avx2));
    static const GemmKernel wide = [] {
      GemmKernel kernel = gemm_kernel(Isa::avx512);
      kernel.isa = Isa::avx2;
      kernel.two = gemm_tile_avx2_set<64, 2, 14>;
      kernel.one = gemm_tile_avx2_set<64, 1, 14>;
      return kernel;
    }();
    all.push_back(&wide);
  }
  if (isa() == Isa::avx512) all.push_back(&gemm_kernel(Isa::avx512));
#endif
  return all;
}

}  // namespace

TEST_CASE("gemm agrees with a plain loop in double for sizes around every edge") {
  for (const GemmKernel* kernel : kernels()) {
    for (int64_t m : {0, 1, 2, 5, 6, 7, 13, 29}) {
      for (int64_t n : {0, 1, 3, 4, 8, 9, 16, 17, 25, 32, 33, 50}) {
        for (int64_t k : {0, 1, 2, 7, 33}) {
          const Matrix a(m, k, k, 1, 1), b(k, n, n, 1, 2);
          INFO(m << " x " << n << " x " << k << ", lanes " << kernel->one.width);
          REQUIRE(wrong(m, n, k, a, b, n + 3, *kernel) == 0);
        }
      }
    }
  }
}

TEST_CASE("gemm agrees with a plain loop where cache blocks end") {
  for (const GemmKernel* kernel : kernels()) {
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{100, 50, 784},
                                  {100, 10, 100},
                                  {129, 193, 257},
                                  {200, 100, 513},
                                  {97, 600, 30},
                                  {1537, 5, 9},
                                  {5, 1537, 9},
                                  {1, 1, 3000},
                                  {1600, 33, 260}}) {
      for (bool transposed : {false, true}) {
        const Matrix a(m, k, transposed ? 1 : k, transposed ? m : 1, 3);
        const Matrix b(k, n, transposed ? 1 : n, transposed ? k : 1, 4);
        INFO(m << " x " << n << " x " << k << ", lanes " << kernel->one.width);
        REQUIRE(wrong(m, n, k, a, b, n, *kernel) == 0);
      }
    }
  }
}

TEST_CASE("dot products of every length, of groups of rows and of single ones") {
  for (const GemmKernel* kernel : kernels()) {
    for (int64_t k = 0; k <= 100; ++k) {
      const Matrix a(7, k, k, 1, 5), b(k, 1, 1, 1, 6);
      INFO(k << " elements, lanes " << kernel->one.width);
      REQUIRE(wrong(7, 1, k, a, b, 1, *kernel) == 0);
      // The fifth row is one by itself here, and one of four there: the bits are the same.
      const std::vector<float> seven = product(7, 1, k, a, b, 1, *kernel);
      const std::vector<float> five = product(5, 1, k, a, b, 1, *kernel);
      REQUIRE(std::memcmp(seven.data() + 32, five.data() + 32, 5 * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("gemm reads any strides: transposed, reversed, spaced and broadcast") {
  for (const GemmKernel* kernel : kernels()) {
    for (const auto& [m, n, k] :
         {std::array<int64_t, 3>{7, 19, 11}, {13, 40, 6}, {140, 200, 20}, {3, 5, 300}}) {
      const std::vector<std::pair<int64_t, int64_t>> of_a{{k, 1},     {1, m},    {-k, 1}, {k, -1},
                                                          {-1, -m},   {0, 1},    {1, 0},  {0, 0},
                                                          {2 * k, 2}, {k + 5, 1}};
      const std::vector<std::pair<int64_t, int64_t>> of_b{{n, 1},     {1, k},    {-n, 1}, {n, -1},
                                                          {-1, -k},   {0, 1},    {1, 0},  {0, 0},
                                                          {2 * n, 2}, {n + 5, 1}};
      for (const auto& [a_row, a_col] : of_a) {
        for (const auto& [b_row, b_col] : of_b) {
          const Matrix a(m, k, a_row, a_col, 5), b(k, n, b_row, b_col, 6);
          INFO(m << " x " << n << " x " << k << ", A by " << a_row << ", " << a_col << ", B by "
                 << b_row << ", " << b_col << ", lanes " << kernel->one.width);
          REQUIRE(wrong(m, n, k, a, b, n + 1, *kernel) == 0);
        }
      }
    }
  }
}

TEST_CASE("gemm lets a NaN and zero times infinity through, and only where they belong") {
  for (const GemmKernel* kernel : kernels()) {
    const int64_t m = 9, n = 21, k = 17;
    Matrix a(m, k, k, 1, 7), b(k, n, n, 1, 8);
    a.at(2, 3) = std::numeric_limits<float>::quiet_NaN();
    a.at(5, 4) = 0.0f;
    b.at(4, 20) = std::numeric_limits<float>::infinity();
    const std::vector<float> c = product(m, n, k, a, b, n, *kernel);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const float x = c[static_cast<size_t>(32 + i * n + j)];
        INFO("row " << i << ", column " << j);
        REQUIRE(std::isnan(x) == (i == 2 || (i == 5 && j == 20)));
        REQUIRE(std::isinf(x) == (j == 20 && i != 2 && i != 5));
      }
    }
  }
}

TEST_CASE("gemm gives the same bits for any number of threads") {
  const int before = needle::num_threads();
  for (const GemmKernel* kernel : kernels()) {
    for (const auto& [m, n, k] :
         {std::array<int64_t, 3>{100, 100, 784}, {333, 257, 300}, {64, 1700, 64}}) {
      const Matrix a(m, k, k, 1, 9), b(k, n, 1, k, 10);
      needle::set_num_threads(1);
      const std::vector<float> one = product(m, n, k, a, b, n, *kernel);
      for (int threads : {2, 4}) {
        needle::set_num_threads(threads);
        const std::vector<float> many = product(m, n, k, a, b, n, *kernel);
        REQUIRE(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)) == 0);
      }
    }
  }
  needle::set_num_threads(before);
}

TEST_CASE("gemm_batch multiplies each pair, and operands may be shared") {
  for (const auto& [batch, m, n, k] :
       {std::array<int64_t, 4>{0, 3, 3, 3}, {7, 5, 9, 4}, {40, 20, 20, 20}, {3, 70, 90, 80}}) {
    const Matrix a(batch * m, k, k, 1, 11), b(k, n, 1, k, 12);
    std::vector<float> c(static_cast<size_t>(batch * m * n), guard), one = c;
    gemm_batch(batch, m, n, k, a.data(), k, 1, b.data(), 1, k, c.data(), n,
               [m = m, n = n, k = k](int64_t i) {
                 return GemmOffsets{i * m * k, 0, i * m * n};
               });
    gemm(batch * m, n, k, a.data(), k, 1, b.data(), 1, k, one.data(), n);
    REQUIRE(c == one);
  }
}

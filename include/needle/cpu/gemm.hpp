// The matrix product of the CPU: blocked for the caches, shared over cores, any strides.
//
// Policy. k is cut into blocks of at most 384 (512 for many rows with AVX-512), rows and columns
// into blocks of 1536, so that the packed copies of both take at most 6.5 MB whatever the size. A
// small product reads its operands where they lie: A while few column strips use it (n <= 192), B
// when its rows are contiguous and few tiles share a strip (m <= 128). One row or one column goes
// to loops that never pack: 2 to 5 times faster than tiles at 100 x 784. A C too narrow for
// vectors, with A lying as its transpose, is computed as its transpose: 1.5 times faster at 100 x
// 10 x 100.
#pragma once

#include <algorithm>
#include <cstdint>

#include "needle/cpu/gemm_block.hpp"
#include "needle/cpu/gemm_kernel.hpp"
#include "needle/cpu/gemm_pack.hpp"
#include "needle/cpu/gemv_kernel.hpp"
#include "needle/cpu/isa.hpp"
#include "needle/cpu/threads.hpp"

namespace needle::cpu {

/// y = M x for M with its `rows` contiguous along k, and x contiguous.
inline void gemv_by_rows(int64_t rows, int64_t k, const float* matrix, int64_t row, const float* x,
                         float* y, int64_t y_stride, const GemvKernel& kernel) {
  // Groups of four at fixed places, so that a row's bits do not depend on the other rows.
  const GemmCut parts((rows + 3) / 4, 1 + GemmBlock::worth_sharing / 16 / k);
  const auto part = [&](int64_t chunk) {
    int64_t i = 4 * parts.begin(chunk);
    const int64_t end = (std::min)(rows, 4 * parts.begin(chunk + 1));
    for (; i + 4 <= end; i += 4) {
      kernel.four(k, matrix + i * row, row, x, y + i * y_stride, y_stride);
    }
    for (; i < end; ++i) kernel.one(k, matrix + i * row, row, x, y + i * y_stride, y_stride);
  };
  if (rows * k < GemmBlock::worth_sharing) {
    for (int64_t i = 0; i < parts.parts; ++i) part(i);
  } else {
    parallel_for(parts.parts, part);
  }
}

/// C (m x n, rows `c_row` apart) = A (m x k) B (k x n) with any strides of A and B; C is
/// overwritten.
///
/// An element's k products are added in the same order for any number of threads and any tile.
NEEDLE_ON_DEMAND
void gemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col,
          const float* b, int64_t b_row, int64_t b_col, float* c, int64_t c_row,
          const GemmKernel& kernel = gemm_kernel(isa())) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_row, n, 0.0f);
    return;
  }
  const GemvKernel vector = gemv_kernel(kernel.isa);
  if (m == 1 && a_col == 1 && b_row == 1) {
    return gemv_by_rows(n, k, b, b_col, a, c, 1, vector);
  }
  if (n == 1 && a_col == 1 && b_row == 1) {
    return gemv_by_rows(m, k, a, a_row, b, c, c_row, vector);
  }
  if (m == 1 && b_col == 1 && n >= 8 * vector.lanes) {
    const int64_t wide = 8 * vector.lanes, strips = n / wide, done = strips * wide;
    const auto strip = [&](int64_t j) {
      vector.wide(k, a, 0, a_col, b + j * wide, b_row, c + j * wide, 0, false);
    };
    if (n * k < GemmBlock::worth_sharing) {
      for (int64_t j = 0; j < strips; ++j) strip(j);
    } else {
      parallel_for(strips, strip);
    }
    return gemm(1, n - done, k, a, 0, a_col, b + done, b_row, 1, c + done, c_row, kernel);
  }
  // A narrow C wastes most of each vector; where A lies as its transpose, C' = B' A' does not.
  const int64_t lanes = kernel.one.width;
  const int64_t padded = n <= kernel.half.width ? kernel.half.width
                         : n <= lanes           ? lanes
                                                : 2 * lanes;
  if (a_row == 1 && m >= 4 * lanes && n < 2 * lanes && 5 * n < 4 * padded) {
    const GemmCut slabs(m, 2048);
    for (int64_t y = 0; y < slabs.parts; ++y) {
      const int64_t i = slabs.begin(y), rows = slabs.begin(y + 1) - i;
      float* flipped = gemm_scratch<1>().get(rows * n);
      gemm(n, rows, k, b, b_col, b_row, a + i, a_col, 1, flipped, rows, kernel);
      gemm_pack({flipped, rows, 1}, n, rows, c_row, c + i * c_row);
    }
    return;
  }
  const GemmCut down(m, 1536), across(n, 1536), deep(k, m > kernel.group ? kernel.depth : 384);
  const bool a_packed = n > 192, b_packed = b_col != 1 || m > 128;
  const int64_t most = (k + deep.parts - 1) / deep.parts;
  const int64_t a_size = a_packed ? ((std::min)(m, int64_t{1536}) * most + 15) / 16 * 16 : 0;
  const int64_t b_size = ((std::min)(n, int64_t{1536}) + 2 * lanes) * most;
  float* room = gemm_scratch<0>().get(a_size + b_size);
  for (int64_t x = 0; x < across.parts; ++x) {
    const int64_t j = across.begin(x), columns = across.begin(x + 1) - j;
    for (int64_t z = 0; z < deep.parts; ++z) {
      const int64_t p = deep.begin(z), depth = deep.begin(z + 1) - p;
      for (int64_t y = 0; y < down.parts; ++y) {
        const int64_t i = down.begin(y), rows = down.begin(y + 1) - i;
        const GemmOperand from_a{a + i * a_row + p * a_col, a_row, a_col};
        const GemmOperand from_b{b + p * b_row + j * b_col, b_col, b_row};
        GemmBlock{
            kernel, rows,          columns,           depth, from_a, from_b, a_packed, b_packed,
            room,   room + a_size, c + i * c_row + j, c_row, z > 0}
            .run();
      }
    }
  }
}

/// Where one product of a batch lies, in elements from the pointers given.
struct GemmOffsets {
  int64_t a, b, c;
};

/// `batch` products of one shape; `at(i)` gives the offsets of product i as `GemmOffsets`.
///
/// Offsets of A and B may repeat (broadcasting); those of C must not make results overlap.
template <class At>
void gemm_batch(int64_t batch, int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row,
                int64_t a_col, const float* b, int64_t b_row, int64_t b_col, float* c,
                int64_t c_row, const At& at, const GemmKernel& kernel = gemm_kernel(isa())) {
  const auto one = [&](int64_t i) {
    const GemmOffsets o = at(i);
    gemm(m, n, k, a + o.a, a_row, a_col, b + o.b, b_row, b_col, c + o.c, c_row, kernel);
  };
  const int64_t work = (std::max)(int64_t{1}, m * n * k);
  if (work >= GemmBlock::worth_sharing && batch < 2 * num_threads()) {
    for (int64_t i = 0; i < batch; ++i) one(i);
    return;
  }
  const int64_t each = (std::max)(int64_t{1}, GemmBlock::worth_sharing / 2 / work);
  const GemmCut groups((std::max)(batch, int64_t{0}), each);
  parallel_for(groups.parts, [&](int64_t group) {
    for (int64_t i = groups.begin(group); i < groups.begin(group + 1); ++i) one(i);
  });
}

}  // namespace needle::cpu

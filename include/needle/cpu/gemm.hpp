// The matrix product of the CPU: blocked for the caches, shared over cores, any strides.
//
// Policy. k is cut into blocks of about 256: a two-vector strip of B (16 KB with AVX2) then stays
// in L1 while every tile of a row block passes over it. Rows and columns are cut into super-blocks
// whose packed copies take at most 1.5 MB each. Within one, a first parallel region packs, and a
// second multiplies, one chunk being about 96 rows of A (100 KB packed: L2) by 256 columns of B.
// All cuts are even (ceil(size / limit) parts, sizes differing by one) and follow from shapes.
//
// A small product reads its operands where they lie: A whenever it is used by few column strips,
// B when its rows are contiguous and few tiles share a strip. Only a last, partial strip is packed,
// padded with zeros; its tiles go to a small buffer and only what belongs to C is copied out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "needle/cpu/gemm_kernel.hpp"
#include "needle/cpu/gemm_pack.hpp"
#include "needle/cpu/isa.hpp"
#include "needle/cpu/threads.hpp"

namespace needle::cpu {

/// A range cut evenly into parts of at most `limit`: part i begins at `begin(i)`.
struct GemmCut {
  int64_t size, parts;
  GemmCut(int64_t size, int64_t limit) : size(size), parts((size + limit - 1) / limit) {}
  int64_t begin(int64_t i) const { return i * size / parts; }
};

/// One super-block: C (rows x columns) = or += A (rows x depth) B (depth x columns).
struct GemmBlock {
  const GemmKernel& kernel;
  int64_t rows, columns, depth;
  GemmOperand a, b;
  bool a_packed, b_packed;
  float *a_room, *b_room;
  float* c;
  int64_t c_row;
  bool add;

  /// Multiply-adds from which a product is shared between threads.
  static constexpr int64_t worth_sharing = 256 * 1024;

  int64_t strip() const { return 2 * kernel.lanes; }
  int64_t strips() const { return (columns + strip() - 1) / strip(); }

  /// The width of strip j: two vectors, or one where the last columns fit in one.
  int64_t width(int64_t j) const {
    return columns - j * strip() <= kernel.lanes ? kernel.lanes : strip();
  }

  /// Groups of rows whose packed form stays in L2, each cut into tiles on its own.
  GemmCut groups() const { return {rows, 192 / kernel.rows * kernel.rows}; }

  void pack_a(int64_t group) const {
    const int64_t top = groups().begin(group);
    const GemmCut cut(groups().begin(group + 1) - top, kernel.rows);
    for (int64_t t = 0; t < cut.parts; ++t) {
      const int64_t i = top + cut.begin(t), height = cut.begin(t + 1) - cut.begin(t);
      gemm_pack({a.data + i * a.lane, a.lane, a.depth}, height, depth, height, a_room + i * depth);
    }
  }

  void pack_b(int64_t j) const {
    const int64_t first = j * strip(), wide = (std::min)(strip(), columns - first);
    if (!b_packed && wide == width(j)) return;
    float* to = b_room + first * depth;
    if (wide < width(j)) std::fill_n(to, depth * width(j), 0.0f);
    gemm_pack({b.data + first * b.lane, b.lane, b.depth}, wide, depth, width(j), to);
  }

  /// Multiplies a group of rows with strip j.
  void multiply(int64_t group, int64_t j) const {
    const int64_t first = j * strip(), wide = (std::min)(strip(), columns - first);
    const bool whole = wide == width(j), in_place = !b_packed && whole;
    const float* b_data = in_place ? b.data + first : b_room + first * depth;
    const int64_t b_row = in_place ? b.depth : width(j);
    const bool narrow = width(j) < strip();
    const GemmTile* tile = narrow ? kernel.one : kernel.two;
    // One vector wide needs twice the rows for as many independent sums.
    const int64_t top = groups().begin(group);
    const GemmCut cut(groups().begin(group + 1) - top,
                      narrow && !a_packed ? kernel.tall : kernel.rows);
    alignas(64) float edge[14 * 32];
    for (int64_t t = 0; t < cut.parts; ++t) {
      const int64_t i = top + cut.begin(t), height = cut.begin(t + 1) - cut.begin(t);
      const float* a_data = a_packed ? a_room + i * depth : a.data + i * a.lane;
      const int64_t a_row = a_packed ? 1 : a.lane, a_col = a_packed ? height : a.depth;
      float* to = c + i * c_row + first;
      if (whole) {
        tile[height - 1](depth, a_data, a_row, a_col, b_data, b_row, to, c_row, add);
      } else {
        tile[height - 1](depth, a_data, a_row, a_col, b_data, b_row, edge, width(j), false);
        for (int64_t r = 0; r < height; ++r) {
          gemm_copy_edge(edge + r * width(j), wide, add, to + r * c_row);
        }
      }
    }
  }

  /// Packs what is to be packed, then multiplies, both in chunks fixed by the shape.
  void run() const {
    const GemmCut down = groups();
    const int64_t a_parts = a_packed ? down.parts : 0;
    const GemmCut b_parts(strips(), (std::max)(int64_t{1}, 32768 / (strip() * depth)));
    const auto pack = [&](int64_t chunk) {
      if (chunk < a_parts) return pack_a(chunk);
      chunk -= a_parts;
      for (int64_t j = b_parts.begin(chunk); j < b_parts.begin(chunk + 1); ++j) pack_b(j);
    };
    // Neighbouring chunks share their rows of A, which so stay in the cache of whoever runs them.
    const int64_t work = (std::min)(rows, int64_t{192}) * strip() * depth;
    const GemmCut across(strips(), 1 + worth_sharing / 2 / work);
    const auto product = [&](int64_t chunk) {
      const int64_t x = chunk % across.parts, y = chunk / across.parts;
      for (int64_t j = across.begin(x); j < across.begin(x + 1); ++j) multiply(y, j);
    };
    const int64_t packs = a_parts + b_parts.parts, products = down.parts * across.parts;
    if (rows * columns * depth < worth_sharing) {
      for (int64_t i = 0; i < packs; ++i) pack(i);
      for (int64_t i = 0; i < products; ++i) product(i);
    } else {
      parallel_for(packs, pack);
      parallel_for(products, product);
    }
  }
};

/// C (m x n, rows `c_row` apart) = A (m x k) B (k x n) with any strides of A and B; C is
/// overwritten.
///
/// An element's k products are added in the same order for any number of threads and any tile.
inline void gemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col,
                 const float* b, int64_t b_row, int64_t b_col, float* c, int64_t c_row,
                 const GemmKernel& kernel = gemm_kernel(isa())) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_row, n, 0.0f);
    return;
  }
  // A narrow C wastes most of each vector; where A lies as its transpose, C' = B' A' does not.
  const int64_t lanes = kernel.lanes, padded = n <= lanes ? lanes : 2 * lanes;
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
  const GemmCut down(m, 1536), across(n, 1536), deep(k, 384);
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

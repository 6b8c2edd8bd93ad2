// One block of a matrix product: packs what pays, then runs the tiles, in chunks shared over cores.
//
// Policy. Rows are taken in groups of about 192, with AVX-512 336, whose packed form (300 and 690
// KB at the longest k) stays in L2 while strips of B, two vectors wide (24 and 64 KB), pass one
// after the other; at 1024 cubed AVX-512 is 3 % faster so than with the smaller groups and k of
// AVX2. One thread packs a part just before its first use (1024 cubed: about 2 %). For several, a
// first parallel region packs, a second multiplies; a chunk is one group by as many strips as make
// it worth a thread's while. All cuts are even (ceil(size / limit) parts whose sizes differ by at
// most one) and follow from the shape. The last columns are a strip as narrow as takes them, or one
// of a vector and one of half a vector; what is not full is packed with zeros, its tiles go to a
// small buffer, and only what belongs to C is copied out.
#pragma once

#include <algorithm>
#include <cstdint>

#include "needle/cpu/gemm_kernel.hpp"
#include "needle/cpu/gemm_pack.hpp"
#include "needle/cpu/threads.hpp"

namespace needle::cpu {

/// A range cut evenly into parts of at most `limit`: part i begins at `begin(i)`.
struct GemmCut {
  int64_t size, parts;
  GemmCut(int64_t whole, int64_t limit) : size(whole), parts((whole + limit - 1) / limit) {}
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

  int64_t strip() const { return kernel.two.width; }
  int64_t strips() const { return columns / strip() + (columns % strip() > 0) + splits(); }
  /// Where strip j begins.
  int64_t first(int64_t j) const {
    const int64_t whole = columns / strip();
    return (std::min)(j, whole) * strip() + (j > whole ? kernel.one.width : 0);
  }
  /// The tiles of strip j: of the last columns, the narrowest that take them.
  const GemmTiles& tiles(int64_t j) const {
    const int64_t rest = columns - first(j);
    if (rest <= half_width()) return kernel.half;
    return rest <= kernel.one.width || (splits() && rest < strip()) ? kernel.one : kernel.two;
  }
  /// Whether the last columns are a strip of one vector and one of half a vector.
  bool splits() const {
    const int64_t rest = columns % strip() - kernel.one.width;
    return 0 < rest && rest <= half_width();
  }
  int64_t half_width() const { return a_packed ? 0 : kernel.half.width; }

  /// Groups of rows whose packed form stays in L2, counted in tiles of full height, so that only
  /// the last group has lower ones. Fewer where strips are few, so that many cores find work.
  GemmCut groups() const { return {(rows + tallest() - 1) / tallest(), group_limit() / tallest()}; }
  int64_t group_begin(int64_t i) const { return (std::min)(rows, groups().begin(i) * tallest()); }
  int64_t tallest() const { return kernel.two.tallest; }
  int64_t group_limit() const { return strips() < 16 ? 96 : kernel.group; }

  void pack_a(int64_t group) const {
    const int64_t top = group_begin(group);
    const GemmCut cut(group_begin(group + 1) - top, tallest());
    for (int64_t t = 0; t < cut.parts; ++t) {
      const int64_t i = top + cut.begin(t), height = cut.begin(t + 1) - cut.begin(t);
      gemm_pack({a.data + i * a.lane, a.lane, a.depth}, height, depth, height, a_room + i * depth);
    }
  }

  void pack_b(int64_t j) const {
    const int64_t at = first(j), width = tiles(j).width, wide = (std::min)(width, columns - at);
    if (!b_packed && wide == width) return;
    float* to = b_room + at * depth;
    if (wide < width) std::fill_n(to, depth * width, 0.0f);
    gemm_pack({b.data + at * b.lane, b.lane, b.depth}, wide, depth, width, to);
  }

  /// Multiplies a group of rows with strip j.
  void multiply(int64_t group, int64_t j) const {
    const GemmTiles& tile = tiles(j);
    const int64_t at = first(j), width = tile.width, wide = (std::min)(width, columns - at);
    const bool whole = wide == width, in_place = !b_packed && whole;
    const float* b_data = in_place ? b.data + at : b_room + at * depth;
    const int64_t b_row = in_place ? b.depth : width;
    // A narrow tile has few independent sums, so it is as tall as it can be.
    const int64_t top = group_begin(group);
    const GemmCut cut(group_begin(group + 1) - top, a_packed ? tallest() : tile.tallest);
    alignas(64) float edge[14 * 32];
    for (int64_t t = 0; t < cut.parts; ++t) {
      const int64_t i = top + cut.begin(t), height = cut.begin(t + 1) - cut.begin(t);
      const float* a_data = a_packed ? a_room + i * depth : a.data + i * a.lane;
      const int64_t a_row = a_packed ? 1 : a.lane, a_col = a_packed ? height : a.depth;
      float* to = c + i * c_row + at;
      if (depth > 128) {  // with k that long, C has left the near caches
        for (int64_t r = 0; r < height; ++r) {
          __builtin_prefetch(to + r * c_row, 1);
          __builtin_prefetch(to + r * c_row + wide - 1, 1);
        }
      }
      if (whole) {
        tile.of_height[height - 1](depth, a_data, a_row, a_col, b_data, b_row, to, c_row, add);
      } else {
        tile.of_height[height - 1](depth, a_data, a_row, a_col, b_data, b_row, edge, width, false);
        for (int64_t r = 0; r < height; ++r) {
          gemm_copy_edge(edge + r * width, wide, add, to + r * c_row);
        }
      }
    }
  }

  /// Packs what is to be packed and multiplies: one thread packs each part just before its first
  /// use, several share the packing, then the products, in chunks fixed by the shape.
  void run() const {
    const GemmCut down = groups();
    if (rows * columns * depth < worth_sharing || num_threads() == 1) {
      for (int64_t y = 0; y < down.parts; ++y) {
        if (a_packed) pack_a(y);
        for (int64_t j = 0; j < strips(); ++j) {
          if (y == 0) pack_b(j);
          multiply(y, j);
        }
      }
      return;
    }
    const int64_t a_parts = a_packed ? down.parts : 0;
    const GemmCut b_parts(strips(), (std::max)(int64_t{1}, 32768 / (strip() * depth)));
    parallel_for(a_parts + b_parts.parts, [&](int64_t chunk) {
      if (chunk < a_parts) return pack_a(chunk);
      chunk -= a_parts;
      for (int64_t j = b_parts.begin(chunk); j < b_parts.begin(chunk + 1); ++j) pack_b(j);
    });
    // Neighbouring chunks share their rows of A, which so stay in the cache of whoever runs them.
    const int64_t work = (std::min)(rows, group_limit()) * strip() * depth;
    const GemmCut across(strips(), 1 + worth_sharing / 2 / work);
    parallel_for(down.parts * across.parts, [&](int64_t chunk) {
      const int64_t x = chunk % across.parts, y = chunk / across.parts;
      for (int64_t j = across.begin(x); j < across.begin(x + 1); ++j) multiply(y, j);
    });
  }
};

}  // namespace needle::cpu

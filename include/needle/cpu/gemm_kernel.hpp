// The innermost loop of the matrix product: one tile of C, held in registers while k runs.
//
// Policy. A tile is `Rows` x `Vectors` accumulators, two vectors wide and as tall as the registers
// allow: 14 x 32 for AVX-512 (28 of 32 registers), 6 x 16 for AVX2, 6 x 8 for SSE2 (12 of 16), 8 x
// 8 with the 32 registers of aarch64. Each of the k steps loads one row of B and broadcasts one
// column of A, so loads stay below the two that a core issues per two FMAs. Every smaller height
// exists as well, and one vector's width, with AVX-512 half a vector's (AVX2's tiles): rows are
// split evenly, no tile falls back to scalar code, and few lanes are idle. Strides are
// arguments, so packed panels and matrices read in place go through the same code.
//
// The body is a macro because GCC lowers vector arithmetic before it inlines: the code must be
// written inside the function that carries the target. Each element of C is one chain of
// multiply-adds over p = 0, 1, 2 ..., in every tile shape, so bits do not depend on how C is cut.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "needle/core/config.hpp"
#include "needle/cpu/isa.hpp"

namespace needle::cpu {

/// C = A B (or C += A B when `add`) for one tile: A by its strides, rows of B and C contiguous.
using GemmTile = void (*)(int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,
                          int64_t b_row, float* c, int64_t c_row, bool add);

/// Tiles of one width, and the tallest; that of height h at [h - 1].
struct GemmTiles {
  int width, tallest;
  const GemmTile* of_height;
};

/// The tiles of one instruction set.
struct GemmKernel {
  Isa isa;
  int group;           ///< the most rows of A whose packed form stays in the second cache
  int depth;           ///< the most steps of k where there are more rows
  GemmTiles two, one;  ///< two vectors wide and one; packed rows of A fit both
  GemmTiles half;      ///< half a vector wide, or none; for rows of A read in place
};

#define NEEDLE_GEMM_TILE(NAME, TARGET)                                                           \
  template <int Bytes, int Vectors, int... T>                                                    \
  TARGET void NAME(int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,      \
                   int64_t b_row, float* c, int64_t c_row, bool add) {                           \
    using Memory = typename VectorOf<Bytes>::Memory;                                             \
    constexpr int lanes = Bytes / static_cast<int>(sizeof(float));                               \
    typename VectorOf<Bytes>::Value sum[sizeof...(T)] = {};                                      \
    for (int64_t p = 0; p < k; ++p) {                                                            \
      ((sum[T] +=                                                                                \
        a[T / Vectors * a_row] * *reinterpret_cast<const Memory*>(b + T % Vectors * lanes)),     \
       ...);                                                                                     \
      a += a_col;                                                                                \
      b += b_row;                                                                                \
    }                                                                                            \
    if (add) {                                                                                   \
      ((sum[T] +=                                                                                \
        *reinterpret_cast<const Memory*>(c + T / Vectors * c_row + T % Vectors * lanes)),        \
       ...);                                                                                     \
    }                                                                                            \
    ((*reinterpret_cast<Memory*>(c + T / Vectors * c_row + T % Vectors * lanes) = sum[T]), ...); \
  }                                                                                              \
  template <int Bytes, int Vectors, int... T>                                                    \
  constexpr GemmTile NAME##_of(std::integer_sequence<int, T...>) {                               \
    return &NAME<Bytes, Vectors, T...>;                                                          \
  }                                                                                              \
  template <int Bytes, int Vectors, int... R>                                                    \
  constexpr std::array<GemmTile, sizeof...(R)> NAME##_table(std::integer_sequence<int, R...>) {  \
    return {NAME##_of<Bytes, Vectors>(std::make_integer_sequence<int, (R + 1) * Vectors>{})...}; \
  }                                                                                              \
  template <int Bytes, int Vectors, int Tallest>                                                 \
  __attribute__((visibility("hidden"))) inline constexpr auto NAME##_of_height =                 \
      NAME##_table<Bytes, Vectors>(std::make_integer_sequence<int, Tallest>{});                  \
  template <int Bytes, int Vectors, int Tallest>                                                 \
  inline constexpr GemmTiles NAME##_set{Vectors * Bytes / 4, Tallest,                            \
                                        NAME##_of_height<Bytes, Vectors, Tallest>.data()};

NEEDLE_GEMM_TILE(gemm_tile, )
#if NEEDLE_X86
NEEDLE_GEMM_TILE(gemm_tile_avx2, NEEDLE_AVX2)
NEEDLE_GEMM_TILE(gemm_tile_avx512, NEEDLE_AVX512)
#endif
#undef NEEDLE_GEMM_TILE

/// The tiles for an instruction set, which this processor must have.
NEEDLE_ON_DEMAND
const GemmKernel& gemm_kernel([[maybe_unused]] Isa isa) {
#if NEEDLE_X86
  static constexpr GemmKernel avx512{Isa::avx512,
                                     336,
                                     512,
                                     gemm_tile_avx512_set<64, 2, 14>,
                                     gemm_tile_avx512_set<64, 1, 14>,
                                     gemm_tile_avx2_set<32, 1, 8>};
  static constexpr GemmKernel avx2{
      Isa::avx2, 192, 384, gemm_tile_avx2_set<32, 2, 6>, gemm_tile_avx2_set<32, 1, 8>, {}};
  static constexpr int tallest = 6;
  if (isa == Isa::avx512) return avx512;
  if (isa == Isa::avx2) return avx2;
#else
  static constexpr int tallest = 8;
#endif
  static constexpr GemmKernel baseline{
      Isa::baseline, 192, 384, gemm_tile_set<16, 2, tallest>, gemm_tile_set<16, 1, 8>, {}};
  return baseline;
}

}  // namespace needle::cpu

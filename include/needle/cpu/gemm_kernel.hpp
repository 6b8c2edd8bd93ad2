// The innermost loop of the matrix product: one tile of C, held in registers while k runs.
//
// Policy. A tile is `Rows` x `Vectors` accumulators, two vectors wide and as tall as the registers
// allow: 14 x 32 for AVX-512 (28 of 32 registers), 6 x 16 for AVX2, 6 x 8 for SSE2 (12 of 16), 8 x
// 8 with the 32 registers of aarch64. Each of the k steps loads one row of B and broadcasts one
// column of A, so loads stay below the two that a core issues per two FMAs. Every smaller height
// exists as well: rows are split evenly and no tile falls back to scalar code. Strides are
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

/// The tiles of one instruction set.
struct GemmKernel {
  Isa isa;
  int rows;             ///< the tallest tile two vectors wide
  int tall;             ///< the tallest tile one vector wide
  int lanes;            ///< floats in a vector
  int group;            ///< the most rows of A whose packed form stays in the second cache
  int depth;            ///< the most steps of k where there are more rows
  const GemmTile* one;  ///< one vector wide, height h at [h - 1]
  const GemmTile* two;  ///< two vectors wide
};

#define NEEDLE_GEMM_TILE(NAME, TARGET)                                                             \
  template <int Bytes, int Vectors, int... T>                                                      \
  TARGET void NAME(int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,        \
                   int64_t b_row, float* c, int64_t c_row, bool add) {                             \
    using Memory = typename VectorOf<Bytes>::Memory;                                               \
    constexpr int lanes = Bytes / static_cast<int>(sizeof(float));                                 \
    typename VectorOf<Bytes>::Value sum[sizeof...(T)] = {};                                        \
    for (int64_t p = 0; p < k; ++p) {                                                              \
      ((sum[T] +=                                                                                  \
        a[T / Vectors * a_row] * *reinterpret_cast<const Memory*>(b + T % Vectors * lanes)),       \
       ...);                                                                                       \
      a += a_col;                                                                                  \
      b += b_row;                                                                                  \
    }                                                                                              \
    if (add) {                                                                                     \
      ((sum[T] +=                                                                                  \
        *reinterpret_cast<const Memory*>(c + T / Vectors * c_row + T % Vectors * lanes)),          \
       ...);                                                                                       \
    }                                                                                              \
    ((*reinterpret_cast<Memory*>(c + T / Vectors * c_row + T % Vectors * lanes) = sum[T]), ...);   \
  }                                                                                                \
  template <int Bytes, int Vectors, int... T>                                                      \
  constexpr GemmTile NAME##_of(std::integer_sequence<int, T...>) {                                 \
    return &NAME<Bytes, Vectors, T...>;                                                            \
  }                                                                                                \
  template <int Bytes, int Vectors, int... R>                                                      \
  constexpr std::array<GemmTile, sizeof...(R)> NAME##_table(std::integer_sequence<int, R...>) {    \
    return {NAME##_of<Bytes, Vectors>(std::make_integer_sequence<int, (R + 1) * Vectors>{})...};   \
  }                                                                                                \
  template <Isa isa, int Bytes, int Rows, int Tall>                                                \
  const GemmKernel& NAME##_kernel() {                                                              \
    static_assert(Tall >= Rows, "a packed row is read by both widths");                            \
    static constexpr std::array<GemmTile, Tall> one =                                              \
        NAME##_table<Bytes, 1>(std::make_integer_sequence<int, Tall>{});                           \
    static constexpr std::array<GemmTile, Rows> two =                                              \
        NAME##_table<Bytes, 2>(std::make_integer_sequence<int, Rows>{});                           \
    static constexpr bool large = isa == Isa::avx512; /* such processors have 1 MB or more */      \
    static constexpr GemmKernel kernel{                                                            \
        isa, Rows, Tall, Bytes / 4, large ? 336 : 192, large ? 512 : 384, one.data(), two.data()}; \
    return kernel;                                                                                 \
  }

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
  if (isa == Isa::avx512) return gemm_tile_avx512_kernel<Isa::avx512, 64, 14, 14>();
  if (isa == Isa::avx2) return gemm_tile_avx2_kernel<Isa::avx2, 32, 6, 8>();
  return gemm_tile_kernel<Isa::baseline, 16, 6, 8>();
#else
  return gemm_tile_kernel<Isa::baseline, 16, 8, 8>();
#endif
}

}  // namespace needle::cpu

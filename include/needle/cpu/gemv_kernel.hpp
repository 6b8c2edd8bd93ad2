// The innermost loops of a product with one row or one column: every matrix element is used once.
//
// Policy. There is nothing to pack for, so the matrix is read where it lies, and what counts is
// long runs of memory and enough independent sums (eight, for two FMAs of latency four). Rows
// contiguous along k: dot products, four rows at a time, two vectors of sums each; what is left of
// k goes by vectors of four, to which the sums are folded (lane by lane, 784 x 100 takes 1.5 times
// as long). Rows contiguous along the result: one row of eight vectors is held in registers and k
// goes by. The body is a macro for the reason given in gemm_kernel.hpp.
#pragma once

#include <cstdint>
#include <utility>

#include "needle/core/config.hpp"
#include "needle/cpu/gemm_kernel.hpp"
#include "needle/cpu/isa.hpp"

namespace needle::cpu {

/// y[i] = sum over p of matrix[i * row + p] * x[p], for a fixed number of rows i.
using GemvDots = void (*)(int64_t k, const float* matrix, int64_t row, const float* x, float* y,
                          int64_t y_stride);

/// The loops of one instruction set.
struct GemvKernel {
  int lanes;           ///< floats in a vector
  GemvDots four, one;  ///< dot products of four rows, of one row
  GemmTile wide;       ///< a tile of one row by eight vectors
};

#define NEEDLE_GEMV_DOTS(NAME, TARGET)                                                       \
  template <int Bytes, int... R>                                                             \
  TARGET void NAME(int64_t k, const float* matrix, int64_t row, const float* x, float* y,    \
                   int64_t y_stride) {                                                       \
    using Memory = typename VectorOf<Bytes>::Memory;                                         \
    using Four = VectorOf<16>::Memory;                                                       \
    constexpr int lanes = Bytes / static_cast<int>(sizeof(float));                           \
    typename VectorOf<Bytes>::Value even[sizeof...(R)] = {}, odd[sizeof...(R)] = {};         \
    int64_t p = 0;                                                                           \
    for (; p + 2 * lanes <= k; p += 2 * lanes) {                                             \
      ((even[R] += *reinterpret_cast<const Memory*>(matrix + R * row + p) *                  \
                   *reinterpret_cast<const Memory*>(x + p)),                                 \
       ...);                                                                                 \
      ((odd[R] += *reinterpret_cast<const Memory*>(matrix + R * row + p + lanes) *           \
                  *reinterpret_cast<const Memory*>(x + p + lanes)),                          \
       ...);                                                                                 \
    }                                                                                        \
    if (p + lanes <= k) {                                                                    \
      ((even[R] += *reinterpret_cast<const Memory*>(matrix + R * row + p) *                  \
                   *reinterpret_cast<const Memory*>(x + p)),                                 \
       ...);                                                                                 \
      p += lanes;                                                                            \
    }                                                                                        \
    ((even[R] += odd[R]), ...);                                                              \
    VectorOf<16>::Value four[] = {__builtin_shufflevector(even[R], even[R], 0, 1, 2, 3)...}; \
    if constexpr (lanes > 4) {                                                               \
      ((four[R] += __builtin_shufflevector(even[R], even[R], 4, 5, 6, 7)), ...);             \
    }                                                                                        \
    if constexpr (lanes > 8) {                                                               \
      ((four[R] += __builtin_shufflevector(even[R], even[R], 8, 9, 10, 11) +                 \
                   __builtin_shufflevector(even[R], even[R], 12, 13, 14, 15)),               \
       ...);                                                                                 \
    }                                                                                        \
    for (; p + 4 <= k; p += 4) {                                                             \
      ((four[R] += *reinterpret_cast<const Four*>(matrix + R * row + p) *                    \
                   *reinterpret_cast<const Four*>(x + p)),                                   \
       ...);                                                                                 \
    }                                                                                        \
    float sum[] = {(four[R][0] + four[R][1]) + (four[R][2] + four[R][3])...};                \
    for (; p < k; ++p) ((sum[R] += matrix[R * row + p] * x[p]), ...);                        \
    ((y[R * y_stride] = sum[R]), ...);                                                       \
  }

NEEDLE_GEMV_DOTS(gemv_dots, )
#if NEEDLE_X86
NEEDLE_GEMV_DOTS(gemv_dots_avx2, NEEDLE_AVX2)
NEEDLE_GEMV_DOTS(gemv_dots_avx512, NEEDLE_AVX512)
#endif
#undef NEEDLE_GEMV_DOTS

/// The loops for an instruction set, which this processor must have.
NEEDLE_ON_DEMAND
GemvKernel gemv_kernel([[maybe_unused]] Isa isa) {
  using Eight = std::make_integer_sequence<int, 8>;
#if NEEDLE_X86
  if (isa == Isa::avx512) {
    return {16, &gemv_dots_avx512<64, 0, 1, 2, 3>, &gemv_dots_avx512<64, 0>,
            gemm_tile_avx512_of<64, 8>(Eight{})};
  }
  if (isa == Isa::avx2) {
    return {8, &gemv_dots_avx2<32, 0, 1, 2, 3>, &gemv_dots_avx2<32, 0>,
            gemm_tile_avx2_of<32, 8>(Eight{})};
  }
#endif
  return {4, &gemv_dots<16, 0, 1, 2, 3>, &gemv_dots<16, 0>, gemm_tile_of<16, 8>(Eight{})};
}

}  // namespace needle::cpu

// The innermost loop of a reduction: runs of 64 neighbours joined in 64 chains, which stay in
// registers.
//
// Policy. Sums of floats are latency, not work: 64 chains are eight vectors of AVX2, four of
// AVX-512, enough to hide it. Which element goes into which chain depends on its place alone, so
// all instruction sets give the same bits. Levels of long sums and short rows have loops of their
// own: what is done between two runs keeps the memory waiting (bench_reduction, 1000 x 1000, over
// libtorch: all 1.5 without them, 1.05 with them, rows 1.6 and 1.1). The bodies are macros for the
// reason given in gemm_kernel.hpp.
#pragma once

#include "needle/cpu/isa.hpp"
#include "needle/cpu/transfer.hpp"
#include "needle/program/program.hpp"

namespace needle::cpu {

inline constexpr std::int64_t chains = 64;

/// Joins v[i] to chain[i % 64] for i < n, a multiple of `block`, where the runs of 64 lie `step`
/// apart.
using FoldLoop = void (*)(float* chain, const float* v, std::int64_t n, std::int64_t step);

/// How many runs make a level: the additions over which an error grows in a chain.
inline constexpr std::int64_t runs_of_level = 16;

/// Joins the chains of so many levels of neighbours to upper[64]; or the first begins it.
using LevelLoop = void (*)(float* upper, const float* v, std::int64_t levels, bool first);

/// Joins each of `rows` rows that follow each other, of a block of elements up to a level.
using RowLoop = void (*)(double* out, const float* v, std::int64_t rows, std::int64_t length);

/// Joins 64 chains.
using ChainJoin = double (*)(const float* chain);

/// The loops of a monoid.
struct FoldLoops {
  FoldLoop row;
  LevelLoop levels;
  RowLoop rows;
  ChainJoin joined;
};

/// The scalar function of a monoid.
template <Monoid monoid>
using Join = std::conditional_t<
    monoid == Monoid::sum, scalar::Add,
    std::conditional_t<monoid == Monoid::maximum, scalar::Maximum, scalar::Minimum>>;

/// 64 chains as one value: to sixteen as floats, then in double precision.
template <class F>
NEEDLE_FN double join_chains(const float* chain) {
  float sixteen[16];
  for (int j = 0; j < 16; ++j) {
    sixteen[j] =
        F::apply(F::apply(chain[j], chain[j + 32]), F::apply(chain[j + 16], chain[j + 48]));
  }
  double wide[16], four[4];
  for (int j = 0; j < 16; ++j) wide[j] = sixteen[j];
  for (int j = 0; j < 4; ++j) {
    four[j] = F::apply(F::apply(wide[j], wide[j + 8]), F::apply(wide[j + 4], wide[j + 12]));
  }
  return F::apply(F::apply(four[0], four[2]), F::apply(four[1], four[3]));
}

#define NEEDLE_FOLD_JOIN(s, x)                               \
  (s = monoid == Monoid::sum       ? s + x                   \
       : monoid == Monoid::maximum ? NEEDLE_EXTREME(x, >, s) \
                                   : NEEDLE_EXTREME(x, <, s))
#define NEEDLE_FOLD(NAME, TARGET)                                                                \
  template <int Bytes, Monoid monoid, int... T>                                                  \
  TARGET void NAME(float* chain, const float* v, std::int64_t n, std::int64_t step) {            \
    using Memory = typename VectorOf<Bytes>::Memory;                                             \
    using Value = typename VectorOf<Bytes>::Value;                                               \
    using Bits [[maybe_unused]] = typename VectorOf<Bytes>::Bits;                                \
    constexpr int lanes = Bytes / static_cast<int>(sizeof(float));                               \
    Value x[sizeof...(T)], s[] = {*reinterpret_cast<const Memory*>(chain + T * lanes)...};       \
    for (; n >= chains; n -= chains, v += step) {                                                \
      ((x[T] = *reinterpret_cast<const Memory*>(v + T * lanes)), ...);                           \
      (NEEDLE_FOLD_JOIN(s[T], x[T]), ...);                                                       \
    }                                                                                            \
    if (n > 0) {                                                                                 \
      ((T * lanes < n ? (void)(x[T] = *reinterpret_cast<const Memory*>(v + T * lanes),           \
                               NEEDLE_FOLD_JOIN(s[T], x[T]))                                     \
                      : void()),                                                                 \
       ...);                                                                                     \
    }                                                                                            \
    ((*reinterpret_cast<Memory*>(chain + T * lanes) = s[T]), ...);                               \
  }                                                                                              \
  template <int Bytes, Monoid monoid, int... T>                                                  \
  TARGET void NAME##_levels(float* upper, const float* v, std::int64_t levels, bool first) {     \
    using Memory = typename VectorOf<Bytes>::Memory;                                             \
    using Value = typename VectorOf<Bytes>::Value;                                               \
    using Bits [[maybe_unused]] = typename VectorOf<Bytes>::Bits;                                \
    constexpr int lanes = Bytes / static_cast<int>(sizeof(float));                               \
    const Value zero = {}, none = zero + static_cast<float>(identity_of(monoid));                \
    for (; levels > 0; --levels, first = false) {                                                \
      Value x[sizeof...(T)], s[] = {((void)T, none)...};                                         \
      for (std::int64_t i = 0; i < runs_of_level; ++i, v += chains) {                            \
        ((x[T] = *reinterpret_cast<const Memory*>(v + T * lanes)), ...);                         \
        (NEEDLE_FOLD_JOIN(s[T], x[T]), ...);                                                     \
      }                                                                                          \
      if (!first) {                                                                              \
        ((x[T] = s[T], s[T] = *reinterpret_cast<const Memory*>(upper + T * lanes),               \
          NEEDLE_FOLD_JOIN(s[T], x[T])),                                                         \
         ...);                                                                                   \
      }                                                                                          \
      ((*reinterpret_cast<Memory*>(upper + T * lanes) = s[T]), ...);                             \
    }                                                                                            \
  }                                                                                              \
  template <int Bytes, Monoid monoid, int... T>                                                  \
  TARGET void NAME##_rows(double* out, const float* v, std::int64_t rows, std::int64_t length) { \
    using Memory = typename VectorOf<Bytes>::Memory;                                             \
    using Value = typename VectorOf<Bytes>::Value;                                               \
    using Bits = typename VectorOf<Bytes>::Bits;                                                 \
    constexpr int lanes = Bytes / static_cast<int>(sizeof(float));                               \
    const Value zero = {}, none = zero + static_cast<float>(identity_of(monoid));                \
    const auto rest = static_cast<std::int32_t>(length % block);                                 \
    Bits place;                                                                                  \
    for (int j = 0; j < lanes; ++j) place[j] = j;                                                \
    for (; rows > 0; --rows, v += length) {                                                      \
      Value x[sizeof...(T)], s[] = {((void)T, none)...};                                         \
      const float* at = v;                                                                       \
      std::int64_t n = length - rest;                                                            \
      for (; n >= chains; n -= chains, at += chains) {                                           \
        ((x[T] = *reinterpret_cast<const Memory*>(at + T * lanes)), ...);                        \
        (NEEDLE_FOLD_JOIN(s[T], x[T]), ...);                                                     \
      }                                                                                          \
      ((T * lanes < n ? (void)(x[T] = *reinterpret_cast<const Memory*>(at + T * lanes),          \
                               NEEDLE_FOLD_JOIN(s[T], x[T]))                                     \
                      : void()),                                                                 \
       ...);                                                                                     \
      /* What is left are the last of the last 16. */                                            \
      at = v + length - block;                                                                   \
      ((rest > 0 && T * lanes < block                                                            \
            ? (void)(x[T] = *reinterpret_cast<const Memory*>(at + T * lanes),                    \
                     x[T] = place + T * lanes >= static_cast<std::int32_t>(block) - rest ? x[T]  \
                                                                                         : none, \
                     NEEDLE_FOLD_JOIN(s[T], x[T]))                                               \
            : void()),                                                                           \
       ...);                                                                                     \
      alignas(64) float chain[chains];                                                           \
      ((*reinterpret_cast<Memory*>(chain + T * lanes) = s[T]), ...);                             \
      *out++ = join_chains<Join<monoid>>(chain);                                                 \
    }                                                                                            \
  }                                                                                              \
  template <Monoid monoid>                                                                       \
  TARGET double NAME##_joined(const float* chain) {                                              \
    return join_chains<Join<monoid>>(chain);                                                     \
  }                                                                                              \
  template <int Bytes, Monoid monoid, int... T>                                                  \
  FoldLoops NAME##_of() {                                                                        \
    return {NAME<Bytes, monoid, T...>, NAME##_levels<Bytes, monoid, T...>,                       \
            NAME##_rows<Bytes, monoid, T...>, NAME##_joined<monoid>};                            \
  }                                                                                              \
  template <int Bytes, int... T>                                                                 \
  FoldLoops NAME##_for(Monoid monoid, std::integer_sequence<int, T...>) {                        \
    switch (monoid) {                                                                            \
      case Monoid::sum: return NAME##_of<Bytes, Monoid::sum, T...>();                            \
      case Monoid::maximum: return NAME##_of<Bytes, Monoid::maximum, T...>();                    \
      case Monoid::minimum: break;                                                               \
    }                                                                                            \
    return NAME##_of<Bytes, Monoid::minimum, T...>();                                            \
  }

NEEDLE_FOLD(fold_baseline, )
#if NEEDLE_X86
NEEDLE_FOLD(fold_avx2, NEEDLE_AVX2)
NEEDLE_FOLD(fold_avx512, NEEDLE_AVX512)
#endif
#undef NEEDLE_FOLD
#undef NEEDLE_FOLD_JOIN

/// The loops of a monoid on this processor.
NEEDLE_ON_DEMAND
FoldLoops fold_loops(Monoid monoid) {
  using std::make_integer_sequence;
#if NEEDLE_X86
  if (isa() == Isa::avx512) return fold_avx512_for<64>(monoid, make_integer_sequence<int, 4>());
  if (isa() == Isa::avx2) return fold_avx2_for<32>(monoid, make_integer_sequence<int, 8>());
#endif
  return fold_baseline_for<16>(monoid, make_integer_sequence<int, 16>());
}

}  // namespace needle::cpu

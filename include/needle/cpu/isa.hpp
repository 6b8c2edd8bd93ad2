// Which vector instructions this processor has, asked once at run time: a plain -O2 build is the
// fast build.
//
// Most kernel bodies are always-inlined templates of plain loops with fixed trip counts. Each is
// instantiated in thin functions that differ only in their target attribute; the compiler
// vectorises each for its own instruction set, because inlining comes before vectorisation. Those
// that keep vectors in registers are macros; gemm_kernel.hpp says why.
#pragma once

#include <algorithm>
#include <cstdint>

#include "needle/core/environment.hpp"

#if NEEDLE_X86
#define NEEDLE_AVX2 __attribute__((target("avx2,fma")))
#define NEEDLE_AVX2_UNFUSED __attribute__((target("avx2")))  // rounds as the baseline does
#define NEEDLE_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
#else
#define NEEDLE_AVX2
#define NEEDLE_AVX2_UNFUSED
#define NEEDLE_AVX512
#endif

namespace needle::cpu {

/// The instruction sets kernels are compiled for; on other machines than x86-64 there is only
/// `baseline`.
enum class Isa { baseline, avx2, avx512 };

/// The widest set this processor has; the environment variable NEEDLE_ISA=baseline|avx2|avx512
/// lowers it.
inline Isa isa() {
  static const Isa chosen = [] {
#if NEEDLE_X86
    Isa best = Isa::baseline;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      best = Isa::avx2;
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        best = Isa::avx512;
      }
    }
    const char* wish = detail::environment("NEEDLE_ISA");
    const std::string_view widest = wish ? wish : "avx512";
    if (widest == "baseline") return Isa::baseline;
    if (widest == "avx2") return (std::min)(best, Isa::avx2);
    if (widest == "avx512") return best;
    detail::wrong_setting("NEEDLE_ISA", wish, "baseline, avx2 or avx512");
#else
    return Isa::baseline;
#endif
  }();
  return chosen;
}

/// `Bytes` of floats as one value, and the same in memory at any float's address.
template <int Bytes>
struct VectorOf;
template <>
struct VectorOf<16> {
  typedef float Value __attribute__((vector_size(16)));
  typedef float Memory __attribute__((vector_size(16), aligned(4), may_alias));
  typedef std::int32_t Bits __attribute__((vector_size(16)));
};
template <>
struct VectorOf<32> {
  typedef float Value __attribute__((vector_size(32)));
  typedef float Memory __attribute__((vector_size(32), aligned(4), may_alias));
  typedef std::int32_t Bits __attribute__((vector_size(32)));
};
template <>
struct VectorOf<64> {
  typedef float Value __attribute__((vector_size(64)));
  typedef float Memory __attribute__((vector_size(64), aligned(4), may_alias));
  typedef std::int32_t Bits __attribute__((vector_size(64)));
};

// The square roots of a vector, by the instruction of each instruction set; rounded as is set.
// Clang has one builtin for all of them since 16, and those of single instructions until 21.
#if NEEDLE_X86
#if defined(__clang__) && __has_builtin(__builtin_elementwise_sqrt)
#define NEEDLE_SQRT_BASELINE(x) __builtin_elementwise_sqrt(x)
#define NEEDLE_SQRT_AVX2(x) __builtin_elementwise_sqrt(x)
#define NEEDLE_SQRT_AVX512(x) __builtin_elementwise_sqrt(x)
#else
#define NEEDLE_SQRT_BASELINE(x) __builtin_ia32_sqrtps(x)
#define NEEDLE_SQRT_AVX2(x) __builtin_ia32_sqrtps256(x)
#if defined(__clang__)
#define NEEDLE_SQRT_AVX512(x) __builtin_ia32_sqrtps512(x, 4)
#else
#define NEEDLE_SQRT_AVX512(x) __builtin_ia32_sqrtps512_mask(x, x, -1, 4)
#endif
#endif
#endif

// The larger (>) or the smaller (<) of two vectors, NaN if either is: scalar::Maximum, Minimum.
// With the choice of x where it is NaN on bits, GCC takes the processor's maximum for the other
// choice.
#define NEEDLE_EXTREME(x, OP, y) \
  ((Value)(((Bits)((x)OP(y) ? (x) : (y)) & ~((x) != (x))) | ((Bits)(x) & ((x) != (x)))))

}  // namespace needle::cpu

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

#if NEEDLE_X86
/// The widest set that this processor and the operating system have, by the instruction CPUID
/// (Intel, "Software Developer's Manual", volume 2A, and volume 1, section 13): not every
/// toolchain fills in what __builtin_cpu_supports reads.
inline Isa widest_isa() {
  struct Registers {
    unsigned a, b, c, d;
  };
  const auto cpuid = [](unsigned leaf) {
    Registers r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
  };
  const auto has = [](unsigned bits, auto... places) {
    const unsigned wanted = ((1u << places) | ...);
    return (bits & wanted) == wanted;
  };
  if (cpuid(0).a < 7 || !has(cpuid(1).c, 12, 27, 28)) return Isa::baseline;  // FMA OSXSAVE AVX
  Registers saved;  // of which registers the operating system keeps a thread's values
  __asm__ volatile("xgetbv" : "=a"(saved.a), "=d"(saved.d) : "c"(0));
  const unsigned sets = cpuid(7).b;
  if (!has(saved.a, 1, 2) || !has(sets, 5)) return Isa::baseline;  // XMM YMM; AVX2
  // The masks and ZMM; AVX512 F, DQ, BW, VL.
  return has(saved.a, 5, 6, 7) && has(sets, 16, 17, 30, 31) ? Isa::avx512 : Isa::avx2;
}
#endif

/// The widest set this processor has; the environment variable NEEDLE_ISA=baseline|avx2|avx512
/// lowers it.
inline Isa isa() {
  static const Isa chosen = [] {
#if NEEDLE_X86
    const Isa best = widest_isa();
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

// Everything needle knows about compilers, and the only file that asks which one is at work.
#pragma once

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || __FINITE_MATH_ONLY__ > 0
#error \
    "needle: -ffast-math and its parts break its polynomials and its infinities; build without them (-O2 or -O3 is enough)"
#endif

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "needle needs C++20: pass -std=c++20, or link to the CMake target needle::needle"
#endif

#if !defined(__cpp_exceptions)
#error "needle: errors are exceptions; build without -fno-exceptions"
#endif

#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ < 8
#error "needle: sizes of tensors have 64 bits; build for a processor that addresses as many"
#endif

/// A function that is part of whatever loop calls it.
#define NEEDLE_INLINE __attribute__((always_inline)) inline

/// A function that is part of whatever loop or kernel calls it, on the host and on a GPU.
#if defined(__CUDACC__)
#define NEEDLE_FN __host__ __device__ NEEDLE_INLINE
#else
#define NEEDLE_FN NEEDLE_INLINE
#endif

/// Before a loop in a GPU's kernel: unrolled as a whole, or not at all.
#if defined(__NVCC__) || defined(__CUDA__)
#define NEEDLE_UNROLL _Pragma("unroll")
#define NEEDLE_ROLL _Pragma("unroll 1")
#else
#define NEEDLE_UNROLL
#define NEEDLE_ROLL
#endif

/// 1 where the address sanitizer watches: then nothing is hidden from it in lists of free memory.
#if defined(__SANITIZE_ADDRESS__)
#define NEEDLE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEEDLE_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef NEEDLE_ADDRESS_SANITIZER
#define NEEDLE_ADDRESS_SANITIZER 0
#endif

/// A function that is called, not copied into its callers: for what is slow anyway, or many call.
#define NEEDLE_NOINLINE __attribute__((noinline))

/// In place of `inline`: a function compiled by those who call it, not by all who include it.
#define NEEDLE_ON_DEMAND template <int = 0>

#if defined(__NVCC__)
#pragma nv_diag_suppress 1675  // "unrecognized GCC pragma": it is for the host compiler
#endif

/// Before a loop of fixed count whose iterations touch different elements: it may be vectorised
/// without a check (and g++ must not unroll it whole first, because then it looks no further).
#if defined(__clang__)
#define NEEDLE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#else
#define NEEDLE_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#endif

/// Around functions in which rounding to nearest is part of the formula: clang has flags that let
/// it calculate in another order, and no macro by which they could be refused. (Clang 14 has the
/// pragma for x86 only. It allows fused multiply-adds, for which the bounds of error hold too.)
#if defined(__clang__) && defined(__x86_64__)
#define NEEDLE_PRECISE _Pragma("float_control(precise, on, push)")
#define NEEDLE_PRECISE_END _Pragma("float_control(pop)")
#else
#define NEEDLE_PRECISE
#define NEEDLE_PRECISE_END
#endif

/// 1 where the x86 kernels (AVX2, AVX-512) are compiled; they are chosen at run time.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define NEEDLE_X86 1
#else
#define NEEDLE_X86 0
#endif

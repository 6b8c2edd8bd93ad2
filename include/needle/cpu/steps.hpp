// One vector loop for each scalar function, on each instruction set.
#pragma once

#include "needle/cpu/isa.hpp"
#include "needle/cpu/transfer.hpp"
#include "needle/program/program.hpp"

namespace needle::cpu {

/// y[i] = f(a[i], b[i], c[i]) for i < n, a multiple of `block`; y may be one of the operands.
/// Meanwhile n elements from `ahead` on are fetched into the cache, so that memory works while slow
/// functions calculate (bench_elementwise with AVX-512, 1e6 elements, sigmoid(x) tanh(y) + z, time
/// over a hand-written pass: 1.1 to 1.4 in place of 1.4 to 1.9).
template <class R>
using StepLoop = void (*)(R* y, const R* a, const R* b, const R* c, std::int64_t n, const R* ahead);

/// Functions with a branch-free form for common arguments.
template <class F, class R>
concept HasCommon = requires(R x) {
  { F::common(x) } -> std::same_as<R>;
};

template <class F, class R>
NEEDLE_INLINE void step_loop(R* y, const R* a, [[maybe_unused]] const R* b,
                             [[maybe_unused]] const R* c, std::int64_t n, const R* ahead) {
  for (std::int64_t i = 0; i < n; i += block) {
    __builtin_prefetch(ahead + i);
    if constexpr (HasCommon<F, R>) {
      R values[block];
      for (int j = 0; j < block; ++j) values[j] = F::common(a[i + j]);
      int rare = 0;
      for (int j = 0; j < block; ++j) rare |= !F::is_common(a[i + j]);
      if (rare) {
        for (int j = 0; j < block; ++j) values[j] = F::apply(a[i + j]);
      }
      for (int j = 0; j < block; ++j) y[i + j] = values[j];
    } else {
      NEEDLE_INDEPENDENT
      for (int j = 0; j < block; ++j) {
        if constexpr (scalar::arity<F> == 1) y[i + j] = F::apply(a[i + j]);
        else if constexpr (scalar::arity<F> == 2) y[i + j] = F::apply(a[i + j], b[i + j]);
        else y[i + j] = F::apply(a[i + j], b[i + j], c[i + j]);
      }
    }
  }
}

// No compiler vectorises a square root while errno may have to be set; the instruction is exact.
template <class F, class R>
inline constexpr bool is_root =
    NEEDLE_X86&& std::is_same_v<F, scalar::Sqrt>&& std::is_same_v<R, float>;

template <class F, class R>
void step_baseline(R* y, const R* a, const R* b, const R* c, std::int64_t n, const R* ahead) {
#if NEEDLE_X86
  if constexpr (is_root<F, R>) {
    using V = VectorOf<16>::Memory;
    for (std::int64_t i = 0; i < n; i += 4) {
      *reinterpret_cast<V*>(y + i) = NEEDLE_SQRT_BASELINE(*reinterpret_cast<const V*>(a + i));
    }
    return;
  }
#endif
  step_loop<F>(y, a, b, c, n, ahead);
}

#if NEEDLE_X86
template <class F, class R>
NEEDLE_AVX2 void step_avx2(R* y, const R* a, const R* b, const R* c, std::int64_t n,
                           const R* ahead) {
  if constexpr (is_root<F, R>) {
    using V = VectorOf<32>::Memory;
    for (std::int64_t i = 0; i < n; i += 8) {
      *reinterpret_cast<V*>(y + i) = NEEDLE_SQRT_AVX2(*reinterpret_cast<const V*>(a + i));
    }
  } else {
    step_loop<F>(y, a, b, c, n, ahead);
  }
}
// In halves, as AVX2 has them, it would be read as one before they are stored.
template <class F, class R>
NEEDLE_AVX512 void step_avx512(R* y, const R* a, const R* b, const R* c, std::int64_t n,
                               const R* ahead) {
  if constexpr (is_root<F, R>) {
    using V = VectorOf<64>::Memory;
    for (std::int64_t i = 0; i < n; i += 16) {
      __builtin_prefetch(ahead + i);
      *reinterpret_cast<V*>(y + i) = NEEDLE_SQRT_AVX512(*reinterpret_cast<const V*>(a + i));
    }
  } else {
    step_loop<F>(y, a, b, c, n, ahead);
  }
}
#endif

/// The loops of all scalar functions for an instruction set; in int32 there is only the baseline.
template <class R, class... F>
const StepLoop<R>* step_table([[maybe_unused]] Isa isa, scalar::List<F...>) {
  if constexpr (std::is_integral_v<R>) {
    static constexpr StepLoop<R> loops[] = {[]() -> StepLoop<R> {
      if constexpr (scalar::real_only<F>) return nullptr;
      else return step_baseline<F, R>;
    }()...};
    return loops;
  } else {
    static constexpr StepLoop<R> baseline[] = {step_baseline<F, R>...};
#if NEEDLE_X86
    static constexpr StepLoop<R> avx2[] = {step_avx2<F, R>...};
    static constexpr StepLoop<R> avx512[] = {step_avx512<F, R>...};
    return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : baseline;
#else
    return baseline;
#endif
  }
}

/// The loops for this processor.
template <class R>
const StepLoop<R>* steps() {
  return step_table<R>(isa(), scalar::ScalarFunctions{});
}

}  // namespace needle::cpu

// One vector loop for each scalar function, on each instruction set.
#pragma once

#include "needle/cpu/isa.hpp"
#include "needle/cpu/transfer.hpp"
#include "needle/program/program.hpp"

namespace needle::cpu {

/// y[i] = f(a[i], b[i], c[i]) for i < n, a multiple of `block`; y may be one of the operands.
template <class R>
using StepLoop = void (*)(R* y, const R* a, const R* b, const R* c, std::int64_t n);

template <class F, class R>
NEEDLE_FN void step_loop(R* y, const R* a, [[maybe_unused]] const R* b,
                         [[maybe_unused]] const R* c, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += block) {
    NEEDLE_INDEPENDENT
    for (int j = 0; j < block; ++j) {
      if constexpr (scalar::arity<F> == 1) y[i + j] = F::apply(a[i + j]);
      else if constexpr (scalar::arity<F> == 2) y[i + j] = F::apply(a[i + j], b[i + j]);
      else y[i + j] = F::apply(a[i + j], b[i + j], c[i + j]);
    }
  }
}

template <class F, class R>
void step_baseline(R* y, const R* a, const R* b, const R* c, std::int64_t n) {
  step_loop<F>(y, a, b, c, n);
}
template <class F, class R>
NEEDLE_AVX2 void step_avx2(R* y, const R* a, const R* b, const R* c, std::int64_t n) {
  step_loop<F>(y, a, b, c, n);
}
template <class F, class R>
NEEDLE_AVX512 void step_avx512(R* y, const R* a, const R* b, const R* c, std::int64_t n) {
  step_loop<F>(y, a, b, c, n);
}

/// The loops of all scalar functions for an instruction set; in int32 there is only the baseline.
template <class R, class... F>
const StepLoop<R>* step_table(Isa isa, scalar::List<F...>) {
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

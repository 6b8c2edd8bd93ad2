// Update rules of optimizers on the CPU: value, gradient and running values in one pass over
// memory.
//
// As a program a rule passes over each tile once for every step of its formula. Here the formula is
// compiled into one vector loop: 4 times faster for Adam.
#pragma once

#include "needle/cpu/interpreter.hpp"

namespace needle {

namespace cpu {

struct ToFloat {
  NEEDLE_FN float operator()(double x) const { return static_cast<float>(x); }
};

/// Applies a rule to `block` elements of each array.
template <class Rule, class... F>
NEEDLE_FN void update_block(const Rule& rule, F*... arrays) {
  NEEDLE_INDEPENDENT
  for (int j = 0; j < block; ++j) rule(ToFloat{}, arrays[j]...);
}

inline void put_back(const float* from, std::int64_t n, float* to) { std::copy_n(from, n, to); }
inline void put_back(const float*, std::int64_t, const float*) {}

/// Applies a rule to fewer elements than a block has, in copies of them.
template <class Rule, std::size_t... i, class... F>
NEEDLE_FN void update_tail(const Rule& rule, std::int64_t n, std::index_sequence<i...>,
                           F*... arrays) {
  float copies[sizeof...(F)][block] = {};
  (std::copy_n(arrays, n, copies[i]), ...);
  update_block(rule, copies[i]...);
  (put_back(copies[i], n, arrays), ...);
}

template <class Rule, class... F>
NEEDLE_FN void update_loop(const Rule& rule, std::int64_t n, F*... arrays) {
  const Rule own = rule;  // a copy, which nothing that is written can change
  const std::int64_t whole = n / block * block;
  for (std::int64_t i = 0; i < whole; i += block) update_block(own, (arrays + i)...);
  if (whole < n) update_tail(own, n - whole, std::index_sequence_for<F...>(), (arrays + whole)...);
}

template <class Rule, class... F>
void update_baseline(const Rule& rule, std::int64_t n, F*... arrays) {
  update_loop(rule, n, arrays...);
}
template <class Rule, class... F>
NEEDLE_AVX2 void update_avx2(const Rule& rule, std::int64_t n, F*... arrays) {
  update_loop(rule, n, arrays...);
}
template <class Rule, class... F>
NEEDLE_AVX512 void update_avx512(const Rule& rule, std::int64_t n, F*... arrays) {
  update_loop(rule, n, arrays...);
}

}  // namespace cpu

/// Applies an optimizer's rule to each element of compact arrays of one size, in place.
template <class Rule, std::same_as<Array<Cpu>>... Running>
void update(const Rule& rule, Array<Cpu>& value, const Array<Cpu>& gradient, Running&... running) {
  cpu::for_each_chunk(value.size(), 16, [&](std::int64_t begin, std::int64_t end) {
    const auto run = [&](auto... arrays) {
#if NEEDLE_X86
      if (cpu::isa() == cpu::Isa::avx512) return cpu::update_avx512(rule, end - begin, arrays...);
      if (cpu::isa() == cpu::Isa::avx2) return cpu::update_avx2(rule, end - begin, arrays...);
#endif
      cpu::update_baseline(rule, end - begin, arrays...);
    };
    run(value.data<float>() + begin, static_cast<const float*>(gradient.data<float>() + begin),
        (running.template data<float>() + begin)...);
  });
}

}  // namespace needle

// What hand-written code reaches: one pass over memory, by loops of the kind that needle has.
//
// An expression is a struct with `NEEDLE_FN static R apply(float x, float y, float z)`. The arrays
// are padded to whole blocks of 16, which the loops fill.
#pragma once

#include <needle/needle.hpp>

#include "timing.hpp"

namespace bench {

/// to[i] = F(x[i], y[i], z[i])
template <class F, class T>
NEEDLE_FN void map_loop(T* to, const float* x, const float* y, const float* z, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) {
    NEEDLE_INDEPENDENT
    for (int j = 0; j < 16; ++j) to[i + j] = F::apply(x[i + j], y[i + j], z[i + j]);
  }
}

/// The sum (or the maximum) of F(x[i]), in 32 chains, joined in double every 4,096 elements.
template <class F, bool maximum>
NEEDLE_FN double fold_loop(const float* x, std::int64_t n) {
  double total = maximum ? -HUGE_VAL : 0;
  for (std::int64_t from = 0; from < n; from += 4096) {
    const std::int64_t end = (std::min)(n, from + 4096), whole = from + (end - from) / 32 * 32;
    float chain[32];
    for (float& each : chain) each = maximum ? -HUGE_VALF : 0;
    for (std::int64_t i = from; i < whole; i += 32) {
      NEEDLE_INDEPENDENT
      for (int j = 0; j < 32; ++j) {
        const float value = F::apply(x[i + j], 0, 0);
        chain[j] = maximum ? (value > chain[j] ? value : chain[j]) : chain[j] + value;
      }
    }
    for (std::int64_t i = whole; i < end; ++i) {
      const float value = F::apply(x[i], 0, 0);
      chain[i - whole] = maximum ? (std::max)(chain[i - whole], value) : chain[i - whole] + value;
    }
    for (float each : chain)
      total = maximum ? (std::max)(total, double{each}) : total + double{each};
  }
  return total;
}

struct Same {
  NEEDLE_FN static float apply(float x, float, float) { return x; }
};
struct ExpOf {
  NEEDLE_FN static float apply(float x, float, float) { return needle::math::exp(x); }
};

/// exp(x - max) / sum, row by row, three passes in cache.
NEEDLE_FN void softmax_loop(float* to, const float* x, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = x + r * columns;
    float* out = to + r * columns;
    const float top = static_cast<float>(fold_loop<Same, true>(row, columns));
    const std::int64_t whole = columns / 16 * 16;
    for (std::int64_t i = 0; i < whole; i += 16) {
      NEEDLE_INDEPENDENT
      for (int j = 0; j < 16; ++j) out[i + j] = needle::math::exp(row[i + j] - top);
    }
    for (std::int64_t i = whole; i < columns; ++i) out[i] = needle::math::exp(row[i] - top);
    const float scale = static_cast<float>(1 / fold_loop<Same, false>(out, columns));
    for (std::int64_t i = 0; i < whole; i += 16) {
      NEEDLE_INDEPENDENT
      for (int j = 0; j < 16; ++j) out[i + j] *= scale;
    }
    for (std::int64_t i = whole; i < columns; ++i) out[i] *= scale;
  }
}

/// The sums (or the maxima) of columns, 1,024 at a time.
NEEDLE_FN void columns_loop(float* to, const float* x, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t from = 0; from < columns; from += 1024) {
    const std::int64_t count = (std::min)(columns - from, std::int64_t{1024});
    const std::int64_t whole = count / 8 * 8;
    std::fill_n(to + from, count, 0.0f);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = x + r * columns + from;
      float* sum = to + from;
      for (std::int64_t i = 0; i < whole; i += 8) {
        NEEDLE_INDEPENDENT
        for (int j = 0; j < 8; ++j) sum[i + j] += row[i + j];
      }
      for (std::int64_t i = whole; i < count; ++i) sum[i] += row[i];
    }
  }
}

/// A loop on the instructions that needle chose: NAME(arguments) calls LOOP.
#if NEEDLE_X86
#define NEEDLE_BENCH_PASS(NAME, LOOP, RESULT, PARAMETERS, ARGUMENTS)       \
  template <class F, class T>                                              \
  RESULT NAME##_baseline PARAMETERS {                                      \
    return LOOP ARGUMENTS;                                                 \
  }                                                                        \
  template <class F, class T>                                              \
  NEEDLE_AVX2 RESULT NAME##_avx2 PARAMETERS {                              \
    return LOOP ARGUMENTS;                                                 \
  }                                                                        \
  template <class F, class T>                                              \
  NEEDLE_AVX512 RESULT NAME##_avx512 PARAMETERS {                          \
    return LOOP ARGUMENTS;                                                 \
  }                                                                        \
  template <class F = Same, class T = float>                               \
  RESULT NAME PARAMETERS {                                                 \
    switch (needle::cpu::isa()) {                                          \
      case needle::cpu::Isa::avx512: return NAME##_avx512<F, T> ARGUMENTS; \
      case needle::cpu::Isa::avx2: return NAME##_avx2<F, T> ARGUMENTS;     \
      default: return NAME##_baseline<F, T> ARGUMENTS;                     \
    }                                                                      \
  }
#else
#define NEEDLE_BENCH_PASS(NAME, LOOP, RESULT, PARAMETERS, ARGUMENTS) \
  template <class F = Same, class T = float>                         \
  RESULT NAME PARAMETERS {                                           \
    return LOOP ARGUMENTS;                                           \
  }
#endif

NEEDLE_BENCH_PASS(map, map_loop<F>, void,
                  (T * to, const float* x, const float* y, const float* z, std::int64_t n),
                  (to, x, y, z, n))
NEEDLE_BENCH_PASS(sum_of, (fold_loop<F, false>), double, (const float* x, std::int64_t n), (x, n))
NEEDLE_BENCH_PASS(max_of, (fold_loop<F, true>), double, (const float* x, std::int64_t n), (x, n))
NEEDLE_BENCH_PASS(softmax_rows, softmax_loop, void,
                  (float* to, const float* x, std::int64_t rows, std::int64_t columns),
                  (to, x, rows, columns))
NEEDLE_BENCH_PASS(sum_columns, columns_loop, void,
                  (float* to, const float* x, std::int64_t rows, std::int64_t columns),
                  (to, x, rows, columns))
#undef NEEDLE_BENCH_PASS

/// Numbers in [-1, 1), padded.
inline std::vector<float> made_up(std::int64_t n, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(n + 64));
  for (float& x : values) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

/// What results are compared with, and how.
inline void require_near(const std::vector<float>& ours, const float* theirs, const char* what) {
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const float difference = std::fabs(ours[i] - theirs[i]);
    require(difference <= 1e-5f * (std::max)(1.0f, std::fabs(theirs[i])), what);
  }
}

}  // namespace bench

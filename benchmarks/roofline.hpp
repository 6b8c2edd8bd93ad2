// What this machine can do at best, measured: the figures that benchmarks are divided by.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <vector>

#include "needle/cpu/gemm_kernel.hpp"

namespace bench {

/// Seconds on a steady clock.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds that the calling thread had a processor: what other programs take does not count.
inline double thread_now() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
#else
  return now();
#endif
}

/// The time of one call of `f` in seconds, from a run of calls that lasts at least `least` seconds.
template <class F>
double seconds_per_call(const F& f, double least = 2e-3, double (*clock)() = now) {
  for (int64_t calls = 1;; calls *= 2) {
    const double start = clock();
    for (int64_t i = 0; i < calls; ++i) f();
    const double taken = clock() - start;
    if (taken >= least) return taken / static_cast<double>(calls);
  }
}

#define NEEDLE_BENCH_PEAK(NAME, TARGET, BYTES)                                         \
  template <int... T>                                                                  \
  TARGET float NAME(std::integer_sequence<int, T...>, int64_t steps) {                 \
    using Value = typename needle::cpu::VectorOf<BYTES>::Value;                        \
    Value sum[sizeof...(T)] = {};                                                      \
    Value x = {}, y = {};                                                              \
    x += 0.5f, y += 1.0f;                                                              \
    __asm__ volatile("" : "+m"(x), "+m"(y));                                           \
    ((sum[T] += static_cast<float>(T)), ...); /* unequal chains: none can be merged */ \
    const Value u = x, v = y;                                                          \
    for (int64_t i = 0; i < steps; ++i) ((sum[T] = sum[T] * u + v), ...);              \
    float total = 0;                                                                   \
    ((total += sum[T][0]), ...);                                                       \
    return total;                                                                      \
  }
NEEDLE_BENCH_PEAK(peak_baseline, , 16)
#if NEEDLE_X86
NEEDLE_BENCH_PEAK(peak_avx2, NEEDLE_AVX2, 32)
NEEDLE_BENCH_PEAK(peak_avx512, NEEDLE_AVX512, 64)
#endif
#undef NEEDLE_BENCH_PEAK

/// Multiply-add operations of one thread in GFLOP/s: twelve independent chains in registers.
inline double fma_peak([[maybe_unused]] needle::cpu::Isa isa = needle::cpu::isa(), int trials = 5) {
  constexpr std::make_integer_sequence<int, 12> chains{};
  constexpr int64_t steps = 20000;
  float result = 0;
  double best = 1e30, lanes = 4;
  for (int trial = 0; trial < trials; ++trial) {
    double seconds = 0;
#if NEEDLE_X86
    if (isa == needle::cpu::Isa::avx512) {
      lanes = 16;
      seconds = seconds_per_call([&] { result = peak_avx512(chains, steps); }, 2e-3, thread_now);
    } else if (isa == needle::cpu::Isa::avx2) {
      lanes = 8;
      seconds = seconds_per_call([&] { result = peak_avx2(chains, steps); }, 2e-3, thread_now);
    } else
#endif
    {
      seconds = seconds_per_call([&] { result = peak_baseline(chains, steps); }, 2e-3, thread_now);
    }
    __asm__ volatile("" : : "m"(result));
    best = (std::min)(best, seconds);
  }
  return 2.0 * 12 * lanes * steps / best * 1e-9;
}

/// Bytes read and written per second by a copy of 64 MiB, in GB/s, on one thread.
inline double copy_bandwidth() {
  std::vector<char> from(64 << 20, 1), to(64 << 20, 2);
  double best = 1e30;
  for (int trial = 0; trial < 5; ++trial) {
    const double seconds = seconds_per_call(
        [&] {
          std::memcpy(to.data(), from.data(), from.size());
          __asm__ volatile("" : : "r"(to.data()) : "memory");
        },
        2e-3, thread_now);
    best = (std::min)(best, seconds);
  }
  return 2.0 * static_cast<double>(from.size()) / best * 1e-9;
}

}  // namespace bench

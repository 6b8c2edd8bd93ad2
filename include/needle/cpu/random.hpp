// Random arrays on the CPU: each element is a function of the key and its position, the same bits
// on every instruction set of x86. Sixteen blocks of the generator are made at a time, by vector
// loops.
#pragma once

#include "needle/cpu/chunks.hpp"
#include "needle/cpu/transfer.hpp"
#include "needle/program/random.hpp"

namespace needle {

namespace cpu {

inline constexpr int philox_words = 4 * block;

/// The words of `block` neighbouring blocks, in order.
NEEDLE_FN void philox_loop(std::uint32_t* words, const RandomKey& key, std::uint64_t first) {
  std::uint32_t c0[block], c1[block], c2[block], c3[block];
  for (std::uint32_t j = 0; j < block; ++j) {
    c0[j] = static_cast<std::uint32_t>(first + j);
    c1[j] = static_cast<std::uint32_t>((first + j) >> 32);
    c2[j] = static_cast<std::uint32_t>(key.stream);
    c3[j] = static_cast<std::uint32_t>(key.stream >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    NEEDLE_INDEPENDENT
    for (int j = 0; j < block; ++j) {
      std::uint32_t w0 = c0[j], w1 = c1[j], w2 = c2[j], w3 = c3[j];
      philox_round(w0, w1, w2, w3, k0, k1);
      c0[j] = w0, c1[j] = w1, c2[j] = w2, c3[j] = w3;
    }
    k0 += philox_key_step0, k1 += philox_key_step1;
  }
  for (int j = 0; j < block; ++j) {
    words[4 * j] = c0[j], words[4 * j + 1] = c1[j], words[4 * j + 2] = c2[j],
              words[4 * j + 3] = c3[j];
  }
}

/// The numbers that the words stand for; a kind that is known leaves the loop no choice to make.
template <class T>
NEEDLE_INLINE void convert_words(const std::uint32_t* words, const Distribution& distribution,
                                 Distribution::Kind kind, T* to) {
  using Value = std::conditional_t<std::is_floating_point_v<T>, T, std::int32_t>;
  Distribution d = distribution;
  d.kind = kind;
  for (int j = 0; j < philox_words; ++j) {
    to[j] = static_cast<T>(random_value<Value>(d, words[j & ~1], words[j | 1], (j & 1) != 0));
  }
}

/// The numbers of `block` neighbouring blocks, in order.
template <class T>
NEEDLE_INLINE void random_loop(const Distribution& d, const RandomKey& key, std::uint64_t first,
                               T* to) {
  std::uint32_t words[philox_words];
  philox_loop(words, key, first);
  if (d.kind == Distribution::uniform) convert_words(words, d, Distribution::uniform, to);
  else if (d.kind == Distribution::bernoulli) convert_words(words, d, Distribution::bernoulli, to);
  else convert_words(words, d, d.kind, to);
}
template <class T>
void random_baseline(const Distribution& d, const RandomKey& key, std::uint64_t first, T* to) {
  random_loop(d, key, first, to);
}
template <class T>
NEEDLE_AVX2_UNFUSED void random_avx2(const Distribution& d, const RandomKey& key,
                                     std::uint64_t first, T* to) {
  random_loop(d, key, first, to);
}

/// Elements [begin, end) of a random array.
template <class T>
void fill_random_tiles(const Distribution& d, const RandomKey& key, T* to, std::int64_t begin,
                       std::int64_t end) {
  const auto generate = isa() == Isa::baseline ? random_baseline<T> : random_avx2<T>;
  for (std::int64_t i = begin; i < end;) {
    const auto position = static_cast<std::uint64_t>(i) + key.offset;
    const std::uint64_t group = position / philox_words;
    const auto skipped = static_cast<std::int64_t>(position % philox_words);
    const std::int64_t n = (std::min)(philox_words - skipped, end - i);
    T numbers[philox_words];
    generate(d, key, group * block, numbers);
    std::copy_n(numbers + skipped, n, to + i);
    i += n;
  }
}

}  // namespace cpu

/// Fills a compact array with numbers of a distribution.
NEEDLE_ON_DEMAND
void random(const Distribution& distribution, const RandomKey& key, Array<Cpu>& out) {
  visit(out.dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      T* to = out.data<T>();
      cpu::for_each_chunk(out.size(), 8, [&](std::int64_t begin, std::int64_t end) {
        cpu::fill_random_tiles(distribution, key, to, begin, end);
      });
    }
  });
}

}  // namespace needle

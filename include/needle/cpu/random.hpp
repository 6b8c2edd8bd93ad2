// Random arrays on the CPU: each element is a function of the key and its position. Sixteen blocks
// of the generator are made at a time, by vector loops.
#pragma once

#include "needle/cpu/interpreter.hpp"
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
inline void philox_baseline(std::uint32_t* words, const RandomKey& key, std::uint64_t first) {
  philox_loop(words, key, first);
}
NEEDLE_AVX2 inline void philox_avx2(std::uint32_t* words, const RandomKey& key,
                                    std::uint64_t first) {
  philox_loop(words, key, first);
}

/// Elements [begin, end) of a random array.
template <class T>
void fill_random_tiles(const Distribution& d, const RandomKey& key, T* to, std::int64_t begin,
                       std::int64_t end) {
  using Value = std::conditional_t<std::is_floating_point_v<T>, T, std::int32_t>;
  const auto generate = isa() == Isa::baseline ? philox_baseline : philox_avx2;
  std::uint32_t words[philox_words];
  for (std::int64_t i = begin; i < end;) {
    const auto position = static_cast<std::uint64_t>(i) + key.offset;
    const std::uint64_t group = position / philox_words;
    generate(words, key, group * block);
    for (auto w = static_cast<int>(position % philox_words); w < philox_words && i < end;
         ++w, ++i) {
      to[i] = static_cast<T>(random_value<Value>(d, words[w & ~1], words[w | 1], (w & 1) != 0));
    }
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

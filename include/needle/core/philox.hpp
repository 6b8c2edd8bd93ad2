// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random
// numbers as a function of seed, stream and position, the same on every device and for any number
// of threads.
#pragma once

#include <cstdint>

#include "needle/core/config.hpp"

namespace needle {

/// Where a run of random numbers starts. A key is fixed when an expression is built.
struct RandomKey {
  /// The key, the upper half of the counter, and the first number, four to a block.
  std::uint64_t seed = 0, stream = 0, offset = 0;
};

/// What random numbers are made into: `uniform` in [low, high), `normal` with mean and deviation,
/// `bernoulli` 1 with probability `a`, `integer` whole numbers from a up to b - 1.
struct Distribution {
  /// Which numbers they are made into.
  enum Kind { uniform, normal, bernoulli, integer } kind = uniform;
  /// `uniform` low and high, `normal` mean and deviation, `bernoulli` probability, `integer`
  /// bounds.
  double a = 0, b = 1;
};

/// Four 32-bit words: one block of the generator.
struct PhiloxBlock {
  /// Each of them uniform over all 32-bit numbers.
  std::uint32_t word[4];
};

/// What the two words of the key grow by after each round.
inline constexpr std::uint32_t philox_key_step0 = 0x9E3779B9, philox_key_step1 = 0xBB67AE85;

/// One round on a counter of four words with a key of two.
NEEDLE_FN void philox_round(std::uint32_t& c0, std::uint32_t& c1, std::uint32_t& c2,
                            std::uint32_t& c3, std::uint32_t k0, std::uint32_t k1) {
  const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0, p1 = std::uint64_t{0xCD9E8D57} * c2;
  c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
  c1 = static_cast<std::uint32_t>(p1);
  c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
  c3 = static_cast<std::uint32_t>(p0);
}

/// Block number `block` of the stream a seed and a stream number select.
NEEDLE_FN PhiloxBlock philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t block) {
  std::uint32_t c0 = static_cast<std::uint32_t>(block),
                c1 = static_cast<std::uint32_t>(block >> 32),
                c2 = static_cast<std::uint32_t>(stream),
                c3 = static_cast<std::uint32_t>(stream >> 32),
                k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    philox_round(c0, c1, c2, c3, k0, k1);
    k0 += philox_key_step0, k1 += philox_key_step1;
  }
  return {{c0, c1, c2, c3}};
}

/// A word as a number in [0, 1): its upper 24 bits, so that it is exact in float.
NEEDLE_FN float unit_interval(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

/// A word as a whole number in [0, count), by multiplication and shift.
NEEDLE_FN std::uint32_t below(std::uint32_t word, std::uint32_t count) {
  return static_cast<std::uint32_t>((std::uint64_t{word} * count) >> 32);
}

}  // namespace needle

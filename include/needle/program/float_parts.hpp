// Floats taken apart and put together without a branch: what the elementary functions are made of.
//
// What keeps them vectorisable at -O2 and right for every float:
//  - products are written a * b + c; the bounds hold whether or not the target contracts them;
//  - adding and subtracting 1.5 * 2^23 rounds to an integer, which is in the low bits of the sum:
//    no float is converted to an integer, so no input is undefined;
//  - a choice is made on bits: no arithmetic that may trap ends up in an arm of a branch, where a
//    compiler would have to leave it;
//  - infinities, NaN, signed zeros and denormals follow from the formulas or from one last choice.
#pragma once

#include <cstdint>
#include <limits>

#include "needle/core/config.hpp"

namespace needle::math::detail {
NEEDLE_PRECISE

NEEDLE_FN std::uint32_t bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
NEEDLE_FN float from_bits(std::uint32_t b) { return __builtin_bit_cast(float, b); }

inline constexpr std::uint32_t sign_bit = 0x80000000u;
inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
inline constexpr float to_integer = 0x1.8p23f;  // x + to_integer has round(x) in its low bits

/// `yes` where the condition holds and `no` elsewhere, by masks.
NEEDLE_FN float select(bool condition, float yes, float no) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return from_bits((bits(yes) & mask) | (bits(no) & ~mask));
}

/// 2^n for n in [-126, 127], from the low bits of n.
NEEDLE_FN float power_of_two(std::uint32_t n) { return from_bits((n + 127u) << 23); }

/// x held between two bounds; NaN stays.
NEEDLE_FN float clamp(float x, float low, float high) {
  return select(x < low, low, select(x > high, high, x));
}

/// x 2^n for x near 1 and n in [-252, 254], from the low bits of n; a denormal result rounds once.
// Two factors, each a power of two that a float holds: the first product is exact.
NEEDLE_FN float scaled(float x, std::uint32_t n) {
  const std::uint32_t half = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) >> 1);
  return x * power_of_two(half) * power_of_two(n - half);
}

/// x = m 2^e with m in [2/3, 4/3], for positive finite x; numbers without meaning for other x.
struct Binary {
  float m, e;
};

NEEDLE_FN Binary binary(float x) {
  const bool denormal = x < 0x1p-126f;
  const std::uint32_t two_thirds = 0x3f2aaaabu;
  const std::uint32_t i = bits(x * select(denormal, 0x1p23f, 1.0f)) - two_thirds;
  const std::int32_t e =
      (static_cast<std::int32_t>(i) >> 23) - 23 * static_cast<std::int32_t>(denormal);
  return {from_bits((i & 0x007fffffu) + two_thirds), static_cast<float>(e)};
}

/// exp(x) = value 2^n with value in [0.7, 1.42] and n in the low bits, for |x| < 1000.
struct Exponential {
  float value;
  std::uint32_t n;
};

// x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first of 15 bits so that n times it
// is exact. exp(r) = 1 + r + r^2 P(r), P minimax of degree 4 with error 2^-28.
NEEDLE_FN Exponential exponential(float x) {
  const float shifted = x * 1.44269504f + to_integer;
  const float n = shifted - to_integer;
  const float r = (x - n * 0.693145752f) - n * 1.42860682e-06f;
  float p = 0.00138380029f;
  p = p * r + 0.00836916547f;
  p = p * r + 0.0416681021f;
  p = p * r + 0.166665167f;
  p = p * r + 0.49999994f;
  return {(p * (r * r) + r) + 1.0f, bits(shifted)};
}

/// The sine and cosine of r, where a = n pi/2 + r with r in [-pi/4, pi/4] and 0 <= a <= 10000.
struct Quadrant {
  float sine, cosine;
  std::uint32_t n;
};

// Cody and Waite: pi/2 in parts of 11, 11, 11 and 24 bits, so that n < 2^13 times each of the first
// three is exact; r = hi + lo, where hi has one rounding and lo is kept apart for the sine. Both
// polynomials are minimax, with errors 2^-27 (sine) and 2^-33 (cosine).
NEEDLE_FN Quadrant quadrant(float a) {
  const float shifted = a * 0.636619772f + to_integer;
  const float n = shifted - to_integer;
  const float hi = ((a - n * 1.5703125f) - n * 0.000483751297f) - n * 7.54953362e-08f;
  const float lo = n * -2.56334407e-12f;
  const float r = hi + lo;
  const float z = r * r;
  float s = -0.000195180954f;
  s = s * z + 0.00833218824f;
  s = s * z - 0.166666552f;
  float c = 2.44323273e-05f;
  c = c * z - 0.00138873095f;
  c = c * z + 0.0416666456f;
  return {(s * (r * z) + lo) + hi, c * (z * z) + (1.0f - 0.5f * z), bits(shifted)};
}

NEEDLE_PRECISE_END
}  // namespace needle::math::detail

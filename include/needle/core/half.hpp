// The two floating-point formats of 16 bits; rounding is to nearest, ties to even.
//
// Conversions are straight lines without a branch, a choice at a time, so that a loop of fixed
// count over one of them is vectorised at -O2. std::bit_cast is the host's alone: nvcc leaves out
// what a kernel does with it, and may only warn.
#pragma once

#include <cstdint>

#include "needle/core/config.hpp"

namespace needle {

namespace detail {
/// `yes` where the condition holds and `no` elsewhere, by masks: float arithmetic that an arm of a
/// branch alone needs would stay in it.
NEEDLE_FN constexpr std::uint32_t choose(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}
}  // namespace detail

/// The value of an IEEE 754 binary16 number; exact.
NEEDLE_FN constexpr float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
  // Below 0x400 lie the multiples of the smallest subnormal.
  const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f;
  const std::uint32_t rebias = magnitude < 0x7C00 ? 112u << 23 : 224u << 23;
  const std::uint32_t normal = (magnitude << 13) + rebias;
  return __builtin_bit_cast(
      float, sign | detail::choose(magnitude < 0x0400, __builtin_bit_cast(std::uint32_t, subnormal),
                                   normal));
}

/// The nearest binary16 number; infinity from 65520 on, and NaN stays NaN.
NEEDLE_FN constexpr std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t rebased = magnitude - (112u << 23);
  const std::uint32_t rounded = (rebased + 0x0FFFu + ((rebased >> 13) & 1u)) >> 13;
  const std::uint32_t normal = rounded < 0x7C00u ? rounded : 0x7C00u;
  // Between 1/2 and 1 a float counts in the subnormals' unit of 2^-24.
  const float counted = __builtin_bit_cast(float, magnitude) + 0.5f;
  const std::uint32_t subnormal = __builtin_bit_cast(std::uint32_t, counted) - 0x3F000000u;
  const std::uint32_t number = detail::choose(magnitude < 0x38800000u, subnormal, normal);  // 2^-14
  const std::uint32_t not_a_number = 0x7E00u | ((magnitude >> 13) & 0x03FFu);
  return static_cast<std::uint16_t>(sign |
                                    detail::choose(magnitude > 0x7F800000u, not_a_number, number));
}

/// The value of a bfloat16 number; exact.
NEEDLE_FN constexpr float bfloat16_to_float(std::uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
}

/// The nearest bfloat16 number; NaN stays NaN.
NEEDLE_FN constexpr std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value),
                      magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t not_a_number = (bits >> 16) | 0x40u;
  return static_cast<std::uint16_t>(magnitude > 0x7F800000u ? not_a_number : rounded);
}

/// The float next to a double towards zero, made odd where it is inexact: rounding that to 16 bits
/// is rounding the double (Boldo and Melquiond 2008, "Emulation of a FMA and correctly rounded
/// sums").
NEEDLE_FN constexpr float float_for_rounding(double value) {
  const float nearest = static_cast<float>(value);
  const double back = nearest;
  if (back == value || value != value) return nearest;
  const bool beyond = value < 0 ? back < value : back > value;
  return __builtin_bit_cast(float,
                            (__builtin_bit_cast(std::uint32_t, nearest) - (beyond ? 1u : 0u)) | 1u);
}

/// An element of `Dtype::float16`: IEEE 754 binary16. It has no arithmetic.
struct Float16 {
  Float16() = default;
  /// The nearest number of the format, from a float or a double, rounded once.
  NEEDLE_FN constexpr explicit Float16(float value) : bits(float_to_half(value)) {}
  NEEDLE_FN constexpr explicit Float16(double value) : Float16(float_for_rounding(value)) {}
  /// Its value; exact.
  NEEDLE_FN constexpr operator float() const { return half_to_float(bits); }

  /// The number as the format has it, sign first.
  std::uint16_t bits = 0;
};

/// An element of `Dtype::bfloat16`: the upper half of a float. It has no arithmetic.
struct BFloat16 {
  BFloat16() = default;
  /// The nearest number of the format, from a float or a double, rounded once.
  NEEDLE_FN constexpr explicit BFloat16(float value) : bits(float_to_bfloat16(value)) {}
  NEEDLE_FN constexpr explicit BFloat16(double value) : BFloat16(float_for_rounding(value)) {}
  /// Its value; exact.
  NEEDLE_FN constexpr operator float() const { return bfloat16_to_float(bits); }

  /// The upper 16 bits of the float.
  std::uint16_t bits = 0;
};

}  // namespace needle

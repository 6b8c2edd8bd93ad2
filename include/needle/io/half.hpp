// The two floating-point formats of 16 bits, as their bits; rounding is to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace needle::io {

/// The value of an IEEE 754 binary16 number; exact.
constexpr float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
  if (magnitude < 0x0400) {  // a multiple of the smallest subnormal
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t rebias = magnitude < 0x7C00 ? 112u << 23 : 224u << 23;
  return std::bit_cast<float>(sign | ((magnitude << 13) + rebias));
}

/// The nearest binary16 number; infinity from 65520 on, and NaN stays NaN.
constexpr std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  std::uint32_t result = 0;
  if (magnitude > 0x7F800000u) {
    result = 0x7E00u | ((magnitude >> 13) & 0x03FFu);
  } else if (magnitude >= 0x38800000u) {  // 2^-14, the smallest normal number
    const std::uint32_t rebased = magnitude - (112u << 23);
    result = (rebased + 0x0FFFu + ((rebased >> 13) & 1u)) >> 13;
    if (result > 0x7C00u) result = 0x7C00u;
  } else {  // between 1/2 and 1 a float counts in the subnormals' unit of 2^-24
    result = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3F000000u;
  }
  return static_cast<std::uint16_t>(sign | result);
}

/// The value of a bfloat16 number; exact.
constexpr float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// The nearest bfloat16 number; NaN stays NaN.
constexpr std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace needle::io

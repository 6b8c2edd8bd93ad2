// The elementary functions, each written once for float as straight-line code without a branch.
//
// A loop of fixed trip count over one of them is vectorised by any compiler at -O2, for the target
// of the function it stands in: no intrinsics, no tables, no calls. In double they are the C
// library.
//
// The polynomials are minimax fits of our own (Remez exchange, weighted by the relative error of
// the result); the coefficients were then rounded one by one, the others refitted. The bounds
// quoted were measured over all 2^32 floats, with contraction to fused multiply-add and without;
// one ulp is the distance between the floats around the true value.
#pragma once

#include <cmath>
#include <cstdint>

#include "needle/core/config.hpp"
#include "needle/program/float_parts.hpp"

/// Elementary functions in float (vectorisable, within 2 ulp) and in double (the C library).
namespace needle::math {
NEEDLE_PRECISE

/// The absolute value.
NEEDLE_FN float abs(float x) { return detail::from_bits(detail::bits(x) & ~detail::sign_bit); }

/// e^x; infinity above 88.72283, 0 below -103.9721, denormal results rounded once.
NEEDLE_FN float exp(float x) {
  const detail::Exponential e = detail::exponential(detail::clamp(x, -104.0f, 89.0f));
  return detail::scaled(e.value, e.n);
}

/// The natural logarithm; -infinity at 0 and NaN below.
// x = 2^e (1 + f) with f in [-1/3, 1/3]; log(1 + f) = f - f^2 / 2 + f^3 P(f), P of degree 7.
NEEDLE_FN float log(float x) {
  const detail::Binary b = detail::binary(x);
  const float f = b.m - 1.0f;
  const float z = f * f;
  float p = -0.128916845f;
  p = p * f + 0.139844358f;
  p = p * f - 0.121842608f;
  p = p * f + 0.140058696f;
  p = p * f - 0.16680488f;
  p = p * f + 0.200104058f;
  p = p * f - 0.249997973f;
  p = p * f + 0.333332151f;
  const float low = b.e * 1.42860682e-06f + (p * (f * z) - 0.5f * z);
  const float y = (low + f) + b.e * 0.693145752f;
  const float below = detail::select(x == 0.0f, -detail::infinity, detail::not_a_number);
  return detail::select(x > 0.0f, detail::select(x < detail::infinity, y, detail::infinity), below);
}

/// The hyperbolic tangent.
// Below 0.625, x + x^3 P(x^2) with P of degree 4; above, 1 - 2 / (e^2x + 1).
NEEDLE_FN float tanh(float x) {
  const float size = abs(x);
  const float a = detail::select(size > 10.0f, 10.0f, size);
  const float z = a * a;
  float p = -0.0056922962f;
  p = p * z + 0.0206281673f;
  p = p * z - 0.0537365153f;
  p = p * z + 0.133314058f;
  p = p * z - 0.333332807f;
  const float inner = p * (a * z) + a;
  const detail::Exponential e = detail::exponential(a + a);
  const float outer = 1.0f - 2.0f / (e.value * detail::power_of_two(e.n) + 1.0f);
  const float y = detail::select(a < 0.625f, inner, outer);
  return detail::from_bits(detail::bits(y) | (detail::bits(x) & detail::sign_bit));
}

/// The error function.
// Below 0.9, x + x P(x^2) with P of degree 6; above, 1 - exp(-Q(x)) with Q of degree 6, fitted to
// -log(erfc(x)) with the weight erfc(x) / erf(x) up to 4, from where on the result is 1.
NEEDLE_FN float erf(float x) {
  const float size = abs(x);
  const float a = detail::select(size > 4.0f, 4.0f, size);
  const float z = a * a;
  float p = 7.94310035e-05f;
  p = p * z - 0.000803975272f;
  p = p * z + 0.00519175315f;
  p = p * z - 0.02685556f;
  p = p * z + 0.112836242f;
  p = p * z - 0.376126289f;
  p = p * z + 0.128379166f;
  const float inner = p * a + a;
  float q = -0.000198219874f;
  q = q * a + 0.00306549389f;
  q = q * a - 0.0223152284f;
  q = q * a + 0.104113705f;
  q = q * a + 0.636976063f;
  q = q * a + 1.12779725f;
  q = q * a + 0.000166449812f;
  const detail::Exponential e = detail::exponential(-q);
  const float outer = 1.0f - e.value * detail::power_of_two(e.n);
  const float y = detail::select(a < 0.9f, inner, outer);
  return detail::from_bits(detail::bits(y) | (detail::bits(x) & detail::sign_bit));
}

/// The square root within 1 ulp; NaN below 0, and -0 at -0.
// Compilers do not vectorise the C library's, since it may set errno. Here: an estimate of
// 1 / sqrt(x) by halving the exponent, two Newton steps, and one correction of the root itself.
NEEDLE_FN float sqrt(float x) {
  const bool low = x < 0x1p-80f;
  const float a = x * detail::select(low, 0x1p48f, 1.0f);
  float r = detail::from_bits(0x5f375a86u - (detail::bits(a) >> 1));
  r = r * (1.5f - (0.5f * a * r) * r);
  r = r * (1.5f - (0.5f * a * r) * r);
  const float s = a * r;
  const float y = ((a - s * s) * (0.5f * r) + s) * detail::select(low, 0x1p-24f, 1.0f);
  return detail::select(x < 0.0f, detail::not_a_number, detail::select(x < detail::infinity, y, x));
}

/// The largest magnitude for which `sin_small` and `cos_small` are accurate.
inline constexpr float small_angle = 1e4f;

/// The sine for |x| <= `small_angle`, without a branch: what vector loops use.
NEEDLE_FN float sin_small(float x) {
  const detail::Quadrant q = detail::quadrant(abs(x));
  const float y = detail::select((q.n & 1u) != 0, q.cosine, q.sine);
  return detail::from_bits(detail::bits(y) ^ ((q.n & 2u) << 30) ^
                           (detail::bits(x) & detail::sign_bit));
}

/// The cosine for |x| <= `small_angle`, without a branch: what vector loops use.
NEEDLE_FN float cos_small(float x) {
  const detail::Quadrant q = detail::quadrant(abs(x));
  const float y = detail::select((q.n & 1u) != 0, q.sine, q.cosine);
  return detail::from_bits(detail::bits(y) ^ (((q.n + 1u) & 2u) << 30));
}

/// The sine of any x; beyond `small_angle` by the C library.
NEEDLE_FN float sin(float x) { return abs(x) > small_angle ? std::sin(x) : sin_small(x); }

/// The cosine of any x; beyond `small_angle` by the C library.
NEEDLE_FN float cos(float x) { return abs(x) > small_angle ? std::cos(x) : cos_small(x); }

/// x to the power y, with the special cases of the C standard.
// 2^t with t = y log2|x| in double: |x| = 2^e m with m in [2/3, 4/3], log2 m = s P(s^2) where
// s = (m - 1) / (m + 1), P of degree 4 with error 2^-35; 2^t = 2^n Q(t - n), Q of degree 6 with
// error 2^-29. One rounding to float, and one more where the result is denormal.
NEEDLE_FN float pow(float x, float y) {
  const float size = abs(x);
  const detail::Binary b = detail::binary(size);
  const double m = static_cast<double>(b.m);
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 0.34844672425462564;
  p = p * z + 0.41120270357097249;
  p = p * z + 0.57709241801028865;
  p = p * z + 0.96179662129643695;
  p = p * z + 2.8853900818364351;
  // An exponent beyond 2^32 overflows or vanishes like 2^32 does, unless |x| is 1.
  const float bounded = detail::clamp(y, -0x1p32f, 0x1p32f);
  const double t = static_cast<double>(bounded) * (p * s + static_cast<double>(b.e));
  const double n = (t + 0x1.8p52) - 0x1.8p52;
  const double r = t - n;
  double q = 0.00015345789378143316;
  q = q * r + 0.0013399957630366849;
  q = q * r + 0.0096184892426891475;
  q = q * r + 0.055503287117574213;
  q = q * r + 0.24022646886097818;
  q = q * r + 0.69314720576718125;
  q = q * r + 1.0000000005550422;
  const float exponent = detail::clamp(static_cast<float>(n), -200.0f, 200.0f);
  const float finite =
      detail::scaled(static_cast<float>(q), detail::bits(exponent + detail::to_integer));

  // For h < 2^23, h + 2^23 holds round(h) in its low bits; from there on h is an integer itself.
  const float h = abs(y);
  const float shifted = h + detail::select(h < 0x1p23f, 0x1p23f, 0.0f);
  const bool integer = (h >= 0x1p23f) | (shifted - 0x1p23f == h);
  const float odd = detail::from_bits(detail::bits(shifted) << 31);
  const float sign = detail::select(integer & (h < 0x1p24f), odd, 0.0f);
  const float edge = detail::select((size == 0.0f) == (y < 0.0f), detail::infinity, 0.0f);
  const float power = detail::select((size == 0.0f) | (size == detail::infinity), edge, finite);
  const float signed_power =
      detail::from_bits(detail::bits(power) | (detail::bits(sign) & detail::bits(x)));
  const bool undefined = ((x < 0.0f) & (x > -detail::infinity) & !integer) | (x != x) | (y != y);
  const float value = detail::select(undefined, detail::not_a_number, signed_power);
  return detail::select((y == 0.0f) | (x == 1.0f), 1.0f, value);
}

/// The same functions in double.
NEEDLE_FN double abs(double x) { return std::fabs(x); }
NEEDLE_FN double exp(double x) { return std::exp(x); }
NEEDLE_FN double log(double x) { return std::log(x); }
NEEDLE_FN double tanh(double x) { return std::tanh(x); }
NEEDLE_FN double erf(double x) { return std::erf(x); }
NEEDLE_FN double sqrt(double x) { return std::sqrt(x); }
NEEDLE_FN double sin(double x) { return std::sin(x); }
NEEDLE_FN double cos(double x) { return std::cos(x); }
NEEDLE_FN double pow(double x, double y) { return std::pow(x, y); }

NEEDLE_PRECISE_END
}  // namespace needle::math

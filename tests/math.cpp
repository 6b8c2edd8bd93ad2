#include "needle/program/math.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "needle/cpu/isa.hpp"

namespace {

using needle::cpu::Isa;
namespace math = needle::math;

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float denormal = std::numeric_limits<float>::denorm_min();
constexpr float largest = (std::numeric_limits<float>::max)();

// Each function as a vector loop sees it, as a caller does, and in double; the loop's up to
// `limit`.
#define FUNCTION(Name, name, block_name, bound)                     \
  struct Name {                                                     \
    static constexpr float limit = bound;                           \
    NEEDLE_FN static float block(float x) { return block_name(x); } \
    static float call(float x) { return math::name(x); }            \
    static double call(double x) { return math::name(x); }          \
    static double truth(double x) { return std::name(x); }          \
  };
FUNCTION(Abs, abs, math::abs, inf)
FUNCTION(Exp, exp, math::exp, inf)
FUNCTION(Log, log, math::log, inf)
FUNCTION(Tanh, tanh, math::tanh, inf)
FUNCTION(Erf, erf, math::erf, inf)
FUNCTION(Sqrt, sqrt, math::sqrt, inf)
FUNCTION(Sin, sin, math::sin_small, math::small_angle)
FUNCTION(Cos, cos, math::cos_small, math::small_angle)
#undef FUNCTION

template <class F>
NEEDLE_FN void blocks(const float* x, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    float y[16];
    for (int j = 0; j < 16; ++j) y[j] = F::block(x[i + j]);
    for (int j = 0; j < 16; ++j) out[i + j] = y[j];
  }
}
using Run = void (*)(const float* x, float* out, std::size_t n);
template <class F>
void baseline(const float* x, float* out, std::size_t n) {
  blocks<F>(x, out, n);
}
template <class F>
NEEDLE_AVX2 void avx2(const float* x, float* out, std::size_t n) {
  blocks<F>(x, out, n);
}
template <class F>
NEEDLE_AVX512 void avx512(const float* x, float* out, std::size_t n) {
  blocks<F>(x, out, n);
}

// How far y is from the true value, in units of the distance between floats there. Where the true
// value is zero, infinite, not a number or beyond float: 0 when y says the same, sign included,
// else infinity.
double ulps(float y, double truth) {
  const float rounded = std::fabs(truth) > 3.4028235677973366e38  // rounds to infinity from here on
                            ? std::copysign(inf, truth < 0 ? -1.0f : 1.0f)
                            : static_cast<float>(truth);
  if (std::isnan(truth)) return std::isnan(y) ? 0.0 : HUGE_VAL;
  if (std::signbit(y) != std::signbit(rounded)) return HUGE_VAL;
  if (truth == 0.0 || std::isinf(rounded)) return y == rounded ? 0.0 : HUGE_VAL;
  const int exponent = (std::max)(std::ilogb(truth) - 23, -149);
  return std::ldexp(std::fabs(static_cast<double>(y) - truth), -exponent);
}

std::vector<float> edges() {
  std::vector<float> values{0.0f,
                            denormal,
                            inf,
                            not_a_number,
                            largest,
                            0x1p-126f,
                            0x0.fffffep-126f,
                            1.0f,
                            0.5f,
                            2.0f,
                            88.722839f,
                            88.722847f,
                            87.336548f,
                            103.2789f,
                            103.97208f,
                            103.972084f,
                            104.0f,
                            89.0f,
                            0.625f,
                            0.62499994f,
                            0.9f,
                            9.01f,
                            10.0f,
                            4.0f,
                            3.9192059f,
                            1.57079637f,
                            3.14159274f,
                            1e4f,
                            0.70710678f,
                            1.41421354f,
                            0x1p-80f,
                            0x0.ffffffp-80f,
                            1.33333337f,
                            0.66666669f,
                            0x1p-149f};
  for (std::size_t i = 0, n = values.size(); i < n; ++i) {
    for (const float x : {values[i], -values[i]}) {
      values.push_back(std::nextafter(x, inf));
      values.push_back(std::nextafter(x, -inf));
      values.push_back(x);
    }
  }
  return values;
}

// Every 9973rd float and every edge, none beyond the limit, to a multiple of 16.
std::vector<float> samples(float limit) {
  std::vector<float> values = edges();
  for (std::uint64_t b = 0; b < (std::uint64_t{1} << 32); b += 9973) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(b)));
  }
  std::erase_if(values, [&](float x) { return std::fabs(x) > limit && !std::isinf(x); });
  values.resize((values.size() + 15) / 16 * 16);
  return values;
}

struct Worst {
  double ulps = 0;
  float x = 0;
  void add(float at, double error) {
    if (error > ulps) ulps = error, x = at;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("An elementary function called on any float is within 2 ulp of the truth", "",
                   Abs, Exp, Log, Tanh, Erf, Sqrt, Sin, Cos) {
  Worst worst;
  for (const float x : samples(inf)) {
    worst.add(x, ulps(TestType::call(x), TestType::truth(static_cast<double>(x))));
  }
  INFO("worst at " << worst.x);
  CHECK(worst.ulps <= 2);
}

TEMPLATE_TEST_CASE("A block of 16 is within 2 ulp of the truth on each instruction set", "", Abs,
                   Exp, Log, Tanh, Erf, Sqrt, Sin, Cos) {
  const std::vector<float> inputs = samples(TestType::limit);
  std::vector<double> truth;
  for (const float x : inputs) truth.push_back(TestType::truth(static_cast<double>(x)));

  const auto check = [&](const char* name, Run run) {
    std::vector<float> values(inputs.size());
    run(inputs.data(), values.data(), inputs.size());
    Worst worst;
    for (std::size_t i = 0; i < inputs.size(); ++i) worst.add(inputs[i], ulps(values[i], truth[i]));
    INFO(name << ", worst at " << worst.x);
    CHECK(worst.ulps <= 2);
  };
  check("baseline", baseline<TestType>);
  if (needle::cpu::isa() >= Isa::avx2) check("avx2", avx2<TestType>);
  if (needle::cpu::isa() >= Isa::avx512) check("avx512", avx512<TestType>);
}

TEMPLATE_TEST_CASE("In double an elementary function is the C library's", "", Abs, Exp, Log, Tanh,
                   Erf, Sqrt, Sin, Cos) {
  for (const double x : {0.0, 0.3, 1.7, 20.0, 1e-300, 1e6}) {
    CHECK(TestType::call(x) == TestType::truth(x));
  }
}

TEST_CASE("Exp, log, tanh and erf end where float ends") {
  CHECK(math::exp(-inf) == 0);
  CHECK(math::exp(0.0f) == 1);
  CHECK(math::exp(88.7228317f) < inf);
  CHECK(math::exp(88.722839f) == inf);
  CHECK(math::exp(-103.0f) == denormal);
  CHECK(math::exp(-104.0f) == 0);
  CHECK(math::log(0.0f) == -inf);
  CHECK(math::log(-0.0f) == -inf);
  CHECK(std::isnan(math::log(-denormal)));
  CHECK(math::log(1.0f) == 0);
  CHECK(math::log(denormal) == -103.278931f);
  CHECK(math::log(inf) == inf);
  CHECK(math::tanh(-inf) == -1);
  CHECK(math::tanh(denormal) == denormal);
  CHECK(math::erf(inf) == 1);
}

TEST_CASE("The root of a square of integers is that integer") {
  for (int k = 0; k <= 4096; ++k) {
    REQUIRE(math::sqrt(static_cast<float>(k * k)) == static_cast<float>(k));
  }
}

TEST_CASE("Pow has every special case of the C library") {
  std::vector<float> values;
  for (const float x :
       {0.0f,   denormal,   0x1p-126f,  0.5f,       0.99999994f, 1.0f,        1.0000001f,
        1.5f,   2.0f,       3.0f,       10.0f,      127.0f,      128.0f,      149.0f,
        150.0f, 4194304.5f, 8388607.0f, 8388608.0f, 8388609.0f,  16777215.0f, 16777216.0f,
        5e9f,   1e20f,      largest,    inf,        not_a_number}) {
    values.insert(values.end(), {x, -x});
  }
  for (const float x : values) {
    for (const float y : values) {
      INFO("pow(" << x << ", " << y << ") = " << math::pow(x, y));
      // Where double underflows or overflows too, only the limit is compared.
      const double error =
          ulps(math::pow(x, y), std::pow(static_cast<double>(x), static_cast<double>(y)));
      if (!(error <= 2)) CHECK(error <= 2);
    }
  }
}

namespace {

NEEDLE_FN void pow_blocks(const float* x, const float* y, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    float z[16];
    for (int j = 0; j < 16; ++j) z[j] = math::pow(x[i + j], y[i + j]);
    for (int j = 0; j < 16; ++j) out[i + j] = z[j];
  }
}
void pow_baseline(const float* x, const float* y, float* out, std::size_t n) {
  pow_blocks(x, y, out, n);
}
NEEDLE_AVX2 void pow_avx2(const float* x, const float* y, float* out, std::size_t n) {
  pow_blocks(x, y, out, n);
}
NEEDLE_AVX512 void pow_avx512(const float* x, const float* y, float* out, std::size_t n) {
  pow_blocks(x, y, out, n);
}

}  // namespace

TEST_CASE("Pow is within 2 ulp of the truth wherever float can hold it") {
  std::vector<float> xs, ys;
  std::uint32_t state = 1;
  const auto next = [&state] { return state = state * 1664525u + 1013904223u; };
  for (int i = 0; i < 200000; ++i) {  // a result between the least denormal and the largest float
    const float x = std::bit_cast<float>(next() & 0x7fffffffu);
    const float exponent = static_cast<float>(next() >> 8) / 16777216.0f * 277.0f - 149.0f;
    const float y = i % 2 == 0 ? exponent / std::log2(x) : std::round(exponent / std::log2(x));
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    xs.push_back(i % 2 == 0 ? x : -x);
    ys.push_back(y);
  }
  xs.resize(xs.size() / 16 * 16);
  ys.resize(xs.size());
  const auto check = [&](const char* name, auto run) {
    std::vector<float> values(xs.size());
    run(xs.data(), ys.data(), values.data(), xs.size());
    Worst worst;
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const double truth = std::pow(static_cast<double>(xs[i]), static_cast<double>(ys[i]));
      worst.add(xs[i], ulps(values[i], truth));
    }
    INFO(name << ", worst at " << worst.x);
    CHECK(worst.ulps <= 2);
  };
  check("baseline", pow_baseline);
  if (needle::cpu::isa() >= Isa::avx2) check("avx2", pow_avx2);
  if (needle::cpu::isa() >= Isa::avx512) check("avx512", pow_avx512);
}

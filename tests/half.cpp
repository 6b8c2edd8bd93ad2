#include "needle/core/half.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "needle/cpu/transfer.hpp"

using namespace needle;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Every number of 16 bits, the middles between neighbours, and what lies next to those.
std::vector<float> edges() {
  std::vector<float> values;
  const auto add = [&](float low, float high) {
    const float middle = low + (high - low) / 2;
    for (const float x :
         {low, std::nextafter(middle, low), middle, std::nextafter(middle, high), high}) {
      values.push_back(x), values.push_back(-x);
    }
  };
  for (std::uint16_t bits = 0; bits < 0x7FFF; ++bits) {
    add(half_to_float(bits), half_to_float(bits + 1));
    add(bfloat16_to_float(bits), bfloat16_to_float(bits + 1));
  }
  values.push_back(65520), values.push_back(std::numeric_limits<float>::max());
  return values;
}

/// Whether a loop gives for every element the bits that the conversion of one gives.
template <class To, class From>
int differences(const std::vector<From>& from, void (*loop)(To*, const From*, std::int64_t)) {
  std::vector<To> to(from.size());
  loop(to.data(), from.data(), static_cast<std::int64_t>(to.size()));
  int different = 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const To one(from[i]);
    different += std::memcmp(&to[i], &one, sizeof one) != 0;
  }
  return different;
}

template <class To, class From>
void check_loops(const std::vector<From>& from) {
  CHECK(differences<To, From>(from, [](To* to, const From* from, std::int64_t n) {
          cpu::convert_loop(to, from, n);
        }) == 0);
  if (cpu::isa() != cpu::Isa::baseline) {
    CHECK(differences<To, From>(from, cpu::convert_avx2<To, From>) == 0);
  }
  CHECK(differences<To, From>(from, cpu::convert_run<To, From>) == 0);
}

}  // namespace

TEST_CASE("known values of the 16-bit formats") {
  CHECK(half_to_float(0x3C00) == 1);
  CHECK(half_to_float(0xC000) == -2);
  CHECK(half_to_float(0x7BFF) == 65504);
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(half_to_float(0x7C00) == infinity);
  CHECK(std::signbit(half_to_float(0x8000)));
  CHECK(bfloat16_to_float(0x3F80) == 1);
  CHECK(bfloat16_to_float(0xFF80) == -infinity);
}

TEST_CASE("every 16-bit number survives the way to float and back") {
  int different = 0;
  for (std::uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float half = half_to_float(bits), brain = bfloat16_to_float(bits);
    different += std::isnan(half) ? !std::isnan(half_to_float(float_to_half(half)))
                                  : float_to_half(half) != bits;
    different += std::isnan(brain) ? !std::isnan(bfloat16_to_float(float_to_bfloat16(brain)))
                                   : float_to_bfloat16(brain) != bits;
  }
  CHECK(different == 0);
}

TEST_CASE("rounding is to the nearest number, and to the even one of two") {
  int wrong = 0;
  for (std::uint16_t bits = 0; bits < 0x7BFF; ++bits) {
    const float low = half_to_float(bits), high = half_to_float(bits + 1),
                middle = (low + high) / 2;
    wrong += float_to_half(middle) != bits + (bits & 1);
    wrong += float_to_half(std::nextafter(middle, low)) != bits;
    wrong += float_to_half(std::nextafter(middle, high)) != bits + 1;
    wrong += float_to_half(-middle) != (0x8000 | (bits + (bits & 1)));
  }
  for (std::uint16_t bits = 0; bits < 0x7F7F; ++bits) {
    const float low = bfloat16_to_float(bits), high = bfloat16_to_float(bits + 1);
    const float middle = low + (high - low) / 2;
    wrong += float_to_bfloat16(middle) != bits + (bits & 1);
    wrong += float_to_bfloat16(std::nextafter(middle, low)) != bits;
    wrong += float_to_bfloat16(std::nextafter(middle, high)) != bits + 1;
  }
  CHECK(wrong == 0);
  CHECK(float_to_half(65519.99f) == 0x7BFF);
  CHECK(float_to_half(65520) == 0x7C00);
  CHECK(float_to_half(-infinity) == 0xFC00);
  CHECK(float_to_half(std::numeric_limits<float>::max()) == 0x7C00);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7F80);
}

TEST_CASE("a double is rounded once") {
  // By way of the nearest float it would be the middle, and then the even neighbour.
  CHECK(float(Float16(1 + 0x1p-11 + 0x1p-40)) == 1 + 0x1p-10f);
  CHECK(float(BFloat16(1 + 0x1p-8 + 0x1p-40)) == 1 + 0x1p-7f);
  int wrong = 0;
  const auto check = [&]<class T>(T, std::uint16_t bits, double low, double high) {
    const double middle = (low + high) / 2;
    wrong += T(middle).bits != bits + (bits & 1);
    wrong += T(std::nextafter(middle, low)).bits != bits;
    wrong += T(std::nextafter(middle, high)).bits != bits + 1;
    wrong += T(-std::nextafter(middle, high)).bits != (0x8000 | (bits + 1));
  };
  for (std::uint16_t bits = 0; bits < 0x7BFF; ++bits) {
    check(Float16{}, bits, half_to_float(bits), half_to_float(bits + 1));
  }
  for (std::uint16_t bits = 0; bits < 0x7F7F; ++bits) {
    check(BFloat16{}, bits, bfloat16_to_float(bits), bfloat16_to_float(bits + 1));
  }
  CHECK(wrong == 0);
  CHECK(Float16(65520.0).bits == 0x7C00);
  CHECK(Float16(std::nextafter(65520.0, 0)).bits == 0x7BFF);
  CHECK(Float16(-1e300).bits == 0xFC00);
  CHECK(Float16(-1e-300).bits == 0x8000);
  CHECK(BFloat16(1e300).bits == 0x7F80);
  CHECK(std::isnan(float(Float16(std::nan("")))));
  CHECK(std::isnan(float(BFloat16(std::nan("")))));
}

TEST_CASE("the vector loops convert every number as one is converted, on each instruction set") {
  std::vector<Float16> halves(0x10000);
  std::vector<BFloat16> brains(0x10000);
  for (std::uint32_t i = 0; i < 0x10000; ++i) {
    halves[i].bits = brains[i].bits = static_cast<std::uint16_t>(i);
  }
  check_loops<float>(halves);
  check_loops<float>(brains);
  const std::vector<float> floats = edges();
  check_loops<Float16>(floats);
  check_loops<BFloat16>(floats);
}

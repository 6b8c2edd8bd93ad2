#include "needle/ops/random.hpp"

#include "check.hpp"

using namespace needle;

namespace {

struct Moments {
  double mean, variance, third, fourth;  // central, the last two of the standardised numbers
};
Moments moments(const List& x) {
  const double n = static_cast<double>(x.size());
  double mean = 0, variance = 0, third = 0, fourth = 0;
  for (const double each : x) mean += each / n;
  for (const double each : x) variance += (each - mean) * (each - mean) / n;
  for (const double each : x) {
    const double z = (each - mean) / std::sqrt(variance);
    third += z * z * z / n;
    fourth += z * z * z * z / n;
  }
  return {mean, variance, third, fourth};
}

constexpr std::int64_t many = 200000;

}  // namespace

DEVICE_TEST_CASE("Distributions have the moments they are named for") {
  Generator generator{42};
  const Moments u = moments(list(rand<D>({many}, -1, 3, generator)));
  CHECK(u.mean == Approx(1).margin(0.01));
  CHECK(u.variance == Approx(16.0 / 12).epsilon(0.01));
  const Moments n = moments(list(randn<D>({many}, 2, 3, generator)));
  CHECK(n.mean == Approx(2).margin(0.03));
  CHECK(n.variance == Approx(9).epsilon(0.01));
  CHECK(n.third == Approx(0).margin(0.02));
  CHECK(n.fourth == Approx(3).epsilon(0.02));
  const Tensor<D> b = randb<D>({many}, 0.3, generator);
  CHECK(b.dtype() == Dtype::uint8);
  CHECK(mean(b).template item<double>() == Approx(0.3).margin(0.005));
  const Tensor<D> i = randint<D>({many}, -2, 3, generator);
  CHECK(i.dtype() == Dtype::int32);
  for (int value = -2; value < 3; ++value) {
    CHECK(mean(i == value).template item<double>() == Approx(0.2).margin(0.005));
  }
}

DEVICE_TEST_CASE("Random numbers stay in their range, ends included and excluded") {
  Generator generator{7};
  for (const double x : list(rand<D>({many}, 1, 2, generator))) {
    if (!(x >= 1 && x < 2)) FAIL_CHECK(x << " is outside of [1, 2)");
  }
  CHECK(sum(randb<D>({1000}, 0, generator)).template item<int>() == 0);
  CHECK(sum(randb<D>({1000}, 1, generator)).template item<int>() == 1000);
  CHECK(list(randint<D>({3}, 5, 6, generator)) == List{5, 5, 5});
  const Tensor<D> whole = randint<D>({many}, INT32_MIN, INT32_MAX, generator);
  CHECK((max)(whole).template item<int>() > 2147000000);
  CHECK((min)(whole).template item<int>() < -2147000000);
  for (const double x : list(randn<D>({many}, 0, 1, generator))) {
    if (!(std::fabs(x) < 6)) FAIL_CHECK(x << " is no normal number");
  }
}

DEVICE_TEST_CASE("A seed gives the same numbers again, another seed or stream others") {
  const auto draw = [](Generator generator) { return list(rand<D>({100}, 0, 1, generator)); };
  CHECK(draw({3, 1}) == draw({3, 1}));
  CHECK(draw({3, 1}) != draw({4, 1}));
  CHECK(draw({3, 1}) != draw({3, 2}));
  manual_seed(9);
  const List first = list(randn<D>({10})), second = list(randn<D>({10}));
  manual_seed(9);
  CHECK(list(randn<D>({10})) == first);
  CHECK(list(randn<D>({10})) == second);
  CHECK(first != second);
}

DEVICE_TEST_CASE(
    "Numbers are fixed when a tensor is built: order and repetition of evaluation do not matter") {
  Generator a{5}, b{5};
  const Tensor<D> x = rand<D>({10}, 0, 1, a), y = rand<D>({10}, 0, 1, a);
  const List late = list(y), early = list(x);
  CHECK(list(rand<D>({10}, 0, 1, b)) == early);
  CHECK(list(rand<D>({10}, 0, 1, b)) == late);
}

DEVICE_TEST_CASE("A saved generator continues where it was") {
  Generator generator{5};
  rand<D>({7}, 0, 1, generator);
  Generator saved = generator;
  CHECK(saved.offset == 8);
  CHECK(list(rand<D>({3}, 0, 1, generator)) == list(rand<D>({3}, 0, 1, saved)));
}

DEVICE_TEST_CASE(
    "Integers, uniform numbers and masks are the same bits on every device, normals nearly") {
  Generator here{11, 3, 6}, there = here;
  CHECK(list(randint<D>({1001}, -9, 1000, here)) ==
        list(randint<Reference>({1001}, -9, 1000, there)));
  for (const double bound : {1.0, 0.1, 1 / 28.0}) {
    CHECK(list(rand<D>({1001}, -bound, bound, here)) ==
          list(rand<Reference>({1001}, -bound, bound, there)));
  }
  CHECK(list(randb<D>({1001}, 0.3, here)) == list(randb<Reference>({1001}, 0.3, there)));
  for (const auto& [mean, deviation] : {std::pair{0.0, 1.0}, {2.0, 3.0}}) {
    const List numbers = list(randn<D>({1001}, mean, deviation, here));
    const List expected = list(randn<Reference>({1001}, mean, deviation, there));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      // Where the sum is small, the number that was added counts.
      const auto size = static_cast<float>((std::fmax)(std::fabs(expected[i]), mean));
      const double ulp = std::nextafter(size, INFINITY) - size;
      REQUIRE(std::fabs(numbers[i] - expected[i]) <= 4 * ulp);
    }
  }
}

#if NEEDLE_X86
TEST_CASE("All distributions are the same bits with the baseline's instructions and with AVX2") {
  if (cpu::isa() == cpu::Isa::baseline) {
    SUCCEED("no AVX2 here");
    return;
  }
  const RandomKey key{11, 3, 0};
  for (const Distribution& d :
       {Distribution{Distribution::uniform, -1, 3}, Distribution{Distribution::uniform, -0.1, 0.1},
        Distribution{Distribution::normal, 2, 3}, Distribution{Distribution::bernoulli, 0.3, 0}}) {
    for (std::uint64_t first = 0; first < 4096; first += cpu::block) {
      float slow[cpu::philox_words], fast[cpu::philox_words];
      cpu::random_baseline(d, key, first, slow);
      cpu::random_avx2(d, key, first, fast);
      REQUIRE(std::equal(slow, std::end(slow), fast));
    }
  }
}
#endif

TEST_CASE("Random numbers do not depend on the number of threads") {
  const int before = num_threads();
  const auto draw = [](int threads) {
    set_num_threads(threads);
    Generator generator{1, 2, 3};
    return randn<Cpu>({300001}, 0, 1, generator).values();
  };
  const std::vector<float> expected = draw(1);
  CHECK((draw(2) == expected));
  CHECK((draw(4) == expected));
  set_num_threads(before);
}

DEVICE_TEST_CASE("Distributions without numbers are refused") {
  CHECK(refusal([] { randb<D>({1}, 1.5); }) ==
        "randb: a probability of 1.5; it must lie in [0, 1]");
  CHECK(refusal([] { randb<D>({1}, NAN); }) ==
        "randb: a probability of nan; it must lie in [0, 1]");
  CHECK(refusal([] { randint<D>({1}, 3, 3); }) == "randint: no whole number in [3, 3)");
  CHECK(refusal([] { rand<D>({1}, 5, 1); }) == "rand: no number in [5, 1)");
  CHECK(refusal([] { rand<D>({1}, NAN, 1); }) == "rand: no number in [nan, 1)");
  CHECK(refusal([] { randn<D>({1}, 0, -1); }) == "randn: a deviation of -1; it must be at least 0");
  CHECK(refusal([] { rand<D>({-1}); }) == "rand: shape (-1,) has a negative size");
}

DEVICE_TEST_CASE("A seed starts the default generator anew, whatever its stream was") {
  const Generator before = default_generator();
  manual_seed(7);
  const List first = list(rand<D>({3}));
  default_generator().stream = 5;
  manual_seed(7);
  CHECK(list(rand<D>({3})) == first);
  default_generator() = before;
}

#include "needle/ops/comparison.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"

using namespace needle;

DEVICE_TEST_CASE("Comparisons give 1 where they hold, in uint8") {
  const Tensor<D> a = {1, 2, 3, NAN}, b = {2, 2, 2, NAN};
  CHECK((a < b).dtype() == Dtype::uint8);
  CHECK(list(a == b) == List{0, 1, 0, 0});
  CHECK(list(a != b) == List{1, 0, 1, 1});
  CHECK(list(a < b) == List{1, 0, 0, 0});
  CHECK(list(a <= b) == List{1, 1, 0, 0});
  CHECK(list(a > b) == List{0, 0, 1, 0});
  CHECK(list(a >= b) == List{0, 1, 1, 0});
}

DEVICE_TEST_CASE("A number may be compared from either side") {
  const Tensor<D> a = {1, 2, 3};
  CHECK(list(a == 2) == List{0, 1, 0});
  CHECK(list(2 == a) == List{0, 1, 0});
  CHECK(list(a != 2) == List{1, 0, 1});
  CHECK(list(2 != a) == List{1, 0, 1});
  CHECK(list(a < 2) == List{1, 0, 0});
  CHECK(list(2 < a) == List{0, 0, 1});
  CHECK(list(a <= 2) == List{1, 1, 0});
  CHECK(list(2 <= a) == List{0, 1, 1});
  CHECK(list(a > 2) == List{0, 0, 1});
  CHECK(list(2 > a) == List{1, 0, 0});
  CHECK(list(a >= 2) == List{0, 1, 1});
  CHECK(list(2 >= a) == List{1, 1, 0});
}

DEVICE_TEST_CASE("Comparisons broadcast over any view") {
  check_op<D>([](auto a, auto b) { return a < b; }, numbers({3, 4}), numbers({4}));
  check_op<D>([](auto a, auto b) { return a >= b; }, numbers({3, 1}), numbers({1, 5}));
  check_op<D>([](auto a, auto b) { return a == b; }, ids({3, 4}, 3), ids({4}, 3));
  check_op<D>([](auto a, auto b) { return a != b; }, mask({3, 4}), ids({3, 1}, 3));
  check_op<D>([](auto a, auto b) { return a <= b; }, numbers({0, 4}), numbers({4}));
}

DEVICE_TEST_CASE("A mask of any length is stored beside the values it was made from") {
  for (const std::int64_t n : {1, 15, 16, 17, 31, 33, 513, 1000, 20011}) {
    const Tensor<D> x = arange<D>(n) - 500, twice = x * 2, at_most = twice <= 20;
    const Tensor<D> odd = cast(arange<D>(n, Dtype::int32) == 7, Dtype::uint8);
    realize(twice, at_most);
    const List mask = list(at_most), values = list(twice), sevens = list(odd);
    for (std::size_t i = 0; i < mask.size(); ++i) {
      const double value = 2 * (static_cast<double>(i) - 500);
      INFO(i << " of " << n);
      REQUIRE((values[i] == value && mask[i] == (value <= 20) && sevens[i] == (i == 7)));
    }
  }
}

DEVICE_TEST_CASE("Integers are compared exactly") {
  const Tensor<D> a = ints<D>({16777216, INT32_MAX, INT32_MIN});
  CHECK(list(a == ints<D>({16777217, INT32_MAX, INT32_MIN})) == List{0, 1, 1});
  CHECK(list(a < 16777217) == List{1, 0, 1});
  CHECK(list(bytes<D>({0, 1, 255}) == ints<D>({256, 1, 255})) == List{0, 1, 1});
  CHECK(list(ints<D>({0, 1}) < 0.5) == List{1, 0});
}

DEVICE_TEST_CASE("Masks are numbers: they add up, multiply and choose") {
  const Tensor<D> x = {-2, -1, 0, 1, 2}, positive = x > 0, even = x * x != 1;
  CHECK(sum(positive).template item<int>() == 2);
  CHECK(list(positive * even) == List{0, 0, 0, 0, 1});
  CHECK(list(maximum(positive, even)) == List{1, 0, 1, 1, 1});
  CHECK(list(1 - positive) == List{1, 1, 1, 0, 0});
  CHECK(list(where(positive, x, even)) == List{1, 0, 1, 1, 2});
  CHECK(list(x * positive) == List{0, 0, 0, 1, 2});
}

DEVICE_TEST_CASE("A gradient goes past a mask, not through it") {
  check_op<D>([](auto x) { return x * (x > 0.1) + (x < 0.1); }, numbers({3, 4}));
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  CHECK_FALSE((x > 1).requires_grad());
}

DEVICE_TEST_CASE("A choice between two numbers is whole if both are, whatever the condition") {
  const Tensor<D> x = {-1, 0, 2};
  CHECK(list(where(x > 0, 1, 0)) == List{0, 0, 1});
  CHECK(where(x > 0, 1, 0).dtype() == Dtype::int32);
  CHECK(list(where(x, INT32_MAX, INT32_MIN)) == List{INT32_MAX, INT32_MIN, INT32_MAX});
  CHECK(list(where(x > 0, 1, 0.5)) == List{0.5, 0.5, 1});
  CHECK(where(x > 0, 1, 0.5).dtype() == real<D>);
}

DEVICE_TEST_CASE("Comparisons of shapes that do not fit are refused by name, in the order given") {
  const Tensor<D> a = zeros<D>({2, 3}), b = zeros<D>({2});
  const std::string why =
      ": shapes (2, 3) and (2,) do not broadcast: 3 against 2; sizes must be equal, or one of "
      "them 1";
  CHECK(refusal([&] { (void)(a == b); }) == "equal" + why);
  CHECK(refusal([&] { (void)(a != b); }) == "not_equal" + why);
  CHECK(refusal([&] { (void)(a < b); }) == "less" + why);
  CHECK(refusal([&] { (void)(a <= b); }) == "less_equal" + why);
  CHECK(refusal([&] { (void)(a > b); }) == "greater" + why);
  CHECK(refusal([&] { (void)(a >= b); }) == "greater_equal" + why);
}

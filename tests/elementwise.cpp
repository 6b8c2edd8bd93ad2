#include "needle/ops/elementwise.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"

using namespace needle;

DEVICE_TEST_CASE("Sums, differences, products and quotients broadcast") {
  check_op<D>([](auto a, auto b) { return a + b; }, numbers({3, 4}), numbers({4}));
  check_op<D>([](auto a, auto b) { return a - b; }, numbers({2, 1, 3}), numbers({4, 1}));
  check_op<D>([](auto a, auto b) { return a * b; }, numbers({3, 1}), numbers({1, 5}));
  check_op<D>([](auto a, auto b) { return a / b; }, numbers({}), positive({2, 3}));
  check_op<D>([](auto a, auto b) { return a * b; }, numbers({0, 3}), numbers({3}));
  check_op<D>([](auto a, auto b) { return a * b; }, numbers({2, 0}), numbers({2, 1}));
  check_op<D>([](auto a, auto b) { return a / b; }, numbers({1, 1}), positive({1}));
}

DEVICE_TEST_CASE("A tensor may stand twice in one op") {
  check_op<D>([](auto a) { return a * a; }, numbers({5}));
  check_op<D>([](auto a) { return a / (a - a * a * a); }, numbers({5}, 2, 3));
}

DEVICE_TEST_CASE("A number may stand on either side") {
  check_op<D>([](auto a) { return (a + 2) * (3 + a); }, numbers({2, 3}));
  check_op<D>([](auto a) { return (a - 0.5) * (2.5f - a); }, numbers({2, 3}));
  check_op<D>([](auto a) { return 2 / a + a / 4; }, positive({2, 3}));
  check_op<D>([](auto a) { return maximum(a, 0.3) * minimum(0.5, a); }, numbers({2, 3}));
  check_op<D>([](auto a) { return maximum(-0.3, a) + minimum(a, 1); }, numbers({2, 3}));
}

DEVICE_TEST_CASE("Functions of one number") {
  check_op<D>([](auto x) { return -x; }, numbers({2, 3}));
  check_op<D>([](auto x) { return abs(x); }, numbers({2, 3}));
  check_op<D>([](auto x) { return sign(x) * x; }, numbers({2, 3}));
  check_op<D>([](auto x) { return exp(x); }, numbers({2, 3}));
  check_op<D>([](auto x) { return log(x); }, positive({2, 3}));
  check_op<D>([](auto x) { return sqrt(x); }, positive({2, 3}));
  check_op<D>([](auto x) { return rsqrt(x); }, positive({2, 3}));
  check_op<D>([](auto x) { return square(x); }, numbers({2, 3}));
}

DEVICE_TEST_CASE("Curves of one number") {
  check_op<D>([](auto x) { return tanh(x); }, numbers({2, 3}));
  check_op<D>([](auto x) { return erf(x); }, numbers({2, 3}));
  check_op<D>([](auto x) { return sin(x); }, numbers({2, 3}, -9, 9));
  check_op<D>([](auto x) { return cos(x); }, numbers({2, 3}, -9, 9));
  check_op<D>([](auto x) { return sigmoid(x); }, numbers({2, 3}, -9, 9));
  check_op<D>([](auto x) { return relu(x); }, numbers({2, 3}));
  check_op<D>([](auto x) { return clamp(x, -0.9, 1.1); }, numbers({3, 4}));
}

DEVICE_TEST_CASE("Powers, of every kind of exponent") {
  check_op<D>([](auto a, auto b) { return pow(a, b); }, positive({3, 1}), numbers({4}));
  check_op<D>([](auto x) { return pow(2, x) + pow(0.5, x); }, numbers({2, 3}));
  for (const double exponent : {0.0, 0.5, 1.0, 2.5, -1.0, -1.5}) {
    check_op<D>([=](auto x) { return pow(x, exponent); }, positive({2, 3}));
  }
  for (const double exponent : {2.0, 3.0, 4.0, 5.0, -2.0}) {
    check_op<D>([=](auto x) { return pow(x, exponent); }, numbers({2, 3}));
  }
}

DEVICE_TEST_CASE("A power of 0 has the gradient of its exponent") {
  const Tensor<D> x = Tensor<D>{0, 0, 0, 0}.requires_grad(true);
  const Tensor<D> exponents = Tensor<D>{0, 1, 2, 3}.requires_grad(true);
  const Tensor<D> y = pow(x, exponents);
  CHECK(list(y) == List{1, 0, 0, 0});
  sum(y).backward();
  CHECK(list(x.grad()) == List{0, 1, 0, 0});
  CHECK(list(exponents.grad()) == List{0, 0, 0, 0});
}

DEVICE_TEST_CASE("A whole power has all derivatives at 0, and one of 0 elsewhere") {
  Tensor<D> x = Tensor<D>{0, 2}.requires_grad(true);
  List at_zero;
  Tensor<D> y = pow(x, 4);
  for (int order = 0; order < 6; ++order, y = grad(sum(y), {x})[0]) at_zero.push_back(list(y)[0]);
  CHECK(at_zero == List{0, 0, 0, 0, 24, 0});
  CHECK(list(grad(sum(grad(sum(pow(x, 0)), {x})[0]), {x})[0]) == List{0, 0});
  const Tensor<D> tiny = Tensor<D>{1e-30}.requires_grad(true);  // whose powers below -1 overflow
  CHECK(list(grad(sum(pow(tiny, 0)), {tiny})[0]) == List{0});
  Tensor<D> line = pow(tiny, Tensor<D>{1});
  List at_tiny;
  for (int order = 0; order < 4; ++order, line = grad(sum(line), {tiny})[0]) {
    at_tiny.push_back(list(line)[0]);
  }
  CHECK(at_tiny == List{list(tiny)[0], 1, 0, 0});
  const Tensor<D> b = Tensor<D>{0, 0}.requires_grad(true);  // d/db d/dx x^b = 1 / x at b = 0
  CHECK(list(grad(sum(grad(sum(pow(x, b)), {x})[0]), {b})[0])[1] == 0.5);
  const Tensor<D> odd = Tensor<D>{1e-39, NAN}.requires_grad(true);  // 1 / x is no number in float
  CHECK(list(grad(sum(pow(odd, b)), {odd})[0]) == List{0, 0});
}

DEVICE_TEST_CASE("The larger and the smaller of two, and which of them, chosen by a condition") {
  check_op<D>([](auto a, auto b) { return maximum(a, b); }, numbers({3, 4}), numbers({4}));
  check_op<D>([](auto a, auto b) { return minimum(a, b); }, numbers({3, 1}), numbers({4}));
  check_op<D>([](auto c, auto a, auto b) { return where(c, a, b); }, mask({3, 4}), numbers({4}),
              numbers({3, 1}));
  check_op<D>([](auto c, auto a) { return where(c, a, 0.5) + where(c, 2, a); }, mask({2, 1}),
              numbers({2, 3}));
  check_op<D>([](auto a, auto b) { return where(a > b, exp(a), b * b); }, numbers({5}),
              numbers({5}));
}

DEVICE_TEST_CASE("Gradients at kinks are PyTorch's") {
  const auto at = [](auto f, typename D::Real where) {
    const Tensor<D> x = Tensor<D>{where}.requires_grad(true);
    sum(f(x)).backward();
    return x.grad().template item<double>();
  };
  CHECK(at([](auto x) { return relu(x); }, 0) == 0);
  CHECK(at([](auto x) { return relu(x); }, -0.0) == 0);
  CHECK(at([](auto x) { return abs(x); }, 0) == 0);
  CHECK(at([](auto x) { return clamp(x, -1, 2); }, -1) == 1);
  CHECK(at([](auto x) { return clamp(x, -1, 2); }, 2) == 1);
  CHECK(at([](auto x) { return clamp(x, -1, 2); }, 2.5) == 0);
  CHECK(at([](auto x) { return maximum(x, 3); }, 3) == 0.5);
  CHECK(at([](auto x) { return minimum(3, x); }, 3) == 0.5);
  CHECK(at([](auto x) { return maximum(x, x); }, 3) == 1);
}

DEVICE_TEST_CASE("A sigmoid and its gradient are numbers far from 0") {
  const Tensor<D> x = Tensor<D>{-1000, -89, 89, 1000}.requires_grad(true);
  const Tensor<D> y = sigmoid(x);
  sum(y).backward();
  CHECK(list(y)[0] == 0);
  CHECK(list(y)[1] == Approx(0).margin(1e-30));
  CHECK(list(y)[2] == 1);
  CHECK(list(y)[3] == 1);
  for (const double g : list(x.grad())) CHECK(g == Approx(0).margin(1e-30));
}

DEVICE_TEST_CASE("NaN goes through maximum, minimum, clamp and relu; where only hides it") {
  const Tensor<D> x = {NAN, 1, NAN}, y = {2, NAN, NAN};
  for (const double each : list(maximum(x, y))) CHECK(std::isnan(each));
  for (const double each : list(minimum(x, y))) CHECK(std::isnan(each));
  CHECK(list(clamp(y, 0, 1))[0] == 1);
  CHECK(std::isnan(list(clamp(y, 0, 1))[1]));
  CHECK(std::isnan(list(relu(x))[0]));
  CHECK(list(where(x == x, x, 7)) == List{7, 1, 7});
}

DEVICE_TEST_CASE("Integers stay integers, wrap around, and are exact") {
  constexpr std::int32_t low = INT32_MIN, high = INT32_MAX;
  const Tensor<D> x = ints<D>({low, -7, 16777217, high});
  const auto result = [](const Tensor<D>& y) {
    CHECK(y.dtype() == Dtype::int32);
    return y.template values<std::int32_t>();
  };
  using Ints = std::vector<std::int32_t>;
  CHECK(result(x + 1) == Ints{low + 1, -6, 16777218, low});
  CHECK(result(x - 1) == Ints{high, -8, 16777216, high - 1});
  CHECK(result(x * 2) == Ints{0, -14, 33554434, -2});
  CHECK(result(-x) == Ints{low, 7, -16777217, -high});
  CHECK(result(abs(x)) == Ints{low, 7, 16777217, high});
  CHECK(result(sign(x)) == Ints{-1, -1, 1, 1});
  CHECK(result(relu(x)) == Ints{0, 0, 16777217, high});
  CHECK(result(maximum(x, -7)) == Ints{-7, -7, 16777217, high});
  CHECK(result(minimum(x, ints<D>({0, 0, 0, 0}))) == Ints{low, -7, 0, 0});
  CHECK(result(where(x > 0, x, -1)) == Ints{-1, -1, 16777217, high});
  CHECK(result(square(x + 0)) == Ints{0, 49, 33554433, 1});
}

DEVICE_TEST_CASE("Large integers pass a choice and a clamp as they are") {
  const Tensor<D> large = ints<D>({16777217, 5, -3}), condition = {1, 0, 0};
  CHECK(list(where(condition, large, ints<D>({1, 2147483646, 2}))) ==
        List{16777217, 2147483646, 2});
  CHECK(list(clamp(large, 0, INT32_MAX)) == List{16777217, 5, 0});
  CHECK(clamp(large, 0, 9).dtype() == Dtype::int32);
  CHECK(clamp(large, 0, 9.5).dtype() == real<D>);
}

DEVICE_TEST_CASE("Integers beside real numbers become real, and a quotient always is") {
  const Tensor<D> real_x = {1}, int_x = ints<D>({7}), byte_x = bytes<D>({200});
  const Dtype real_dtype = real<D>;
  CHECK((int_x + real_x).dtype() == real_dtype);
  CHECK((byte_x * real_x).dtype() == real_dtype);
  CHECK((byte_x + int_x).dtype() == Dtype::int32);
  CHECK((byte_x + byte_x).template item<int>() == 400);
  CHECK((byte_x - 201).template item<int>() == -1);
  CHECK((int_x + 1).dtype() == Dtype::int32);
  CHECK((int_x + 1.0).dtype() == real_dtype);
  CHECK((int_x * 0.5).template item<double>() == 3.5);
  CHECK((int_x / 2).template item<double>() == 3.5);
  CHECK((1 / int_x).dtype() == real_dtype);
  CHECK(exp(int_x).dtype() == real_dtype);
  CHECK(sigmoid(byte_x).dtype() == real_dtype);
  CHECK(where(byte_x, int_x, real_x).dtype() == real_dtype);
  CHECK(where(byte_x, byte_x, byte_x).dtype() == Dtype::int32);
}

DEVICE_TEST_CASE("A power is real whatever its exponent") {
  for (const double exponent : {0.0, 1.0, 2.0, 3.0, 4.0, -1.0}) {
    const Tensor<D> y = pow(ints<D>({100000}), exponent);
    CHECK(y.dtype() == real<D>);
    CHECK(y.template item<double>() == Approx(std::pow(1e5, exponent)));
  }
}

DEVICE_TEST_CASE("Every length is right to its last element") {
  for (const std::int64_t n : {0, 1, 15, 16, 17, 511, 512, 513, 16383, 16385, 140001}) {
    List expected;
    for (std::int64_t i = 0; i < n; ++i) expected.push_back(double(i % 1000) * 0.5 - 3);
    const Tensor<D> x = cast(arange<D>(n, Dtype::int32), real<D>);
    const Tensor<D> y = (x - 1000 * cast(cast(x / 1000, Dtype::int32), real<D>)) * 0.5 - 3;
    INFO(n << " elements");
    CHECK(list(y) == expected);
  }
}

DEVICE_TEST_CASE("Arithmetic that assigns gives a name a new value, and leaves other handles") {
  Tensor<D> x = {1, 2};
  const Tensor<D> before = x;
  x += 1;
  x *= x;
  x -= Tensor<D>{1, 1};
  x /= 2;
  CHECK(list(x) == List{1.5, 4});
  CHECK(list(before) == List{1, 2});
}

DEVICE_TEST_CASE("What does not broadcast is refused with both shapes") {
  const Tensor<D> a = zeros<D>({3, 4}), b = zeros<D>({3});
  CHECK(refusal([&] { a + b; }) ==
        "add: shapes (3, 4) and (3,) do not broadcast: 4 against 3; sizes must be equal, or one of "
        "them 1");
  CHECK(
      refusal([&] { where(a, b, 1.0); }) ==
      "where: shapes (3, 4) and (3,) do not broadcast: 4 against 3; sizes must be equal, or one of "
      "them 1");
  CHECK(refusal([&] {
          maximum(zeros<D>({2, 0}), zeros<D>({2, 3}));
        }) ==
        "maximum: shapes (2, 0) and (2, 3) do not broadcast: 0 against 3; sizes must be equal, or "
        "one of them 1");
  CHECK(refusal([&] {
          zeros<D>({1ll << 40, 1}) + zeros<D>({1, 1ll << 40});
        }) ==
        "add: shape (1099511627776, 1099511627776) has more elements than memory has addresses");
  CHECK(refusal([&] { a + Tensor<D>(); }) ==
        "tensor: it is empty; there is nothing to calculate with");
}

DEVICE_TEST_CASE("A number that an integer type does not hold is refused") {
  const Tensor<D> x = ints<D>({1});
  CHECK(refusal([&] { x + 3000000000u; }) ==
        "constant: 3e+09 does not fit in int32; it holds -2147483648 to 2147483647");
  CHECK(refusal([&] { full<D>({2}, 256, Dtype::uint8); }) ==
        "full: 256 does not fit in uint8; it holds 0 to 255");
  CHECK(refusal([&] { full<D>({2}, NAN, Dtype::int32); }) ==
        "full: nan does not fit in int32; it holds -2147483648 to 2147483647");
}

DEVICE_TEST_CASE("A power of 1 is real too") {
  CHECK(pow(cast(Tensor<D>{1.5}, Dtype::bfloat16), 1).dtype() == real<D>);
}

#include "needle/ops/factory.hpp"

#include "check.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;

DEVICE_TEST_CASE("Constants of any shape and type take the memory of one element") {
  CHECK(list(full<D>({2, 2}, 1.5)) == List{1.5, 1.5, 1.5, 1.5});
  CHECK(list(zeros<D>({3})) == List{0, 0, 0});
  CHECK(list(ones<D>({})) == List{1});
  CHECK(list(zeros<D>({2, 0})).empty());
  CHECK(ones<D>({2}, Dtype::uint8).dtype() == Dtype::uint8);
  const Tensor<D> x = ints<D>({1, 2});
  CHECK(list(zeros_like(x)) == List{0, 0});
  CHECK(ones_like(x).dtype() == Dtype::int32);
  CHECK(full<D>({1 << 20, 1 << 20}, 3).data().storage->bytes == sizeof(typename D::Real));
  CHECK((full<D>({1 << 20, 1 << 20}, 3) * 2)[{5, 7}].shape().size() == 1);
}

DEVICE_TEST_CASE("A constant of an integer dtype is a whole number, however it is read") {
  const Tensor<D> c = full<D>({2}, 2.7, Dtype::int32), mask = full<D>({2}, 0.5, Dtype::uint8);
  CHECK(list(c) == List{2, 2});
  CHECK(list(c * 0.5) == List{1, 1});
  CHECK(list(to_real(c)) == List{2, 2});
  CHECK(mean(c).item() == 2);
  CHECK(list(full<D>({1}, -2.7, Dtype::int32) * 1.0) == List{-2});
  CHECK(list(full<D>({1}, -0.5, Dtype::uint8)) == List{0});
  CHECK(list(full<D>({1}, 255.9, Dtype::uint8)) == List{255});
  CHECK(list(where(mask, ones<D>({2}), 0)) == List{0, 0});
}

DEVICE_TEST_CASE("A constant may be a leaf that is differentiated by") {
  const Tensor<D> x = ones<D>({2, 3}).requires_grad(true);
  sum(x * x * 3).backward();
  CHECK(list(x.grad()) == List(6, 6.0));
}

DEVICE_TEST_CASE("Sequences stop before their end, whatever the step") {
  CHECK(list(arange<D>(4)) == List{0, 1, 2, 3});
  CHECK(list(arange<D>(0)).empty());
  CHECK(list(arange<D>(-3)).empty());
  CHECK(list(arange<D>(2, 5)) == List{2, 3, 4});
  CHECK(list(arange<D>(2.5)) == List{0, 1, 2});
  CHECK(list(arange<D>(1, 2, 0.25)) == List{1, 1.25, 1.5, 1.75});
  CHECK(list(arange<D>(5, 0, -2)) == List{5, 3, 1});
  CHECK(list(arange<D>(5, 0)).empty());
  CHECK(arange<D>(3, Dtype::int32).dtype() == Dtype::int32);
  CHECK(list(arange<D>(250, 255, 1, Dtype::uint8)) == List{250, 251, 252, 253, 254});
}

DEVICE_TEST_CASE("The unit matrix") {
  CHECK(list(eye<D>(2)) == List{1, 0, 0, 1});
  CHECK(list(eye<D>(0)).empty());
  CHECK(refusal([] { eye<D>(-1); }) == "eye: -1 rows and columns; it takes 0 or more");
}

DEVICE_TEST_CASE("Numbers of any type, given as they are") {
  CHECK(list(Tensor<D>{1, 2.5}) == List{1, 2.5});
  CHECK(str(Tensor<D>{{1, 2, 3}, {4, 5, 6}}.shape()) == "(2, 3)");
  CHECK(list(Tensor<D>(std::vector<float>{0.5f, 2}, {2, 1})) == List{0.5, 2});
  CHECK(list(Tensor<D>(std::vector<double>{0.25, 2}, {2})) == List{0.25, 2});
  CHECK(Tensor<D>(std::vector<double>{1}, {}).dtype() == real<D>);
  CHECK(Tensor<D>(std::vector<std::uint8_t>{1, 2}, {2}).dtype() == Dtype::uint8);
  CHECK(ints<D>({7}).template item<float>() == 7);
  CHECK(Tensor<D>{2.75}.template values<std::int32_t>() == std::vector<std::int32_t>{2});
  CHECK(Tensor<D>{2.75}.template item<std::int64_t>() == 2);
  CHECK(ints<D>({3, -4}).template values<long>() == std::vector<long>{3, -4});
  CHECK(bytes<D>({1, 0}).template values<bool>() == std::vector<bool>{true, false});
  // What a type of whole numbers does not hold becomes its nearest number, as in a cast.
  CHECK(Tensor<D>{1e20, -1e20, NAN, 300}.template values<std::int32_t>() ==
        std::vector<std::int32_t>{INT32_MAX, INT32_MIN, 0, 300});
  CHECK(full<D>({}, 1e30).template item<std::int64_t>() == INT64_MAX);
  CHECK(ints<D>({-1, 300}).template values<std::uint8_t>() == std::vector<std::uint8_t>{0, 255});
  CHECK(ints<D>({-1, 300}).template values<std::int8_t>() == std::vector<std::int8_t>{-1, 127});
  CHECK(ints<D>({-1, 300}).template values<std::uint64_t>() == std::vector<std::uint64_t>{0, 300});
}

DEVICE_TEST_CASE("A tensor of one element is a condition, one of several is not") {
  const Tensor<D> x = {1, 2};
  CHECK(mean(x) < 2);
  CHECK_FALSE(static_cast<bool>(mean(x) < 1));
  if (mean(x) == 1.5) SUCCEED();
  else FAIL("1.5 is 1.5");
  CHECK(refusal([&] { (void)static_cast<bool>(x == x); }) ==
        "bool: a tensor of shape (2,) has 2 elements; bool() takes exactly one");
  CHECK(x.defined());
  CHECK_FALSE(Tensor<D>().defined());
  static_assert(!std::is_assignable_v<Tensor<D>, Tensor<D>>, "x[0] = y would change nothing");
}

TEMPLATE_TEST_CASE("Borrowed memory is read where it is, never written, and given back", "", Cpu,
                   Reference) {
  using D = TestType;
  using Real = typename D::Real;
  const std::vector<Real> memory = {1, 2, 3, 4, 5, 6};
  int returned = 0;
  {
    const Tensor<D> x = borrow<D>(memory.data(), {2, 3}, [&] { ++returned; });
    CHECK(x.data().storage->data == memory.data());
    CHECK(list(transpose(x) * 2) == List{2, 8, 4, 10, 6, 12});
    CHECK(list(relu(x - 3)) == List{0, 0, 0, 1, 2, 3});
    const Tensor<D> row = x[1];
    CHECK(returned == 0);
    CHECK(list(row) == List{4, 5, 6});
  }
  CHECK(returned == 1);
  CHECK(memory == std::vector<Real>{1, 2, 3, 4, 5, 6});
  CHECK(list(borrow<D>(std::vector<std::int32_t>{3, 1}.data(), {2}) == 3) == List{1, 0});
}

DEVICE_TEST_CASE("What cannot be made is refused") {
  CHECK(refusal([] { zeros<D>({2, -1}); }) == "zeros: shape (2, -1) has a negative size");
  CHECK(refusal([] {
          ones<D>({1ll << 31, 1ll << 31});
        }) == "ones: shape (2147483648, 2147483648) has more elements than memory has addresses");
  CHECK(refusal([] {
          zeros<D>({0, 1ll << 40, 1ll << 40});
        }) ==
        "zeros: shape (0, 1099511627776, 1099511627776) has more elements than memory has "
        "addresses");
  CHECK(refusal([] { full<D>({-1}, 3); }) == "full: shape (-1,) has a negative size");
  const Dtype other = real<D> == Dtype::float32 ? Dtype::float64 : Dtype::float32;
  CHECK(refusal([&] { zeros<D>({3}, other); }) ==
        text("zeros: device ", D::name, " has no ", other, "; its real numbers are ", real<D>));
  CHECK(refusal([] { full<D>({1}, 300, Dtype::uint8); }) ==
        "full: 300 does not fit in uint8; it holds 0 to 255");
  CHECK(refusal([&] { arange<D>(3, other); }) ==
        text("arange: device ", D::name, " has no ", other, "; its real numbers are ", real<D>));
  CHECK(refusal([] { arange<D>(0, 1, 0); }) == "arange: from 0 to 1 in steps of 0 never ends");
  CHECK(refusal([] { arange<D>(0, INFINITY); }) ==
        "arange: from 0 to inf in steps of 1 never ends");
  CHECK(refusal([] { arange<D>(250, 260, 1, Dtype::uint8); }) ==
        "arange: 259 does not fit in uint8; it holds 0 to 255");
  CHECK(refusal([] { arange<D>(-1, 2, 1, Dtype::uint8); }) ==
        "arange: -1 does not fit in uint8; it holds 0 to 255");
  CHECK(refusal([] {
          Tensor<D>(std::vector<float>{1, 2, 3}, {2, 2});
        }) == "tensor: shape (2, 2) takes 4 values, 3 were given");
  CHECK(refusal([] {
          Tensor<D>{{1, 2}, {3}};
        }) == "tensor: rows of 2 and of 1 numbers; they must be of one length");
  CHECK(refusal([] {
          ones<D>({2, 2}).item();
        }) == "item: a tensor of shape (2, 2) has 4 elements; item() takes exactly one");
  CHECK(refusal([] { ints<D>({1}).requires_grad(true); }) ==
        "requires_grad: a tensor of int32 has no gradient; cast it to a float type");
}

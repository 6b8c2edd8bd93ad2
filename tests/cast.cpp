#include "needle/ops/cast.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"

using namespace needle;

DEVICE_TEST_CASE("Real numbers become integers towards zero, held in the type's range") {
  const Tensor<D> x = {-1e30, -2147483648.0, -300.7, -1.9, -0.5, 0.5, 1.9, 255.9, 300, 1e30};
  CHECK(list(cast(x, Dtype::int32)) ==
        List{INT32_MIN, INT32_MIN, -300, -1, 0, 0, 1, 255, 300, INT32_MAX});
  CHECK(list(cast(x, Dtype::uint8)) == List{0, 0, 0, 0, 0, 0, 1, 255, 255, 255});
  const Tensor<D> odd = {NAN, INFINITY, -INFINITY};
  CHECK(list(cast(odd, Dtype::int32)) == List{0, INT32_MAX, INT32_MIN});
  CHECK(list(cast(odd, Dtype::uint8)) == List{0, 255, 0});
}

DEVICE_TEST_CASE("Integers become bytes held in their range, and real numbers exactly") {
  const Tensor<D> x = ints<D>({-5, 0, 200, 256, 16777216});
  CHECK(list(cast(x, Dtype::uint8)) == List{0, 0, 200, 255, 255});
  CHECK(list(cast(x, real<D>)) == List{-5, 0, 200, 256, 16777216});
  CHECK(cast(x, real<D>).dtype() == real<D>);
  CHECK(list(cast(bytes<D>({0, 255}), Dtype::int32)) == List{0, 255});
  CHECK(list(to_real(bytes<D>({0, 255}))) == List{0, 255});
}

DEVICE_TEST_CASE("A cast to its own type is the tensor itself") {
  const Tensor<D> x = ints<D>({1, 2});
  CHECK(cast(x, Dtype::int32).expression() == x.expression());
}

DEVICE_TEST_CASE("Casts read any view") {
  check_op<D>([](auto x) { return cast(x, Dtype::int32); }, numbers({3, 4}, -9, 9));
  check_op<D>([](auto x) { return cast(x, Dtype::uint8); }, numbers({3, 4}, -9, 9));
  check_op<D>([](auto x) { return to_real(x) * 0.5; }, ids({3, 4}, 100));
  check_op<D>([](auto x) { return to_real(x) * 0.5; }, mask({17, 33}));
  check_op<D>([](auto x, auto y) { return cast(x, Dtype::int32) * y; }, numbers({3, 4}, -9, 9),
              numbers({4}));
}

DEVICE_TEST_CASE(
    "No gradient flows through integers, and what is cast inside of a program is cut") {
  const Tensor<D> x = Tensor<D>{1.5, 2.5}.requires_grad(true);
  CHECK_FALSE(cast(x, Dtype::int32).requires_grad());
  CHECK(list(to_real(cast(x, Dtype::uint8)) + 0.25) == List{1.25, 2.25});
}

TEST_CASE("A device that calculates in another type refuses a float type by name") {
  CHECK(refusal([] { cast(ones<Cpu>({1}), Dtype::float64); }) ==
        "cast: device cpu has no float64; its real numbers are float32");
  CHECK(refusal([] { cast(ones<Reference>({1}), Dtype::float32); }) ==
        "cast: device reference has no float32; its real numbers are float64");
  CHECK(refusal([] { full<Cpu>({1}, 2, Dtype::float64); }) ==
        "full: device cpu has no float64; its real numbers are float32");
}

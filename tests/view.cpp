#include "needle/ops/view.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;

DEVICE_TEST_CASE("Reshape keeps the row-major order, whatever the view it starts from") {
  check_op<D>([](auto x) { return reshape(x, {4, 3}); }, numbers({3, 4}));
  check_op<D>([](auto x) { return reshape(x, {2, -1, 2}); }, numbers({3, 4}));
  check_op<D>([](auto x) { return reshape(x, {6, 1, 4}); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return reshape(transpose(x), {2, 6}); }, numbers({3, 4}));
  check_op<D>([](auto x) { return reshape(x, {}); }, numbers({1, 1}));
  check_op<D>([](auto x) { return reshape(x, {1, 1}); }, numbers({}));
  check_op<D>([](auto x) { return reshape(x, {5, 0}); }, numbers({0, 3}));
  check_op<D>([](auto x) { return reshape(x, {2, 3}); }, ids({6}, 9));
}

DEVICE_TEST_CASE("Permute and transpose put axes into another order") {
  check_op<D>([](auto x) { return permute(x, {2, 0, 1}); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return permute(x, {-1, 0, -2}); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return permute(x, {1, 3, 0, 2}); }, numbers({2, 3, 1, 2}));
  check_op<D>([](auto x) { return transpose(x); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return transpose(x, 0, -1); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return permute(x, {}); }, numbers({}));
  CHECK(list(transpose(Tensor<D>{{1, 2, 3}, {4, 5, 6}})) == List{1, 4, 2, 5, 3, 6});
}

DEVICE_TEST_CASE("Broadcasting repeats, and its gradient adds up") {
  check_op<D>([](auto x) { return broadcast_to(x, {2, 3}); }, numbers({3}));
  check_op<D>([](auto x) { return broadcast_to(x, {2, 3, 4}); }, numbers({3, 1}));
  check_op<D>([](auto x) { return broadcast_to(x, {3, 2}); }, numbers({}));
  check_op<D>([](auto x) { return broadcast_to(x, {0, 3}); }, numbers({1, 3}));
  const Tensor<D> x = broadcast_to(Tensor<D>{1, 2}, {3, 2});
  CHECK(x.data().storage->bytes == 2 * sizeof(typename D::Real));
}

DEVICE_TEST_CASE("Axes of size 1 come and go, and axes are joined") {
  check_op<D>([](auto x) { return squeeze(x); }, numbers({1, 3, 1}));
  check_op<D>([](auto x) { return squeeze(x, -1); }, numbers({1, 3, 1}));
  check_op<D>([](auto x) { return squeeze(x, {0, 2}); }, numbers({1, 3, 1}));
  check_op<D>([](auto x) { return unsqueeze(x, 0); }, numbers({2, 3}));
  check_op<D>([](auto x) { return unsqueeze(x, -1); }, numbers({2, 3}));
  check_op<D>([](auto x) { return flatten(x); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return flatten(x, 1); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return flatten(x); }, numbers({}));
}

DEVICE_TEST_CASE("Views move no element") {
  const Tensor<D> x = reshape(arange<D>(24), {2, 3, 4});
  const void* where = x.data().storage->data;
  for (const Tensor<D>& y :
       {reshape(x, {6, 4}), permute(x, {2, 0, 1}), broadcast_to(x, {5, 2, 3, 4}), unsqueeze(x, 1),
        x[{1, range(0, 3, 2), needle::all}], flip(x),
        reshape(x[{needle::all, needle::all, range(0, std::nullopt, 2)}], {6, 2})}) {
    CHECK(y.data().storage->data == where);
  }
}

DEVICE_TEST_CASE("A view of a view of a view sees the right elements") {
  const Tensor<D> x = reshape(arange<D>(24), {2, 3, 4});
  const Tensor<D> y = flip(transpose(x[{needle::all, range(1, 3), range(3, 0, -2)}]), 0);
  CHECK(str(y.shape()) == "(2, 2, 2)");
  CHECK(list(y) == List{19, 23, 17, 21, 7, 11, 5, 9});
  CHECK(list(reshape(y, {4, 2})[{range(std::nullopt, std::nullopt, -1), 1}]) ==
        List{9, 11, 21, 23});
  CHECK(list(y[1][0]) == List{7, 11});
}

DEVICE_TEST_CASE("A gradient does not flow back through stop_gradient") {
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  CHECK_FALSE(stop_gradient(x * 2).requires_grad());
  sum(x * stop_gradient(x * 3)).backward();
  CHECK(list(x.grad()) == List{3, 6});
}

DEVICE_TEST_CASE("Other shapes are refused with what they would have to be") {
  const Tensor<D> x = zeros<D>({2, 3});
  CHECK(refusal([&] {
          reshape(x, {4, 2});
        }) == "reshape: shape (2, 3) of 6 elements does not fit (4, 2) of 8");
  CHECK(refusal([&] {
          reshape(x, {4, -1});
        }) == "reshape: shape (2, 3) of 6 elements does not fit (4, -1), whose other sizes make 4");
  CHECK(refusal([&] {
          reshape(x, {-1, -1});
        }) == "reshape: shape (-1, -1) leaves two sizes open; one may be -1");
  CHECK(refusal([&] {
          reshape(x, {2, 3, 1, 1, 1, 1, 1, 1, 1});
        }) == "shape: (2, 3, 1, 1, 1, 1, 1, 1, 1) names 9 dimensions; a tensor has at most 8");
  CHECK(refusal([&] { reshape(x, {-2, 3}); }) == "reshape: shape (-2, 3) has a negative size");
  CHECK(refusal([&] {
          reshape(x, {1ll << 32, 1ll << 32});
        }) ==
        "reshape: shape (4294967296, 4294967296) has more elements than memory has addresses");
  CHECK(refusal([&] { permute(x, {0}); }) ==
        "permute: order (0,) names 1 axes, shape (2, 3) has 2");
  CHECK(refusal([&] { permute(x, {1, -1}); }) == "permute: axis 1 is named twice in (1, 1)");
  CHECK(refusal([&] { transpose(x, 0, 2); }) ==
        "transpose: axis 2 of a tensor of 2 dimensions; axes run from -2 to 1");
  CHECK(
      refusal([&] {
        broadcast_to(x, {3, 2});
      }) ==
      "broadcast_to: shapes (2, 3) and (3, 2) do not broadcast: 2 against 3; sizes must be equal, "
      "or one of them 1");
  CHECK(refusal([&] { broadcast_to(x, {3}); }) ==
        "broadcast_to: shape (2, 3) does not broadcast to (3,)");
  CHECK(refusal([&] { squeeze(x, 1); }) == "squeeze: axis 1 of shape (2, 3) has size 3, not 1");
  CHECK(refusal([&] {
          unsqueeze(reshape(x, {1, 1, 1, 1, 1, 1, 2, 3}), 0);
        }) == "unsqueeze: shape (1, 1, 1, 1, 1, 1, 2, 3) has 8 dimensions, the most there are");
}

DEVICE_TEST_CASE("A constant that is a leaf gets its gradient through broadcast_to") {
  Tensor<D> x = full<D>({1}, 2);
  x.requires_grad(true);
  sum(broadcast_to(x, {3})).backward();
  CHECK(list(x.grad()) == List{3});
}

DEVICE_TEST_CASE("No size can be worked out beside a size of 0") {
  CHECK(refusal([] {
          reshape(zeros<D>({0, 3}), {0, -1});
        }) == "reshape: shape (0, 3) of 0 elements does not fit (0, -1), whose other sizes make 0");
}

#include "needle/ops/matmul.hpp"

#include "check.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;

DEVICE_TEST_CASE("Products of matrices and vectors") {
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 3}), numbers({3, 4}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({3}), numbers({3, 4}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 3}), numbers({3}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({3}), numbers({3}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({1, 1}), numbers({1, 1}));
  check_op<D>([](auto a, auto b) { return matmul(transpose(a), b); }, numbers({3, 2}),
              numbers({3, 4}));
  check_op<D>([](auto a, auto b) { return matmul(a, transpose(b)); }, numbers({2, 3}),
              numbers({4, 3}));
  check_op<D>([](auto a) { return matmul(a, a); }, numbers({3, 3}));
}

DEVICE_TEST_CASE("Products of stacks of matrices, which broadcast") {
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 2, 3}), numbers({2, 3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 2, 3}), numbers({3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 3}), numbers({2, 3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 1, 2, 3}),
              numbers({3, 3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({3}), numbers({2, 3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 2, 3}), numbers({3}));
}

DEVICE_TEST_CASE("A product over nothing is 0, and a product without rows is empty") {
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 0}), numbers({0, 3}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({0, 3}), numbers({3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 3}), numbers({3, 0}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({0, 2, 3}), numbers({3, 2}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 2, 0}), numbers({0, 3}));
  check_op<D>([](auto a, auto b) { return matmul(a, b); }, numbers({0}), numbers({0}));
  CHECK(list(matmul(zeros<D>({2, 0}), zeros<D>({0, 3}))) == List(6, 0.0));
}

DEVICE_TEST_CASE("Linear is x W^T + b, with PyTorch's layout of W") {
  check_op<D>([](auto x, auto w, auto b) { return linear(x, w, b); }, numbers({4, 3}),
              numbers({2, 3}), numbers({2}));
  check_op<D>([](auto x, auto w) { return linear(x, w); }, numbers({2, 2, 3}), numbers({2, 3}));
  check_op<D>([](auto x, auto w, auto b) { return linear(x, w, b); }, numbers({3}), numbers({2, 3}),
              numbers({2}));
}

DEVICE_TEST_CASE("Products of every shape near a tile, of any layout, are exact in whole numbers") {
  const auto whole = [](std::int64_t m, std::int64_t n, int k) {
    const Tensor<D> at = arange<D>(m * n, Dtype::int32);
    return reshape(to_real(at * k - cast(at * k / 7, Dtype::int32) * 7), {m, n}) - 3;
  };
  const std::vector<std::array<int, 3>> sizes = {
      {1, 1, 33},   {1, 40, 1},  {33, 1, 17},  {13, 14, 15}, {14, 100, 32},
      {15, 31, 33}, {64, 3, 65}, {29, 70, 97}, {1, 64, 100}, {100, 64, 1}};
  for (const auto& [m, k, n] : sizes) {
    INFO(m << " x " << k << " x " << n);
    const Tensor<D> a = whole(m, k, 3), b = whole(k, n, 5);
    const List x = list(a), y = list(b);
    List expected(static_cast<std::size_t>(m * n));
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        for (int p = 0; p < k; ++p) expected[i * n + j] += x[i * k + p] * y[p * n + j];
      }
    }
    CHECK(list(matmul(a, b)) == expected);
    CHECK(list(transpose(matmul(transpose(b), transpose(a)))) == expected);
    CHECK(list(flip(matmul(flip(a, 0), b), 0)) == expected);
    CHECK(list(matmul(flip(a, 1), flip(b, 0))) == expected);
    CHECK(list(matmul(stack({a, a}), b)[1]) == expected);
    CHECK(list(matmul(broadcast_to(a, {2, m, k}), stack({b * 0, b}))[1]) == expected);
  }
}

DEVICE_TEST_CASE("Products that do not fit are refused with the shapes that came") {
  const Tensor<D> a = zeros<D>({2, 3});
  CHECK(refusal([&] { matmul(a, a); }) ==
        "matmul: shapes (2, 3) and (2, 3): 3 columns against 2 rows; they must be equal");
  CHECK(refusal([&] { matmul(zeros<D>({4}), a); }) ==
        "matmul: shapes (4,) and (2, 3): 4 columns against 2 rows; they must be equal");
  CHECK(refusal([&] { matmul(a, zeros<D>({2})); }) ==
        "matmul: shapes (2, 3) and (2,): 3 columns against 2 rows; they must be equal");
  CHECK(refusal([&] {
          matmul(zeros<D>({5, 2, 3}), a);
        }) == "matmul: shapes (5, 2, 3) and (2, 3): 3 columns against 2 rows; they must be equal");
  CHECK(
      refusal([&] {
        matmul(zeros<D>({2, 1, 3}), zeros<D>({4, 3, 1}));
      }) ==
      "matmul: shapes (2, 1, 3) and (4, 3, 1): the dimensions before the last two, 2 and 4, do not "
      "broadcast");
  CHECK(refusal([&] { matmul(a, zeros<D>({})); }) ==
        "matmul: shapes (2, 3) and (); a scalar has no rows, use *");
  CHECK(refusal([&] {
          matmul(zeros<D>({2, 2}, Dtype::int32), zeros<D>({2, 2}, Dtype::int32));
        }) == "matmul: dtypes int32 and int32; cast both to a float type");
  CHECK(refusal([&] {
          linear(a, zeros<D>({3, 2}));
        }) == "linear: input (2, 3) does not fit weight (3, 2) of (out, in)");
  CHECK(refusal([&] {
          linear(a, zeros<D>({4, 3}), zeros<D>({3}));
        }) == "linear: bias (3,) does not fit weight (4, 3) of (out, in)");
  CHECK(refusal([] {
          linear(ints<D>({1, 2}), zeros<D>({3, 2}));
        }) == "linear: dtypes int32 and " + str(real<D>) + "; cast both to a float type");
}

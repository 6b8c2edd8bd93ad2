#include "needle/ops/loss.hpp"

#include "check.hpp"

using namespace needle;

namespace {

/// Cross entropy of one item by its definition, in double.
double by_definition(const List& logits, std::size_t target) {
  double sum = 0, top = *std::max_element(logits.begin(), logits.end());
  for (const double x : logits) sum += std::exp(x - top);
  return std::log(sum) + top - logits[target];
}

}  // namespace

DEVICE_TEST_CASE("Cross entropy of classes in the second axis, with each reduction") {
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    check_op<D>([=](auto x, auto t) { return cross_entropy(x, t, {.reduction = reduction}); },
                numbers({4, 3}), ids({4}, 3));
    check_op<D>([=](auto x, auto t) { return cross_entropy(x, t, {.reduction = reduction}); },
                numbers({2, 3, 2}), ids({2, 2}, 3));
  }
  check_op<D>([](auto x, auto t) { return cross_entropy(x, t); }, numbers({3}), ids({}, 3));
  check_op<D>([](auto x, auto t) { return cross_entropy(x, t); }, numbers({4, 2}), mask({4}));
}

DEVICE_TEST_CASE("Cross entropy with smoothing, ignored items and weights, alone and together") {
  check_op<D>([](auto x, auto t) { return cross_entropy(x, t, {.label_smoothing = 0.1}); },
              numbers({4, 3}), ids({4}, 3));
  check_op<D>([](auto x, auto t) { return cross_entropy(x, t, {.ignore_index = 1}); },
              numbers({5, 3}), ids({5}, 3));
  check_op<D>(
      [](auto x, auto t, auto w) {
        return cross_entropy(x, t, {.label_smoothing = 0.2, .ignore_index = 0, .weight = w});
      },
      numbers({5, 3}), ids({5}, 3), positive({3}));
  check_op<D>(
      [](auto x, auto t, auto w) {
        return cross_entropy(x, t,
                             {.reduction = Reduction::none, .label_smoothing = 0.3, .weight = w});
      },
      numbers({2, 3, 2}), ids({2, 2}, 3), positive({3}));
}

DEVICE_TEST_CASE("Cross entropy is its definition") {
  const List a = {0.5, -1, 2}, b = {1, 1, 0};
  const Tensor<D> x = {{0.5, -1, 2}, {1, 1, 0}};
  const List losses = list(cross_entropy(x, ints<D>({1, 0}), {.reduction = Reduction::none}));
  CHECK(losses[0] == Approx(by_definition(a, 1)));
  CHECK(losses[1] == Approx(by_definition(b, 0)));
  CHECK(cross_entropy(x, ints<D>({1, 0})).template item<double>() ==
        Approx((by_definition(a, 1) + by_definition(b, 0)) / 2));
}

DEVICE_TEST_CASE("Cross entropy takes the maximum out: large logits are no trouble") {
  const Tensor<D> x = Tensor<D>{{1000, -1000}, {-10000, 10000}}.requires_grad(true);
  const Tensor<D> loss = cross_entropy(x, ints<D>({1, 1}), {.reduction = Reduction::sum});
  CHECK(loss.template item<double>() == 2000);
  loss.backward();
  CHECK(list(x.grad()) == List{1, -1, 0, 0});
}

DEVICE_TEST_CASE("A small loss of large logits has all its digits") {
  for (const double large : {0.0, 1000.0, 1e6}) {
    const Tensor<D> x = large + Tensor<D>{{0, -5, -7}};
    const double loss = cross_entropy(x, ints<D>({0})).template item<double>();
    CHECK(loss == Approx(std::log1p(std::exp(-5.0) + std::exp(-7.0))).epsilon(1e-5));
  }
}

DEVICE_TEST_CASE("What is ignored counts for nothing, even with an infinite loss") {
  const auto x = [] { return Tensor<D>{{-INFINITY, 1}, {2, 3}}.requires_grad(true); };
  const Tensor<D> some = x(), none = x();
  cross_entropy(some, ints<D>({-100, 1}), {.ignore_index = -100}).backward();
  const double p = 1 / (1 + std::exp(1.0));
  CHECK(list(some.grad())[0] == 0);
  CHECK(list(some.grad())[1] == 0);
  CHECK(list(some.grad())[2] == Approx(p));
  CHECK(list(some.grad())[3] == Approx(-p));
  CHECK(std::isnan(
      cross_entropy(none, ints<D>({7, 7}), {.ignore_index = 7}).template item<double>()));
}

DEVICE_TEST_CASE("The mean square distance, with each reduction") {
  check_op<D>([](auto x, auto y) { return mse_loss(x, y); }, numbers({3, 4}), numbers({3, 4}));
  check_op<D>([](auto x, auto y) { return mse_loss(x, y, Reduction::sum); }, numbers({3, 4}),
              numbers({4}));
  check_op<D>([](auto x, auto y) { return mse_loss(x, y, Reduction::none); }, numbers({3}),
              numbers({3}));
}

DEVICE_TEST_CASE("Losses refuse targets that do not fit their logits") {
  const Tensor<D> x = zeros<D>({4, 3});
  CHECK(refusal([&] {
          cross_entropy(x, ints<D>({0, 1, 2}));
        }) == "cross_entropy: logits (4, 3) expect class ids of shape (4,), got (3,)");
  CHECK(refusal([&] { cross_entropy(x, zeros<D>({4})); }) ==
        "cross_entropy: an index of " + str(real<D>) + "; it must be int32 or uint8");
  CHECK(refusal([&] { cross_entropy(zeros<D>({}), zeros<D>({}, Dtype::int32)); }) ==
        "cross_entropy: logits () have no axis of classes");
  CHECK(refusal([] {
          cross_entropy(zeros<D>({2, 0}), ints<D>({0, 0}));
        }) == "cross_entropy: logits (2, 0) of no class");
  CHECK(refusal([&] {
          cross_entropy(x, ints<D>({0, 1, 2, 3})).realize();
        }) == "cross_entropy: index 3 is outside of [0, 3)");
  CHECK(refusal([&] { mse_loss(x, zeros<D>({4})); }) ==
        "mse_loss: shapes (4, 3) and (4,) do not broadcast: 3 against 4; sizes must be equal, or "
        "one of them 1");
  CHECK(refusal([&] {
          cross_entropy(x, ints<D>({0, 1, 2, 0}), {.weight = ones<D>({4})});
        }) == "cross_entropy: weight (4,) for 3 classes");
}

DEVICE_TEST_CASE("What is ignored counts for nothing, whichever of its classes is impossible") {
  const Tensor<D> logits{{-INFINITY, 0}, {0, 0}};
  const Tensor<D> loss = cross_entropy(logits, ints<D>({-100, 1}), {.ignore_index = -100});
  CHECK(loss.item() == Approx(std::log(2)));
}

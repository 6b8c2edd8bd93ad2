#include "needle/ops/reduction.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/random.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;

DEVICE_TEST_CASE("Sums over any axes") {
  for (const Axes& axes :
       {Axes{}, Axes{0}, Axes{1}, Axes{2}, Axes{-1}, Axes{0, 2}, Axes{2, 0}, Axes{0, 1}}) {
    for (const bool keep : {false, true}) {
      check_op<D>([=](auto x) { return sum(x, axes, keep); }, numbers({2, 3, 4}));
    }
  }
}

DEVICE_TEST_CASE("Means over any axes") {
  for (const Axes& axes : {Axes{}, Axes{1}, Axes{-1, 0}}) {
    check_op<D>([=](auto x) { return mean(x, axes); }, numbers({2, 3, 4}));
    check_op<D>([=](auto x) { return mean(x, axes, true); }, numbers({2, 3, 4}));
  }
}

DEVICE_TEST_CASE("Variances over any axes, with any correction") {
  check_op<D>([](auto x) { return var(x); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return var(x, {0, 2}, 0); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return var(x, 1, 1, true); }, numbers({2, 3, 4}));
}

DEVICE_TEST_CASE("Largest and smallest elements over any axes") {
  for (const Axes& axes : {Axes{}, Axes{1}, Axes{-1, 0}}) {
    check_op<D>([=](auto x) { return (max)(x, axes); }, numbers({2, 3, 4}));
    check_op<D>([=](auto x) { return (min)(x, axes, true); }, numbers({2, 3, 4}));
  }
}

DEVICE_TEST_CASE("Logsumexp, softmax and log_softmax over any axis") {
  for (const int axis : {0, 1, -1}) {
    check_op<D>([=](auto x) { return logsumexp(x, axis); }, numbers({2, 3, 4}));
    check_op<D>([=](auto x) { return softmax(x, axis); }, numbers({2, 3, 4}));
    check_op<D>([=](auto x) { return log_softmax(x, axis); }, numbers({2, 3, 4}));
  }
  check_op<D>([](auto x) { return logsumexp(x, {2, 0}, true); }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return logsumexp(x); }, numbers({2, 3, 4}));
}

DEVICE_TEST_CASE("Scalars, sizes of 1 and empty axes reduce too") {
  check_op<D>([](auto x) { return sum(x); }, numbers({}));
  check_op<D>([](auto x) { return (max)(x)*mean(x); }, numbers({}));
  check_op<D>([](auto x) { return sum(x, {0, 2}); }, numbers({1, 3, 1}));
  check_op<D>([](auto x) { return softmax(x); }, numbers({3, 1}));
  check_op<D>([](auto x) { return softmax(x, 0); }, numbers({1, 3, 1}));
  check_op<D>([](auto x) { return softmax(x, 0); }, numbers({3, 0}));
  check_op<D>([](auto x) { return log_softmax(x, 1); }, numbers({0, 3}));
  check_op<D>([](auto x) { return sum(x, 1); }, numbers({3, 0}));
  check_op<D>([](auto x) { return sum(x, 0); }, numbers({3, 0}));
  check_op<D>([](auto x) { return (max)(x, 0); }, numbers({3, 0}));
  CHECK(list(sum(zeros<D>({2, 0}), 1)) == List{0, 0});
  CHECK(std::isnan(mean(zeros<D>({0})).template item<double>()));
  CHECK(std::isnan(var(ones<D>({1})).template item<double>()));
}

DEVICE_TEST_CASE("What is reduced may be a program") {
  check_op<D>([](auto x, auto y) { return sum(exp(x - y) * y, 1); }, numbers({3, 4}), numbers({4}));
  check_op<D>([](auto x, auto y) { return (max)(x * y + 1, 0); }, numbers({3, 1}), numbers({4}));
  check_op<D>([](auto x) { return sum(x * x) / sum(x + 3); }, numbers({3, 4}));
}

DEVICE_TEST_CASE("Ties share the gradient of an extreme evenly") {
  const Tensor<D> x = Tensor<D>{{1, 3, 3}, {2, 2, 2}}.requires_grad(true);
  sum((max)(x, 1)).backward();
  const double third = static_cast<typename D::Real>(1.0 / 3);
  CHECK(list(x.grad()) == List{0, 0.5, 0.5, third, third, third});
}

DEVICE_TEST_CASE("The first of several extremes has the position") {
  const Tensor<D> x = {{3, 7, 7, 1}, {2, 2, 2, 2}, {-1, -9, 4, -9}};
  CHECK(list(argmax(x, 1)) == List{1, 0, 2});
  CHECK(list(argmin(x, 1)) == List{3, 0, 1});
  CHECK(list(argmax(x, 0)) == List{0, 0, 0, 1});
  CHECK(list(argmax(x)) == List{1});
  CHECK(list(argmin(x)) == List{9});
  CHECK(str(argmax(x, -1, true).shape()) == "(3, 1)");
  CHECK(argmax(x).dtype() == Dtype::int32);
  CHECK(list(argmax(ints<D>({4, 9, 9}), 0)) == List{1});
  CHECK(list(argmin(bytes<D>({4, 0, 0}))) == List{1});
  CHECK_FALSE(argmax(Tensor<D>{1, 2}.requires_grad(true)).requires_grad());
  check_op<D>([](auto a) { return argmax(a, 1); }, numbers({3, 5, 2}));
  check_op<D>([](auto a) { return argmin(a, 0); }, ids({5, 3}, 3));
}

DEVICE_TEST_CASE("Positions that int32 does not hold are refused before any is searched") {
  const Tensor<D> x = broadcast_to(ones<D>({1}), {std::int64_t{1} << 31});
  CHECK(refusal([&] { argmax(x, 0); }) ==
        "argmax: axis 0 of shape (2147483648,) has positions beyond int32");
  CHECK(refusal([&] {
          argmin(reshape(x, {2, -1}));
        }) == "argmin: axis 0 of shape (2147483648,) has positions beyond int32");
  CHECK(argmax(x[{range(0, INT32_MAX)}], 0).shape() == Shape{});
}

DEVICE_TEST_CASE("NaN is the extreme wherever it stands, and the first one has the position") {
  for (const std::int64_t n : {3, 40, 700}) {
    for (const std::int64_t at : {std::int64_t{0}, n / 2, n - 1}) {
      const Tensor<D> x = where(arange<D>(n) == static_cast<int>(at), NAN, arange<D>(n));
      INFO("NaN at " << at << " of " << n);
      CHECK(std::isnan((max)(x).template item<double>()));
      CHECK(std::isnan((min)(x).template item<double>()));
      CHECK(argmax(x).template item<int>() == at);
      CHECK(argmin(x).template item<int>() == at);
      CHECK(std::isnan(sum(x).template item<double>()));
    }
  }
}

DEVICE_TEST_CASE("Infinities reduce as numbers do") {
  const Tensor<D> x = {{-INFINITY, 1}, {INFINITY, 1}, {-INFINITY, -INFINITY}};
  CHECK(list((max)(x, 1)) == List{1, INFINITY, -INFINITY});
  CHECK(list((min)(x, 1)) == List{-INFINITY, 1, -INFINITY});
  CHECK(list(logsumexp(x, 1)) == List{1, INFINITY, -INFINITY});
  CHECK(list(softmax(x, 1))[0] == 0);
  CHECK(list(softmax(x, 1))[1] == 1);
  CHECK(list(log_softmax(x, 1))[0] == -INFINITY);
  CHECK(list(log_softmax(x, 1))[1] == 0);
}

DEVICE_TEST_CASE("NaN, infinity or nothing but -infinity make all of a softmax NaN") {
  for (const std::int64_t n : {3, 20, 113, 700, 40000}) {
    for (const std::int64_t at : {std::int64_t{0}, n - 1}) {
      const Tensor<D> here = arange<D>(n) == static_cast<int>(at), zero = zeros<D>({n});
      const Tensor<D> x =
          stack({where(here, NAN, zero), where(here, INFINITY, zero), zero - INFINITY,
                 where(here, zero, -INFINITY), where(here, -INFINITY, zero)});
      INFO("at " << at << " of " << n);
      for (const bool log : {false, true}) {
        const auto of = [&](const Tensor<D>& y, int axis) {
          return log ? log_softmax(y, axis) : softmax(y, axis);
        };
        const List y = list(of(x, 1)), columns = list(transpose(of(transpose(x).detach(), 0)));
        const auto row = [&](std::int64_t i) { return y.begin() + i * n; };
        const auto is_nan = [](double v) { return std::isnan(v); };
        CHECK(std::all_of(row(0), row(3), is_nan));
        CHECK(std::none_of(row(3), row(5), is_nan));
        CHECK(row(3)[at] == (log ? 0 : 1));
        CHECK(row(3)[at == 0 ? 1 : 0] == (log ? -INFINITY : 0));
        CHECK(row(4)[at] == (log ? -INFINITY : 0));
        CHECK(std::all_of(columns.begin(), columns.begin() + 3 * n, is_nan));
        CHECK(std::equal(row(3), row(5), columns.begin() + 3 * n));
      }
    }
  }
}

DEVICE_TEST_CASE("A softmax is one op") {
  const Tensor<D> x{1, 2, 3};
  CHECK(softmax(x).op() == "softmax");
  CHECK(log_softmax(x).op() == "log_softmax");
  CHECK(log_softmax(x).inputs().size() == 1);
}

DEVICE_TEST_CASE("A softmax of integers is one of the same real numbers") {
  for (const Tensor<D>& x : {ints<D>({-2, 0, 3, 3}), bytes<D>({0, 200, 199, 7})}) {
    CHECK(list(softmax(x)) == list(softmax(to_real(x))));
    CHECK(list(log_softmax(x, 0)) == list(log_softmax(to_real(x), 0)));
    CHECK(log_softmax(x).dtype() == real<D>);
  }
}

DEVICE_TEST_CASE("Softmax and its relatives are exact for logits of any size") {
  const Tensor<D> x = Tensor<D>{{1000, 1000}, {-1000, -1001}, {10000, -10000}}.requires_grad(true);
  const Tensor<D> lse = logsumexp(x, 1), p = softmax(x, 1), log_p = log_softmax(x, 1);
  const double two = std::log(2.0), less = std::log1p(std::exp(-1.0));
  CHECK(list(lse)[0] == Approx(1000 + two));
  CHECK(list(lse)[1] == Approx(-1000 + less));
  CHECK(list(lse)[2] == Approx(10000));
  CHECK(list(p)[0] == 0.5);
  CHECK(list(p)[4] == 1);
  CHECK(list(log_p)[1] == Approx(-two).epsilon(1e-7));
  CHECK(list(log_p)[5] == -20000);
  sum(lse).backward();
  CHECK(list(x.grad())[0] == Approx(0.5));
  CHECK(list(x.grad())[5] == 0);
}

DEVICE_TEST_CASE("Integers add up in 64 bits to an int32, which must hold the sum") {
  const Tensor<D> x = ints<D>({INT32_MAX, INT32_MAX, -INT32_MAX, -5});
  CHECK(sum(x).dtype() == Dtype::int32);
  CHECK(sum(x).template item<int>() == INT32_MAX - 5);
  CHECK((max)(x).template item<int>() == INT32_MAX);
  CHECK((min)(x).template item<int>() == -INT32_MAX);
  CHECK(sum(full<D>({1000}, 255, Dtype::uint8)).template item<int>() == 255000);
  CHECK(mean(ints<D>({1, 2})).template item<double>() == 1.5);
  CHECK(softmax(ints<D>({1, 1})).dtype() == real<D>);
  CHECK(refusal([] {
          sum(ints<D>({INT32_MAX, 1})).realize();
        }) == "sum: the result 2147483648 does not fit in int32; cast to a float type first");
}

DEVICE_TEST_CASE("A refused sum is refused again, and its source still has its values") {
  const Tensor<D> x = ints<D>({INT32_MAX, 1}), y = x + 0, s = sum(y);
  const std::string first = refusal([&] { s.realize(); });
  CHECK(refusal([&] { s.realize(); }) == first);
  CHECK(list(y) == List{INT32_MAX, 1});
}

DEVICE_TEST_CASE("Reductions refuse axes that are not there, twice there, or empty") {
  const Tensor<D> x = zeros<D>({2, 0, 3});
  CHECK(refusal([&] { sum(x, 3); }) ==
        "sum: axis 3 of a tensor of 3 dimensions; axes run from -3 to 2");
  CHECK(refusal([&] { mean(x, {0, -3}); }) == "mean: axis -3 is named twice in (0, -3)");
  CHECK(refusal([&] { (max)(x, 1); }) ==
        "max: axis 1 of shape (2, 0, 3) is empty; it takes at least one element");
  CHECK(refusal([&] { argmin(x, 1); }) ==
        "argmin: axis 1 of shape (2, 0, 3) is empty; it takes at least one element");
  CHECK(refusal([&] { argmax(sum(x), 0); }) == "argmax: axis 0, but a scalar has no axes");
  CHECK(refusal([&] { softmax(x, 1); }) ==
        "softmax: axis 1 of shape (2, 0, 3) is empty; it takes at least one element");
  CHECK(refusal([&] { softmax(sum(x)); }) == "softmax: axis -1, but a scalar has no axes");
  CHECK(refusal([&] { log_softmax(x, -4); }) ==
        "log_softmax: axis -4 of a tensor of 3 dimensions; axes run from -3 to 2");
  CHECK(refusal([&] { log_softmax(x, 1); }) ==
        "log_softmax: axis 1 of shape (2, 0, 3) is empty; it takes at least one element");
}

DEVICE_TEST_CASE("Variance with a correction beyond n; logsumexp of nothing") {
  CHECK(list(var(Tensor<D>{1, 3}, {}, 3)) == List{INFINITY});
  CHECK(refusal([] { logsumexp(zeros<D>({0})); }) ==
        "logsumexp: axis 0 of shape (0,) is empty; it takes at least one element");
}

DEVICE_TEST_CASE("The first of several NaN is the extreme") {
  for (std::int64_t n : {3, 100, 1000}) {
    Tensor<D> x = put(zeros<D>({n}), {range(1, {})}, NAN);
    CHECK(argmax(x).item() == 1);
    CHECK(argmin(x).item() == 1);
    CHECK(list(argmax(broadcast_to(unsqueeze(x, 1), {n, 2}) + 0, 0)) == List{1, 1});
  }
}

DEVICE_TEST_CASE("A sum below the range of int32 is refused") {
  CHECK(refusal([] {
          sum(ints<D>({INT32_MIN, -1})).item();
        }) == "sum: the result -2147483649 does not fit in int32; cast to a float type first");
}

DEVICE_TEST_CASE("Extremes along a middle axis are found before a long last one") {
  const Shape shape{3, 5, 300};
  Generator generator{.seed = 1};
  const std::vector<float> values = rand<Cpu>(shape, 0, 1, generator).values<float>();
  CHECK(list(argmax(Tensor<D>(values, shape), 1)) ==
        list(argmax(Tensor<Reference>(values, shape), 1)));
  CHECK(list(argmin(Tensor<D>(values, shape), 1)) ==
        list(argmin(Tensor<Reference>(values, shape), 1)));
}

// An evaluation that fails leaves everything usable.

#include "allocations.hpp"
#include "check.hpp"
#include "fragile.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/adam.hpp"

using namespace needle;

namespace {

/// Has no gradient.
struct OneWay {
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    return x;
  }
};

/// Fails when it is differentiated.
struct Slippery {
  static constexpr unsigned reads = reads_nothing;
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    return x;
  }
  static auto gradient(const auto& g, const auto&, const auto&) {
    fail("slippery: no hold");
    return std::array{g};
  }
};

/// Evaluates a tensor that it holds.
template <Device D>
struct Scaled {
  Tensor<D> by;
  static constexpr unsigned reads = reads_nothing;
  static Shape shape(const Shape& x) { return x; }
  Array<D> compute(const Array<D>& x) const { return (Tensor<D>(x) * by.item()).data(); }
};

}  // namespace

DEVICE_TEST_CASE("An op that evaluates what its caller waits for is refused, any other may") {
  const auto overlapping = [] {
    const Tensor<D> x = randn<D>({4}).realize();
    const Tensor<D> h = relu(x * x + 1), y = apply(Scaled<D>{sum(h)}, x + 1);
    (h + y).realize();  // h is calculated with the sum, after y
  };
  CHECK(refusal(overlapping) ==
        "realize: relu is being evaluated already, by another thread or by an op whose compute "
        "wants it; realize() what threads share, and pass an op what it reads");
  const Tensor<D> other = full<D>({}, 3);
  CHECK(list(apply(Scaled<D>{exp(log(other))}, Tensor<D>{1, 2}))[1] == Approx(6));
}

DEVICE_TEST_CASE("What was evaluated before a failure forgets its history") {
  Tensor<D> x = randn<D>({1000}).realize();
  const std::size_t bytes = memory_stats<D>().live;
  for (int i = 0; i < 20; ++i) {
    x = x + 1;
    const Tensor<D> bad = gather(x, 0, full<D>({1}, 1000, Dtype::int32));
    CHECK_THROWS_AS(realize(x, bad), Error);
    CHECK(x.inputs().empty());
  }
  CHECK(memory_stats<D>().live <= bytes + 1024);
}

DEVICE_TEST_CASE(
    "What failed can be evaluated again, and what it shared with others is theirs still") {
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  const Tensor<D> shared = exp(x) * 2, fragile = apply(Fragile{}, shared + 1),
                  end = sum(fragile * shared);
  const Tensor<D> other = sum(shared);
  {
    const Broken broken;
    CHECK_THROWS_WITH(end.item(), "the sensor is off");
    CHECK_THROWS_WITH(end.backward(), "the sensor is off");
    CHECK_THROWS_AS(realize(other, end), std::runtime_error);
  }
  const double a = 2 * std::exp(1.0), b = 2 * std::exp(2.0);
  CHECK(other.template item<double>() == Approx(a + b));
  CHECK(end.template item<double>() == Approx(a * (a + 1) + b * (b + 1)));
  {
    const Broken broken;
    CHECK_THROWS_WITH(end.backward(), "the sensor is off");  // this time in the gradient
    CHECK(!x.grad().defined());
  }
  end.backward();
  check::compare("gradient", list(x.grad()), {a * (2 * a + 1), b * (2 * b + 1)}, 1e-6);
}

DEVICE_TEST_CASE("An index out of range deep in a graph is refused, and nothing is left behind") {
  const Tensor<D> table = Tensor<D>{{1, 2}, {3, 4}}.requires_grad(true);
  const std::size_t bytes = memory_stats<D>().live;
  const long objects = live_allocations();
  for (int i = 0; i < 3; ++i) {
    Tensor<D> y = index_select(exp(table), 0, ints<D>({1, 7, 0}));
    for (int k = 0; k < 10; ++k) y = y * 2 + y;
    const Tensor<D> loss = sum(y);
    const std::string said = refusal([&] { loss.backward(); });
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("index_select") &&
                         Catch::Matchers::ContainsSubstring("7"));
    CHECK(refusal([&] { loss.item(); }) == said);
  }
  CHECK(memory_stats<D>().live == bytes);
  CHECK(live_allocations() <= objects + 4);
  CHECK(!table.grad().defined());
  CHECK(sum(index_select(table, 0, ints<D>({1, 1}))).item() == 14);
}

DEVICE_TEST_CASE("A batch with a wrong label changes nothing in a model that trains") {
  const auto train = [](bool with_bad_batch) {
    manual_seed(9);
    std::tuple model(nn::Linear<D>{3, 4}, nn::BatchNorm1d<D>{4}, nn::Linear<D>{4, 2});
    optim::Adam<D> adam(nn::parameters<D>(model), {.lr = 0.1});
    const Tensor<D> x = randn<D>({5, 3}).realize();
    const auto loss_of = [&](const Tensor<D>& y) {
      const auto& [first, norm, last] = model;
      return cross_entropy(last(relu(norm(first(x)))), y);
    };
    const auto step = [&](const Tensor<D>& y) {
      const Tensor<D> loss = loss_of(y);
      loss.backward();
      adam.step();
      adam.zero_grad();
    };
    step(ints<D>({0, 1, 0, 1, 0}));
    if (with_bad_batch) CHECK_THROWS_AS(step(ints<D>({0, 1, 0, 2, 0})), Error);
    step(ints<D>({1, 1, 0, 1, 0}));
    std::vector<List> values;
    for (const auto& cell : nn::parameters<D>(model)) values.push_back(list(cell->value));
    return values;
  };
  CHECK(train(true) == train(false));
}

DEVICE_TEST_CASE(
    "An op without a gradient, or one that fails, is named and leaves the graph whole") {
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  const Tensor<D> square = x * x, loss = sum(apply(OneWay{}, square)),
                  bad = sum(apply(Slippery{}, square));
  CHECK(refusal([&] { loss.backward(); }) == "backward: one_way has no gradient");
  CHECK(refusal([&] { bad.backward(); }) == "slippery: no hold");
  CHECK(refusal([&] { grad(bad, {x}); }) == "slippery: no hold");
  CHECK(loss.item() == 5);
  CHECK(bad.item() == 5);
  CHECK(!x.grad().defined());
  sum(square).backward();
  CHECK(list(x.grad()) == List{2, 4});
}

DEVICE_TEST_CASE("A failure inside of a queue of assignments leaves the other buffers right") {
  const nn::Buffer<D> good(Tensor<D>{1}), bad(Tensor<D>{1});
  const Tensor<D> y = Tensor<D>{1} * 3;
  {
    const Broken broken;
    bad.assign(apply(Fragile{}, *bad + 1));
    good.assign(*good + 1);
    CHECK_THROWS_AS(y.item(), std::runtime_error);
  }
  CHECK(y.item() == 3);
  CHECK(list(*good) == List{2});
  CHECK(list(*bad) == List{1});  // the failure came out once
}

DEVICE_TEST_CASE("An assignment to a buffer that is gone is not calculated") {
  {
    const nn::Buffer<D> buffer(Tensor<D>{1});
    buffer.assign(apply(Fragile{}, *buffer + 1));
  }
  const Broken broken;
  CHECK((Tensor<D>{1} * 3).item() == 3);
}

DEVICE_TEST_CASE("After a batch that cannot be calculated, batch norm learns from the next one") {
  nn::BatchNorm1d<D> norm{2};
  const Tensor<D> table{{1, 2}, {3, 4}, {5, 6}};
  const auto forward = [&](int id) { return norm(index_select(table, 0, ints<D>({0, id, 2}))); };
  forward(1).realize();
  const List expected = list(*norm.running_mean);
  CHECK(refusal([&] { forward(7).realize(); }) == "index_select: index 7 is outside of [0, 3)");
  CHECK(list(*norm.running_mean) == expected);
  forward(7);  // and is never asked for
  CHECK(refusal([&] { ones<D>({1}).realize(), sum(table * 2).item(); }) ==
        "index_select: index 7 is outside of [0, 3)");
  CHECK(list(*norm.running_mean) == expected);
  forward(1).realize();
  nn::eval<D>(norm);
  check::compare("mean", list(*norm.running_mean), {3 * 0.19, 4 * 0.19}, 1e-6);
  CHECK(forward(1).shape() == Shape{3, 2});
}

DEVICE_TEST_CASE("An op that fails in eager mode fails where it is written") {
  const Setting eager(settings.eager, true);
  const Tensor<D> x{1, 2};
  const Broken broken;
  CHECK_THROWS_WITH(apply(Fragile{}, x + 1), "the sensor is off");
}

DEVICE_TEST_CASE(
    "The check for NaN stops at the op that made the first one, each time it is asked") {
  const Setting check(settings.check_nan, true);
  const Tensor<D> x{-1, 2};
  const Tensor<D> y = sum(exp(log(x) * 2) + 1);
  for (int i = 0; i < 2; ++i) {
    CHECK_THAT(
        refusal([&] { y.item(); }),
        Catch::Matchers::StartsWith("log: made ") &&
            Catch::Matchers::ContainsSubstring(" in its result of shape (2,); it is the first op "
                                               "that did (NEEDLE_CHECK_NAN)"));
  }
  CHECK_THAT(refusal([&] { matmul(1 / (x + 1), x).item(); }),
             Catch::Matchers::StartsWith("divide: made inf in its result of shape (2,)"));
  CHECK(list(sqrt(x + 1)) == List{0, std::sqrt(typename D::Real(3))});
}

DEVICE_TEST_CASE(
    "Without the check NaN travels, and the check finds it in what is calculated later") {
  const Tensor<D> x{-1, 2};
  const Tensor<D> y = log(x);
  CHECK(std::isnan(list(y)[0]));
  const Setting check(settings.check_nan, true);
  CHECK_THAT(refusal([&] { (y + 1).values(); }),
             Catch::Matchers::StartsWith("add: its input 0, a log of shape (2,), holds ") &&
                 Catch::Matchers::EndsWith("nan already (NEEDLE_CHECK_NAN)"));
  const Tensor<D> data{1, INFINITY};
  CHECK(refusal([&] { sum(2 * data).item(); }) ==
        "multiply: its input 1, a leaf of shape (2,), holds inf already (NEEDLE_CHECK_NAN)");
}

DEVICE_TEST_CASE("The check for NaN looks at reductions") {
  const Setting check(settings.check_nan, true);
  const auto most = std::numeric_limits<typename D::Real>::max();
  CHECK(refusal([&] {
          sum(Tensor<D>{most, most}).item();
        }) ==
        "sum: made inf in its result of shape (); it is the first op that did (NEEDLE_CHECK_NAN)");
}

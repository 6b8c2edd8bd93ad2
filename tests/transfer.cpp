#include "needle/ops/transfer.hpp"

#include "check.hpp"
#include "counting_device.hpp"
#include "fragile.hpp"
#include "needle/ops/cast.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/matmul.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;
using Catch::Matchers::ContainsSubstring;
using counting::counts;

namespace {

/// Another device with the arithmetic of D, so that derivatives are as exact as on D alone.
template <Device D>
using Twin = counting::On<std::conditional_t<std::is_same_v<D, Reference>, Reference, Cpu>>;
/// Another device of the library; its element types differ from those of D.
template <Device D>
using Other = std::conditional_t<std::is_same_v<D, Reference>, Cpu, Reference>;

/// x on the twin of its device.
template <Device D>
Tensor<Twin<D>> away(const Tensor<D>& x) {
  return x.template to<Twin<D>>();
}

}  // namespace

DEVICE_TEST_CASE("Values of any view and element type move to another device") {
  const Tensor<D> x{{1, 2, 3}, {4, 5, 6}};
  CHECK(x.template to<Other<D>>().dtype() == real<Other<D>>);
  CHECK(list(x.template to<Other<D>>()) == List{1, 2, 3, 4, 5, 6});
  CHECK(list(transpose(x).template to<Other<D>>()) == List{1, 4, 2, 5, 3, 6});
  CHECK(list((x * 2)[{ellipsis, range({}, {}, -2)}].template to<Other<D>>()) == List{6, 2, 12, 8});
  CHECK(list(broadcast_to(Tensor<D>{7}, {2, 2}).template to<Other<D>>()) == List{7, 7, 7, 7});
  CHECK(str(x[{range(0, 0)}].template to<Other<D>>().shape()) == "(0, 3)");
  CHECK(ints<D>({3, -4}).template to<Other<D>>().dtype() == Dtype::int32);
  CHECK(list(bytes<D>({200}).template to<Other<D>>()) == List{200});
  CHECK(x.template to<D>().expression() == x.expression());
}

DEVICE_TEST_CASE("Derivatives of every order take the way through another device and back") {
  check_op<D>([](auto x) { return away(x).template to<typename decltype(x)::device>(); },
              numbers({3, 4}));
  check_op<D>(
      [](auto x,
         auto w) {  // x on both sides, and the other device's part is no function of x alone
        using E = typename decltype(x)::device;
        return matmul(sin(matmul(away(x), away(w * x))).template to<E>(), x) + x * w;
      },
      numbers({3, 3}), numbers({3, 3}));
  check_op<D>(
      [](auto x) {
        using E = typename decltype(x)::device;
        auto y = x;
        for (int i = 0; i < 3; ++i) y = tanh(away(y * x) * 2).template to<E>() + y;
        return y;
      },
      numbers({5}));
  check_op<D>(
      [](auto x) {
        using E = typename decltype(x)::device;
        return checkpoint(
            [](const auto& in) { return sin(exp(away(sin(in))).template to<E>()) * in; }, x);
      },
      numbers({4}));
}

DEVICE_TEST_CASE("Gradients of views come back into place from another device") {
  check_op<D>(
      [](auto x) {
        using E = typename decltype(x)::device;
        const auto y = transpose(away(transpose(x))) * away(flip(x)) * away(x[0]);
        return y.template to<E>()[{ellipsis, range({}, {}, -2)}];
      },
      numbers({3, 4}));
  check_op<D>(
      [](auto x) {
        using E = typename decltype(x)::device;
        const auto y = away(broadcast_to(x, {2, 3, 4})) + away(x);
        return (y * y).template to<E>();
      },
      numbers({3, 1}));
  check_op<D>([](auto x) { return exp(away(x)).template to<typename decltype(x)::device>(); },
              numbers({2, 0}));
}

DEVICE_TEST_CASE("Backward reaches leaves on both devices") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const auto w = variable(Tensor<Other<D>>{3, 4});
  const auto y = x.template to<Other<D>>() * w;
  CHECK(y.requires_grad());
  CHECK(y.inputs()[0].op() == "to");
  const Tensor<D> loss = sum(y.template to<D>() * x);  // w x^2
  CHECK(loss.item() == 19);
  loss.backward();
  CHECK(list(x.grad()) == List{6, 16});
  CHECK(x.grad().dtype() == real<D>);
  CHECK(list(w.grad()) == List{1, 4});
  CHECK(w.grad().dtype() == real<Other<D>>);
  CHECK(!w.grad().requires_grad());
  sum(x).template to<Other<D>>().backward();  // adds
  CHECK(list(x.grad()) == List{7, 17});
  CHECK(list(w.grad()) == List{1, 4});
}

DEVICE_TEST_CASE("Two crossings of one trunk add up, also for two losses") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> trunk = x * x * x;
  const auto once = trunk.template to<Other<D>>(), twice = (trunk * 2).template to<Other<D>>();
  backward<Other<D>>({sum(once * twice), sum(once)});  // 2 x^6 + x^3
  CHECK(list(x.grad()) == List{15, 12 * 32 + 12});
}

DEVICE_TEST_CASE("grad() takes targets on any device, and what it gives is differentiated again") {
  using E = Other<D>;
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<E> w = variable(Tensor<E>{3, 5});
  const Tensor<E> moved = x.template to<E>(), y = sum(moved * moved * moved * w * w);  // x^3 w^2
  const Tensor<D> dx = grad(y, std::vector{x})[0];
  const Tensor<E> dw = grad(y, {w})[0];
  CHECK(list(dx) == List{27, 300});
  CHECK(list(dw) == List{6, 80});
  CHECK(dx.requires_grad());
  CHECK(list(grad<E, D>(y, {x, x})[1]) == list(dx));
  const Tensor<E> inner = grad(y, {moved})[0];
  CHECK(!inner.node().evaluated());
  CHECK(list(inner) == list(dx));
  CHECK(list(grad(sum(dx), {x})[0]) == List{54, 300});             // 6 x w^2
  CHECK(list(grad(sum(dx), std::vector{w})[0]) == List{18, 120});  // 6 x^2 w
  CHECK(list(grad(sum(dw), std::vector{x})[0]) == List{18, 120});
  const Tensor<D> third = grad(sum(grad(sum(dx), std::vector{w})[0]), std::vector{x})[0];
  CHECK(list(third) == List{36, 120});  // 12 x w
  CHECK(!x.grad().defined());

  sum(dx.template to<E>() * dw).backward();  // 6 x^5 w^3
  CHECK(list(x.grad()) == List{30 * 27, 30 * 16 * 125});
  CHECK(list(w.grad()) == List{18 * 9, 18 * 32 * 25});
}

DEVICE_TEST_CASE("A target that y was not built on is refused on any device") {
  const Tensor<D> x = variable(Tensor<D>{1, 2}), z = variable(Tensor<D>{5});
  const auto w = variable(Tensor<Other<D>>{1, 2, 3});
  const auto y = sum(x.template to<Other<D>>());
  CHECK(refusal([&] {
          grad(y, std::vector{x, z});
        }) == "grad: sum of shape () was not built on target 1, leaf of shape (1,)");
  CHECK(refusal([&] { grad(sum(x), std::vector{w}); }) ==
        "grad: sum of shape () was not built on target 0, leaf of shape (3,)");
  CHECK(list(grad(y, std::vector{x})[0]) == List{1, 1});
}

DEVICE_TEST_CASE("Graph::keep leaves the way through another device for a second backward") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const auto moved = (x * x).template to<Other<D>>();
  const Tensor<D> loss = sum((moved * moved).template to<D>());
  loss.backward(Graph::keep);
  CHECK(list(x.grad()) == List{4, 32});
  loss.backward();
  CHECK(list(x.grad()) == List{8, 64});
  CHECK(refusal([&] { sum(moved).backward(); }) ==
        "backward: a backward has gone through to already and dropped the graph; pass Graph::keep "
        "to the first one (keep_graph), or differentiate losses together");
  CHECK_THROWS_AS(loss.backward(), Error);
  CHECK(list(moved) == List{1, 16 / 4.});
  CHECK(list(x.grad()) == List{8, 64});
}

DEVICE_TEST_CASE("What is moved without history is a leaf") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const auto tracked = x.template to<Other<D>>();
  auto detached = tracked.detach(), before = x.detach().template to<Other<D>>();
  CHECK(!detached.requires_grad());
  CHECK(!before.requires_grad());
  {
    no_grad guard;
    CHECK(!x.template to<Other<D>>().requires_grad());
  }
  CHECK(!cast(x * x, Dtype::int32).template to<Other<D>>().requires_grad());
  before.requires_grad(true);
  sum(before * before).backward();
  CHECK(list(before.grad()) == List{2, 4});
  CHECK(!x.grad().defined());
  CHECK(refusal([&] { Tensor(tracked).requires_grad(true); }) ==
        "requires_grad: the result of to is not a leaf; use detach() to make it one");
}

TEST_CASE(
    "Every product of a step over three devices runs once, whatever is read at whatever time") {
  using A = counting::Device;
  using B = counting::On<Reference>;
  const auto filled = []<Device D>(const Shape& shape, double value, D) {
    return (full<D>(shape, value) + arange<D>(0, shape[1]) / 10).realize();
  };
  const Tensor<Cpu> x = filled({8, 6}, 0.1, Cpu());
  std::vector<List> gradients;
  for (const bool eager : {false, true}) {
    for (const bool read_first : {false, true}) {
      for (const Graph graph : {Graph::consume, Graph::keep}) {
        const Setting setting(settings.eager, eager);
        const int backward = eager ? 6 : 5;  // eagerly, the one for x that nobody wants too
        const Tensor<A> w1 = variable(filled({6, 5}, -0.2, A())),
                        w3 = variable(filled({4, 3}, 0.2, A()));
        const Tensor<B> w2 = variable(filled({5, 4}, 0.1, B()));
        counts = {};
        const Tensor<A> h1 = tanh(matmul(x.to<A>(), w1));
        const Tensor<B> h2 = tanh(matmul(h1.to<B>(), w2) + 1);
        const Tensor<A> logits = matmul(tanh(h2.to<A>()), w3), loss = sum(exp(logits) * logits);
        if (read_first) loss.item();
        CHECK(counts.products == (read_first || eager ? 3 : 2));
        loss.backward(graph);
        list(logits), list(h2), list(h1), loss.item();
        CHECK(counts.products == 3 + backward);
        gradients.push_back(list(w1.grad()));
        if (graph == Graph::consume) continue;
        loss.backward();
        CHECK(counts.products == 3 + 2 * backward);
      }
    }
  }
  for (const List& each : gradients) check::compare("gradient", each, gradients[0], 1e-6);
}

TEST_CASE("grad() moves nothing to devices on which no target lies below") {
  using B = counting::On<Reference>;
  const Tensor<B> w = variable(ones<B>({3, 3}));
  const Tensor<Cpu> x = variable(ones<Cpu>({3, 3})), moved = matmul(w, w).to<Cpu>();
  const Tensor<Cpu> y = sum(moved * x * matmul(x.to<B>(), w).to<Cpu>());
  counts = {};
  grad(y, {moved})[0].realize();
  CHECK(counts.products == 0);
  const Tensor<Cpu> g = grad(y, {x})[0];
  CHECK(counts.products == 1);
  CHECK(list(g)[0] == 3 * 3 + 3 * 3);
}

TEST_CASE("Backward drops the graph and its values on all devices") {
  using B = counting::On<Reference>;
  const Tensor<Cpu> x = variable(ones<Cpu>({64, 64}));
  const std::size_t near = memory_stats<Cpu>().live, far = memory_stats<B>().live;
  {
    const Tensor<B> moved = tanh(x * 2).to<B>();
    const Tensor<Cpu> loss = sum((exp(moved) * moved).to<Cpu>());
    loss.backward();
    CHECK(memory_stats<B>().live == far + 64 * 64 * sizeof(double));         // moved
    CHECK(memory_stats<Cpu>().live == near + 64 * 64 * sizeof(float) + 64);  // gradient and loss
  }
  CHECK(memory_stats<B>().live == far);
}

DEVICE_TEST_CASE("A backward that fails on one device changes no gradient on another") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const auto w = variable(Tensor<Other<D>>{3, 4});
  const auto build = [&](bool crossing) {
    const auto moved = x.template to<Other<D>>();
    const auto y = crossing ? w * apply(Fragile{}, moved) : moved * apply(Fragile{}, w);
    return sum(y.template to<D>() * x);
  };
  for (const bool crossing : {false, true}) {  // fails at the end, fails on the way
    x.zero_grad(), w.zero_grad();
    sum(x).backward();
    sum(w).backward();
    const Tensor<D> loss = build(crossing);
    {
      const Broken broken;
      CHECK_THROWS_WITH(loss.backward(), "the sensor is off");
    }
    CHECK(list(x.grad()) == List{1, 1});
    CHECK(list(w.grad()) == List{1, 1});
    loss.backward();
    CHECK(list(x.grad()) == List{1 + 6, 1 + 16});
    CHECK(list(w.grad()) == List{1 + 1, 1 + 4});
  }
}

DEVICE_TEST_CASE("NaN that is made on the way of a gradient is found where it was made") {
  const Setting setting(settings.check_nan, true);
  const Tensor<D> x = variable(Tensor<D>{0, 4});
  const Tensor<D> loss = sum(sqrt(x.template to<Other<D>>()).template to<D>());
  CHECK_THAT(refusal([&] { loss.backward(); }), ContainsSubstring("it is the first op that did"));
  CHECK(!x.grad().defined());
}

TEST_CASE("A hundred thousand crossings are differentiated, and dropped, without recursion") {
  const Tensor<Cpu> x = variable(Tensor<Cpu>{1, 2});
  const auto chain = [&] {
    Tensor<Cpu> y = x;
    for (int i = 0; i < 50'000; ++i) y = (y.to<Reference>() * 1.0).to<Cpu>();
    return sum(y);
  };
  Tensor<Cpu> y = chain();
  y.backward(Graph::keep);
  CHECK(list(x.grad()) == List{1, 1});
  y.backward();
  CHECK(list(x.grad()) == List{2, 2});
  y = chain();
  y = {};
}

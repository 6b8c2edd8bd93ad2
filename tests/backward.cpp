#include "needle/graph/backward.hpp"

#include "check.hpp"
#include "needle/ops/loss.hpp"
#include "needle/ops/random.hpp"

using namespace needle;

DEVICE_TEST_CASE("Backward adds gradients to those of earlier calls until they are forgotten") {
  const Tensor<D> x = variable(Tensor<D>{1, 2, 3});
  CHECK(!x.grad().defined());
  sum(x * x).backward();
  CHECK(list(x.grad()) == List{2, 4, 6});
  sum(x * x).backward();
  CHECK(list(x.grad()) == List{4, 8, 12});
  x.zero_grad();
  CHECK(!x.grad().defined());
  sum(x).backward();
  CHECK(list(x.grad()) == List{1, 1, 1});
}

DEVICE_TEST_CASE("A gradient has no history, and one that was taken before does not change") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  sum(x * x).backward();
  const Tensor<D> first = x.grad();
  CHECK(!first.requires_grad());
  CHECK(first.inputs().empty());
  CHECK(first.node().evaluated());
  sum(x * x).backward();
  CHECK(list(first) == List{2, 4});
}

DEVICE_TEST_CASE("A second backward through the same graph is refused, and names keep_graph") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> hidden = x * x, loss = sum(hidden);
  loss.backward();
  const std::string expected =
      "backward: a backward has gone through sum already and dropped the graph; pass Graph::keep "
      "to "
      "the first one (keep_graph), or differentiate losses together";
  CHECK(refusal([&] { loss.backward(); }) == expected);
  CHECK_THAT(refusal([&] { sum(hidden * 2).backward(); }),
             Catch::Matchers::ContainsSubstring("gone through multiply already"));
  CHECK_THAT(refusal([&] { grad(loss, {x}); }), Catch::Matchers::ContainsSubstring("keep_graph"));
  CHECK(list(x.grad()) == List{2, 4});
  CHECK(list(hidden) == List{1, 4});
  CHECK(sum(hidden * 2).item() == 10);
}

DEVICE_TEST_CASE("Graph::keep leaves the graph for another backward") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> loss = sum(exp(x) * x);
  loss.backward(Graph::keep);
  const List first = list(x.grad());
  loss.backward(Graph::keep);
  const List second = list(x.grad());
  loss.backward();
  const List third = list(x.grad());
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(second[i] == 2 * first[i]);
    CHECK(third[i] == Approx(3 * first[i]));
  }
  CHECK_THROWS_AS(loss.backward(), Error);
}

DEVICE_TEST_CASE("Two losses on one trunk are differentiated together") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> trunk = exp(x), a = sum(trunk * 2), b = sum(trunk * trunk);
  backward<D>({a, b});
  const List got = list(x.grad());
  x.zero_grad();
  (sum(exp(x) * 2) + sum(exp(x) * exp(x))).backward();
  check::compare("sum", got, list(x.grad()), 1e-6);
  CHECK_THROWS_AS(a.backward(), Error);
  CHECK_THROWS_AS(b.backward(), Error);
}

DEVICE_TEST_CASE("Two losses on a trunk that is kept may be differentiated one after the other") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> trunk = x * x, a = sum(trunk), b = sum(trunk * trunk);
  a.backward(Graph::keep);
  b.backward();
  CHECK(list(x.grad()) == List{2 + 4, 4 + 32});
}

DEVICE_TEST_CASE("grad() records, so it can be differentiated to any order") {
  const Tensor<D> x = variable(Tensor<D>{0.5, 2});
  const Tensor<D> y = sum(x * x * x * x);
  const Tensor<D> first = grad(y, {x})[0], second = grad(sum(first), {x})[0];
  const Tensor<D> third = grad(sum(second), {x})[0], fourth = grad(sum(third), {x})[0];
  CHECK(first.requires_grad());
  CHECK(!first.node().evaluated());
  CHECK(list(first) == List{0.5, 32});
  CHECK(list(second) == List{3, 48});
  CHECK(list(third) == List{12, 48});
  CHECK(list(fourth) == List{24, 24});
  CHECK(!x.grad().defined());
  y.backward();  // nothing was consumed
  CHECK(list(x.grad()) == List{0.5, 32});
}

DEVICE_TEST_CASE("grad() reaches inner tensors, and is 0 where nothing flows") {
  const Tensor<D> x = variable(Tensor<D>{1, 2}), z = variable(Tensor<D>{5});
  const Tensor<D> hidden = x * 3, y = sum(hidden * hidden) + sum(sign(z));
  const auto grads = grad(y, {hidden, x, z});
  CHECK(list(grads[0]) == List{6, 12});
  CHECK(list(grads[1]) == List{18, 36});
  CHECK(list(grads[2]) == List{0});
}

DEVICE_TEST_CASE("The norm of a gradient can be part of a loss") {
  const Tensor<D> w = variable(Tensor<D>{1, 2, 3});
  const Tensor<D> loss = sum(w * w * w);
  const Tensor<D> penalty = sum(square(grad(loss, {w})[0]));  // 9 w^4
  (loss + penalty).backward();
  CHECK(list(w.grad()) == List{3 + 36, 12 + 36 * 8, 27 + 36 * 27});
}

DEVICE_TEST_CASE(
    "A gradient for what was not tracked when y was built is refused, evaluated or not") {
  for (const bool evaluate : {false, true}) {
    Tensor<D> x{1, 2};
    const Tensor<D> y = sum(x * x);
    if (evaluate) y.realize();
    x.requires_grad(true);
    CHECK(refusal([&] { y.backward(); }) ==
          "backward: sum was built on nothing that requires a gradient; mark leaves with "
          "requires_grad(true) before use, and build it outside of no_grad");
    CHECK_THROWS_AS(grad(y, {x}), Error);

    const Tensor<D> z = variable(Tensor<D>{3, 4}), mixed = sum(y * z);
    if (evaluate) mixed.realize();
    CHECK(refusal([&] {
            grad(mixed, {z, x});
          }) == "grad: sum of shape () was not built on target 1, leaf of shape (2,)");
    const Tensor<D> untracked{1};
    CHECK(refusal([&] { grad(mixed, {untracked}); }) ==
          "grad: sum of shape () was not built on target 0, leaf of shape (1,), which does not "
          "require a gradient");
    mixed.backward();
    CHECK(!x.grad().defined());
    CHECK(list(z.grad()) == List{5, 5});
  }
}

DEVICE_TEST_CASE("A leaf beside others that is marked after y was built gets no gradient of y") {
  for (const bool evaluate : {false, true}) {
    Tensor<D> x{1, 2};
    Tensor<D> w = variable(Tensor<D>{3, 4});
    std::vector<Tensor<D>> many(40, w);
    many[1] = x;
    const Tensor<D> y = sum(x * w), all = sum(concat(many, 0)), square = sum(matmul(x, w));
    if (evaluate) y.realize(), all.realize(), square.realize();
    x.requires_grad(true);
    for (const Tensor<D>& loss : {y, all, square}) {
      CHECK(refusal([&] { grad(loss, {x}); }).starts_with("grad: "));
      loss.backward();
      CHECK(!x.grad().defined());
    }
    CHECK(list(w.grad()) == List{41, 43});
    sum(x * w).backward();
    CHECK(list(x.grad()) == List{3, 4});

    // One that is unmarked for a while gets what was built while it was marked, and no more.
    x.zero_grad();
    const Tensor<D> before = sum(x * w);
    x.requires_grad(false);
    const Tensor<D> between = sum(x * w);
    x.requires_grad(true);
    between.backward();
    CHECK(!x.grad().defined());
    before.backward();
    CHECK(list(x.grad()) == List{3, 4});
  }
}

DEVICE_TEST_CASE("Only scalars are differentiated") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  CHECK(refusal([&] { (x * 2).backward(); }) ==
        "backward: a tensor of shape (2,) is not a scalar; take its sum or mean first");
  CHECK(refusal([&] { grad(x * 2, {x}); }) ==
        "grad: a tensor of shape (2,) is not a scalar; take its sum or mean first");
  CHECK(!x.grad().defined());
}

DEVICE_TEST_CASE("A leaf of one element is its own loss") {
  const Tensor<D> x = variable(Tensor<D>{3});
  x.backward();
  x.backward();
  CHECK(list(x.grad()) == List{2});
}

DEVICE_TEST_CASE("requires_grad marks leaves of real numbers and nothing else") {
  Tensor<D> x{1, 2};
  CHECK(!x.requires_grad());
  CHECK(x.requires_grad(true).requires_grad());
  Tensor<D> y = x * 2;
  CHECK(y.requires_grad());
  CHECK(refusal([&] { y.requires_grad(true); }) ==
        "requires_grad: the result of multiply is not a leaf; use detach() to make it one");
  CHECK(refusal([&] { y.realize(), y.requires_grad(true); }) ==
        "requires_grad: the result of multiply is not a leaf; use detach() to make it one");
  Tensor<D> ids = ints<D>({1, 2});
  CHECK(refusal([&] { ids.requires_grad(true); }) ==
        "requires_grad: a tensor of int32 has no gradient; cast it to a float type");
  x.requires_grad(false);
  CHECK(!(x * 2).requires_grad());
}

DEVICE_TEST_CASE("What leads to no leaf that requires a gradient can become one") {
  for (const bool evaluate : {false, true}) {
    std::vector<Tensor<D>> leaves{randn<D>({2}), zeros<D>({2}), Tensor<D>{1, 2} * 3,
                                  (Tensor<D>{1, 2} * 3).detach()};
    leaves.push_back((variable(Tensor<D>{1, 2}) * 3).detach());
    for (Tensor<D>& leaf : leaves) {
      if (evaluate) leaf.realize();
      leaf.requires_grad(true);
      sum(leaf * leaf).backward();
      const List values = list(leaf);
      CHECK(list(leaf.grad()) == List{2 * values[0], 2 * values[1]});
    }
  }
}

DEVICE_TEST_CASE("no_grad acts when an expression is built, not when it is evaluated") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> tracked = sum(x * x);
  Tensor<D> untracked;
  {
    const no_grad guard;
    untracked = sum(x * x);
    tracked.realize();
    CHECK(!(x + 1).requires_grad());
  }
  CHECK((x + 1).requires_grad());
  CHECK(!untracked.requires_grad());
  CHECK_THROWS_AS(untracked.backward(), Error);
  {
    const no_grad guard;
    tracked.backward();
  }
  CHECK(list(x.grad()) == List{2, 4});
}

DEVICE_TEST_CASE("No gradient flows through detach() or integers") {
  const Tensor<D> x = variable(Tensor<D>{1.5, 2.5});
  CHECK(!(x * 2).detach().requires_grad());
  CHECK(!cast(x, Dtype::int32).requires_grad());
  CHECK(!(x > 2).requires_grad());
  sum(x * x.detach() + cast(cast(x, Dtype::int32), real<D>)).backward();
  CHECK(list(x.grad()) == List{1.5, 2.5});
}

DEVICE_TEST_CASE("What is held below a loss has its value after backward") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> held = exp(x);
  Tensor<D> hidden = held * held;
  const Tensor<D> elsewhere = hidden + 1, loss = sum(hidden);  // only expressions hold `hidden` now
  hidden = Tensor<D>();
  loss.backward();
  CHECK(held.node().evaluated());
  CHECK(held.inputs().empty());
  CHECK(held.requires_grad());
  check::compare("held", list(held), {std::exp(1.0), std::exp(2.0)}, 1e-6);
  check::compare("elsewhere", list(elsewhere), {std::exp(2.0) + 1, std::exp(4.0) + 1}, 1e-6);
  CHECK(loss.template item<double>() == Approx(std::exp(2.0) + std::exp(4.0)));
}

DEVICE_TEST_CASE("A value that was dropped with its graph is an error that says so") {
  const Tensor<D> x = variable(Tensor<D>{1, 2});
  const Tensor<D> loss = sum(x * x + 1);
  loss.realize();
  const Tensor<D> dropped = loss.inputs()[0];  // its value went after its last use
  loss.backward();
  CHECK(refusal([&] { dropped.values(); }) ==
        "realize: a value of add was dropped when backward consumed its graph; hold the tensor "
        "before, "
        "or pass Graph::keep to backward");
  CHECK_THROWS_AS((dropped * 2).values(), Error);
  CHECK(loss.item() == 7);
}

DEVICE_TEST_CASE("A backward that fails changes no gradient, and can be run again") {
  const Tensor<D> x = variable(Tensor<D>{1, 0}), z = variable(Tensor<D>{5, 6});
  sum(x * z).backward();
  const Tensor<D> loss = sum(sqrt(x) * z);
  {
    const Setting check(settings.check_nan, true);
    const std::string expected =
        "divide: made inf in its result of shape (2,); it is the first op that did "
        "(NEEDLE_CHECK_NAN)";
    CHECK(refusal([&] { loss.backward(); }) == expected);
    CHECK(refusal([&] { loss.backward(); }) == expected);
  }
  CHECK(list(x.grad()) == List{5, 6});
  CHECK(list(z.grad()) == List{1, 0});
  loss.backward();
  CHECK(list(x.grad()) == List{7.5, HUGE_VAL});
  CHECK(list(z.grad()) == List{2, 0});
}

DEVICE_TEST_CASE("One tensor used many times gets the sum of its gradients") {
  const Tensor<D> x = variable(Tensor<D>{2});
  Tensor<D> y = x;
  for (int i = 0; i < 10; ++i) y = y + y;
  sum(y * x).backward();
  CHECK(list(x.grad()) == List{4096});
}

DEVICE_TEST_CASE("An absent gradient costs nothing and breaks nothing") {
  const Tensor<D> x = variable(Tensor<D>{1, 2}), unused = variable(Tensor<D>{1});
  sum(where(sign(x) > 0, x, 0)).backward();
  CHECK(list(x.grad()) == List{1, 1});
  CHECK(!unused.grad().defined());
}

TEST_CASE("A chain of a million tracked nodes is built, differentiated, evaluated and destroyed") {
  using D = Cpu;
#if defined(__SANITIZE_ADDRESS__)
  constexpr int length = 200'000;
#else
  constexpr int length = 1'000'000;
#endif
  const Tensor<D> x = variable(Tensor<D>{1, -2});
  {
    Tensor<D> y = x;
    for (int i = 0; i < length; ++i) y = -y;
    const Tensor<D> loss = sum(y * x);
    loss.backward();
    CHECK(list(x.grad()) == List{2, -4});
    CHECK(loss.item() == 5);
  }
  {
    Tensor<D> y = x;  // never evaluated as a whole, and destroyed
    for (int i = 0; i < length; ++i) y = -y;
  }
}

DEVICE_TEST_CASE("A leaf that is marked again keeps its gradient") {
  Tensor<D> x{1, 2};
  x.requires_grad(true);
  sum(x).backward();
  x.requires_grad(true);
  REQUIRE(x.grad().defined());
  CHECK(list(x.grad()) == List{1, 1});
}

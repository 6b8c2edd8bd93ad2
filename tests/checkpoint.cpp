#include "check.hpp"
#include "counting_device.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/sgd.hpp"

using namespace needle;
using counting::counts;

namespace {

/// Two layers with everything that could go wrong when it is calculated twice.
template <Device D>
struct Block {
  nn::Linear<D> fc1{.in = 4, .out = 5}, fc2{.in = 5, .out = 4};
  nn::BatchNorm1d<D> norm{.features = 5};
  nn::Dropout dropout{0.5};

  Tensor<D> operator()(const Tensor<D>& x) const { return fc2(dropout(tanh(norm(fc1(x))))) + x; }
};

template <Device D>
struct Net {
  Block<D> a, b;
  Tensor<D> operator()(const Tensor<D>& x, bool with_checkpoints) const {
    return with_checkpoints ? checkpoint(b, checkpoint(a, x)) : b(a(x));
  }
};

}  // namespace

DEVICE_TEST_CASE("A checkpoint changes neither values nor gradients, to the bit") {
  const auto results = [](bool with_checkpoints, bool read_first, bool step_between) {
    manual_seed(5);
    Net<D> net;
    const Tensor<D> x = randn<D>({6, 4}).realize();
    const Tensor<D> logits = net(x, with_checkpoints), loss = sum(logits * logits);
    if (read_first) loss.item();
    if (step_between) {  // gradients are those of the values the expression was built on
      for (const auto& cell : nn::parameters<D>(net)) {
        cell->set((cell->value * 2).data(), true);
      }
    }
    const std::vector<Tensor<D>> leaves = [&] {
      std::vector<Tensor<D>> list;
      for (const auto& cell : nn::parameters<D>(net)) list.push_back(cell->value);
      return list;
    }();
    loss.backward();
    std::vector<List> values{list(loss), list(logits)};
    for (const Tensor<D>& leaf : leaves)
      values.push_back(leaf.grad().defined() ? list(leaf.grad()) : List{});
    nn::for_each_buffer<D>(
        net, [&](const std::string&, auto& buffer) { values.push_back(list(*buffer)); });
    return values;
  };
  const auto expected = results(false, false, false);
  CHECK(results(true, false, false) == expected);
  CHECK(results(true, true, false) == expected);
  const Setting eager(settings.eager, true);
  CHECK(results(true, false, false) == expected);
}

DEVICE_TEST_CASE("A checkpoint is differentiated at the values it was built on") {
  const nn::Parameter<D> w(Tensor<D>{0.5, 1});
  const Tensor<D> leaf = *w, x{2, 3};
  const Tensor<D> loss = sum(checkpoint([&](const auto& each) { return exp(sin(each * *w)); }, x));
  const double before = loss.template item<double>();
  w.assign(Tensor<D>{7, 7});
  loss.backward();
  const List got = list(leaf.grad());
  for (std::size_t i = 0; i < 2; ++i) {
    const double a = i == 0 ? 1 : 3, scale = i == 0 ? 2 : 3;
    CHECK(got[i] == Approx(std::exp(std::sin(a)) * std::cos(a) * scale));
  }
  CHECK(loss.template item<double>() == before);
}

TEST_CASE("Under a checkpoint f is called once, and its inner products run twice") {
  using D = counting::Device;
  int calls = 0;
  const nn::Linear<D> fc1{.in = 4, .out = 5}, fc2{.in = 5, .out = 4}, fc3{.in = 4, .out = 3};
  const auto f = [&](const Tensor<D>& x) {
    ++calls;
    return fc2(tanh(fc1(x)));
  };
  const Tensor<D> x = randn<D>({6, 4}).realize();
  for (const bool read_first : {false, true}) {
    calls = 0;
    counts = {};
    const Tensor<D> loss = sum(square(fc3(checkpoint(f, x))));
    if (read_first) loss.item();
    loss.backward();
    CHECK(calls == 1);
    CHECK(counts.products == 3 + 1 + 5);  // the product of fc1 once more
  }
}

TEST_CASE("Between forward and backward a checkpoint holds its input and its output only") {
  using D = counting::Device;
  const auto f = [](const Tensor<D>& x) { return exp(tanh(exp(tanh(sin(x))))); };
  const auto held = [&](bool with_checkpoint) {
    const Tensor<D> x = ones<D>({1024}).requires_grad(true);
    Tensor<D> y = tanh(x);
    const std::size_t before = memory_stats<D>().live;
    const Tensor<D> loss = sum(tanh(with_checkpoint ? checkpoint(f, y) : f(y)));
    y = Tensor<D>();
    loss.realize();
    return memory_stats<D>().live - before;
  };
  CHECK(held(false) == (2 + 4) * 4096 + 64);  // tanh on both sides, four of the five within
  CHECK(held(true) == (2 + 1) * 4096 + 64);   // tanh on both sides, the output
}

TEST_CASE("Assignments inside of a checkpoint run once") {
  using D = counting::Device;
  const Tensor<D> x = Tensor<D>{{1, 2}, {3, 6}}.requires_grad(true);
  const nn::Buffer<D> b(zeros<D>({2, 2}));
  const auto f = [&](const Tensor<D>& each) {
    const Tensor<D> y = exp(each);
    b.assign(*b + each.detach());
    return y * y;
  };
  const Tensor<D> loss = sum(checkpoint(f, x));
  loss.item();
  CHECK(list(*b) == List{1, 2, 3, 6});
  loss.backward();
  CHECK(list(*b) == List{1, 2, 3, 6});
  CHECK(b->inputs().empty());
}

DEVICE_TEST_CASE("A random mask under a checkpoint is the same when it is calculated again") {
  const auto gradient = [](bool with_checkpoint) {
    manual_seed(2);
    const Tensor<D> x = Tensor<D>(ones<D>({64}) * 1.0).requires_grad(true);
    const auto f = [](const Tensor<D>& each) {
      return where(randb<D>(each.shape(), 0.5), exp(each * rand<D>(each.shape())), 0) * each;
    };
    const Tensor<D> y = with_checkpoint ? checkpoint(f, x) : f(x);
    sum(y).backward();
    return list(x.grad());
  };
  CHECK(gradient(true) == gradient(false));
}

DEVICE_TEST_CASE("A checkpoint can be differentiated twice, held, nested and take several inputs") {
  Tensor<D> x = Tensor<D>{0.5, -1}.requires_grad(true), z = Tensor<D>{2, 3}.requires_grad(true);
  const auto f = [](const Tensor<D>& a, const Tensor<D>& b) {
    const auto inner = [&](const Tensor<D>& c) { return exp(c * b); };
    return sin(checkpoint(inner, a)) * b;
  };
  const auto derivatives = [&](const Tensor<D>& y) {
    const auto first = grad(sum(y * y), {x, z});
    const auto second = grad(sum(first[0] * first[1]), {x, z});
    return std::vector<List>{list(y), list(first[0]), list(first[1]), list(second[0]),
                             list(second[1])};
  };
  const auto got = derivatives(checkpoint(f, x, z)), expected = derivatives(f(x, z));
  for (std::size_t i = 0; i < got.size(); ++i)
    check::compare("derivative", got[i], expected[i], 1e-5);
  const Tensor<D> y = checkpoint(f, x, z);
  sum(y).backward();
  CHECK(list(y) == list(f(x, z)));
}

DEVICE_TEST_CASE(
    "A checkpoint of nothing but its input, or of something built before, is no harm") {
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  const Tensor<D> y = exp(x);
  const auto same = [](const Tensor<D>& each) { return each; };
  sum(checkpoint(same, x) * checkpoint([&](const Tensor<D>&) { return y; }, x)).backward();
  check::compare("gradient", list(x.grad()), {2 * std::exp(1.0), 3 * std::exp(2.0)}, 1e-6);
}

DEVICE_TEST_CASE("What a checkpoint ends with is compared with values of the same calculation") {
  // Where c * 0.5 is stored and where it is not, sums with it may round in different ways.
  const Tensor<D> w = randn<D>({100}).realize(), c = randn<D>({100}).realize();
  const Tensor<D> v = randn<D>({100, 3}).realize(), d = randn<D>({100, 3}).realize();
  const auto narrow = [&](const Tensor<D>& x) { return clamp((x * w + c * 0.5) * w + c, -9, 9); };
  const auto most = [&](const Tensor<D>& x) { return (max)((x * v + d * 0.5) * v + d, 1); };
  const auto gradient = [](const Tensor<D>& x, const auto& f, bool with_checkpoint) {
    x.zero_grad();
    const Tensor<D> loss = sum(with_checkpoint ? checkpoint(f, x) : f(x));
    loss.item();
    loss.backward();
    return list(x.grad());
  };
  const Tensor<D> x = randn<D>({100}).requires_grad(true);
  check::compare("clamp", gradient(x, narrow, true), gradient(x, narrow, false), 1e-6);
  const Tensor<D> z = randn<D>({100, 3}).requires_grad(true);
  check::compare("max", gradient(z, most, true), gradient(z, most, false), 1e-6);
}

DEVICE_TEST_CASE("Bits do not depend on who holds a product") {
  const Tensor<D> x = randn<D>({1000}).realize(), w = randn<D>({1000}).realize();
  const Tensor<D> alone = x * w + w, product = x * w, held = product + w;
  const List expected = list(alone);
  realize(held, product);
  CHECK(list(held) == expected);
}

DEVICE_TEST_CASE("What throws inside of a checkpoint leaves it") {
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  CHECK_THROWS_AS(checkpoint([](const Tensor<D>& each) { return reshape(each, {5}); }, x), Error);
  CHECK(!exp(x).node().checkpointed);
}

// What a training step calculates, keeps and changes.

#include <optional>

#include "allocations.hpp"
#include "check.hpp"
#include "counting_device.hpp"
#include "needle/nn/activation.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/adam.hpp"
#include "needle/optim/sgd.hpp"

using namespace needle;
using counting::counts;

namespace {

/// Three layers: a step is three products forward and five backward, since data has no gradient.
template <Device D>
struct Mlp {
  nn::Linear<D> fc1{.in = 6, .out = 5}, fc2{.in = 5, .out = 4}, fc3{.in = 4, .out = 3};
  Tensor<D> operator()(const Tensor<D>& x) const { return fc3(relu(fc2(relu(fc1(x))))); }
};

template <Device D>
struct Problem {
  Tensor<D> x, y;
  Mlp<D> model;
  optim::SGD<D> sgd;

  Problem()
      : x((manual_seed(7), randn<D>({8, 6}).realize())),
        y(randint<D>({8}, 0, 3).realize()),
        sgd(nn::parameters<D>(model), {.lr = 0.1, .momentum = 0.9}) {}
};

/// The addresses of all parameters.
template <Device D, class M>
std::vector<const void*> addresses(M& model) {
  std::vector<const void*> list;
  for (const auto& cell : nn::parameters<D>(model))
    list.push_back(cell->value.data().storage->data);
  return list;
}

/// The values of all parameters.
template <Device D, class M>
std::vector<List> state(M& model) {
  std::vector<List> values;
  for (const auto& cell : nn::parameters<D>(model)) values.push_back(list(cell->value));
  return values;
}

enum When { never, before_backward, after_backward, after_step };
constexpr When always[] = {never, before_backward, after_backward, after_step};

}  // namespace

TEST_CASE("Every product of a step runs once, whatever is held and read at whatever time") {
  using D = counting::Device;
  std::vector<double> losses;
  std::vector<List> logits_read;
  std::vector<std::vector<List>> states;
  for (const bool hold : {false, true}) {
    for (const When read_loss : always) {
      for (const When read_logits : always) {
        for (const bool logits_first : {false, true}) {
          if (!hold && (read_logits != never || logits_first)) continue;
          INFO("loss read at " << read_loss << ", logits held " << hold << ", read at "
                               << read_logits);
          Problem<D> p;
          const auto before = addresses<D>(p.model);
          for (int step = 0; step < 3; ++step) {
            counts = {};
            Tensor<D> logits = p.model(p.x);
            const Tensor<D> loss = cross_entropy(logits, p.y);
            if (!hold) logits = {};
            const auto read = [&](When now) {
              if (logits_first && read_logits == now) logits_read.push_back(list(logits));
              if (read_loss == now) losses.push_back(loss.template item<double>());
              if (!logits_first && read_logits == now) logits_read.push_back(list(logits));
            };
            CHECK(counts.products == 0);
            read(before_backward);
            const bool evaluated = read_loss == before_backward || read_logits == before_backward;
            CHECK(counts.products == (evaluated ? 3 : 0));
            p.sgd.zero_grad();
            loss.backward();
            CHECK(counts.products == 8);
            read(after_backward);
            p.sgd.step();
            read(after_step);
            CHECK(counts.products == 8);
            CHECK(counts.copies == 0);
          }
          CHECK(addresses<D>(p.model) == before);
          states.push_back(state<D>(p.model));
        }
      }
    }
  }
  CHECK(states.size() == 36);
  for (const auto& each : states) CHECK(each == states[0]);
  for (std::size_t i = 0; i < losses.size(); ++i) CHECK(losses[i] == losses[i % 3]);
  for (std::size_t i = 0; i < logits_read.size(); ++i) CHECK(logits_read[i] == logits_read[i % 3]);
}

TEST_CASE("A loss built before a step and read after it is the loss before the step") {
  using D = counting::Device;
  Problem<D> p;
  const double expected = cross_entropy(p.model(p.x), p.y).item<double>();
  cross_entropy(p.model(p.x), p.y).backward();
  const Tensor<D> pending = cross_entropy(p.model(p.x), p.y);
  const Tensor<D> evaluated = cross_entropy(p.model(p.x), p.y).realize();
  const Tensor<D> weight = *p.model.fc1.weight;
  const List old_weight = list(weight);
  p.sgd.step();
  CHECK(pending.item<double>() == expected);
  CHECK(evaluated.item<double>() == expected);
  CHECK(list(weight) == old_weight);
  CHECK(list(*p.model.fc1.weight) != old_weight);
  CHECK(cross_entropy(p.model(p.x), p.y).item<double>() < expected);

  p.sgd.zero_grad();
  pending.backward();  // its gradient is the one at the old parameters
  const List late = list(*p.model.fc1.weight) == old_weight ? List{} : list(weight.grad());
  Problem<D> fresh;
  cross_entropy(fresh.model(fresh.x), fresh.y).backward();
  CHECK(late == list(fresh.model.fc1.weight.grad()));
}

DEVICE_TEST_CASE("A step writes into the old buffer exactly when nobody else sees it") {
  nn::Parameter<D> parameter(Tensor<D>{1, 2, 3});
  optim::SGD<D> sgd({parameter.cell()}, {.lr = 1});
  const auto address = [&] { return parameter->data().storage->data; };
  const auto step = [&] {
    sum(*parameter).backward();
    sgd.step();
    sgd.zero_grad();
  };
  const void* first = address();
  step();
  CHECK(address() == first);
  CHECK(list(*parameter) == List{0, 1, 2});

  const Tensor<D> held = *parameter;  // another handle to the leaf
  step();
  CHECK(address() != first);
  CHECK(list(held) == List{0, 1, 2});
  CHECK(list(*parameter) == List{-1, 0, 1});

  const void* second = address();
  const Tensor<D> view =
      parameter->detach()[{range(1, 3)}].realize();  // another view of the buffer
  step();
  CHECK(address() != second);
  CHECK(list(view) == List{0, 1});

  const void* third = address();
  Tensor<D> pending = *parameter * 10.0;  // an expression that was not evaluated
  step();
  CHECK(address() != third);
  CHECK(list(pending) == List{-20, -10, 0});
  CHECK(list(*parameter) == List{-3, -2, -1});

  pending = {};
  const void* fourth = address();
  step();
  CHECK(address() == fourth);
}

DEVICE_TEST_CASE("Micro-batches add up to the gradient and the step of the big batch") {
  Problem<D> whole, parts;
  cross_entropy(whole.model(whole.x), whole.y).backward();
  whole.sgd.step();
  for (int i = 0; i < 4; ++i) {
    const range rows(2 * i, 2 * i + 2);
    (cross_entropy(parts.model(parts.x[{rows}]), parts.y[{rows}]) / 4).backward();
  }
  const auto expected = nn::parameters<D>(whole.model), cells = nn::parameters<D>(parts.model);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const double tolerance = std::is_same_v<typename D::Real, double> ? 1e-14 : 1e-6;
    check::compare("gradient", list(cells[i]->grad()), list(expected[i]->grad()), tolerance);
  }
  parts.sgd.step();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    check::compare("value", list(cells[i]->value), list(expected[i]->value), 1e-6);
  }
}

DEVICE_TEST_CASE(
    "A thousand steps with Adam, batch norm and dropout take no more memory than ten") {
  manual_seed(1);
  auto model = nn::Sequential(nn::Linear<D>{6, 8}, nn::BatchNorm1d<D>{8}, nn::ReLU{},
                              nn::Dropout{0.5}, nn::Linear<D>{8, 3});
  optim::Adam<D> adam(nn::parameters<D>(model), {.lr = 1e-2});
  const Tensor<D> x = randn<D>({16, 6}).realize(), y = randint<D>({16}, 0, 3).realize();
  Tensor<D> loss;
  const auto steps = [&](int n) {
    for (int i = 0; i < n; ++i) {
      adam.zero_grad();
      loss = cross_entropy(model(x), y);
      loss.backward();
      adam.step();
    }
  };
  steps(10);
  const std::size_t bytes = memory_stats<D>().live, peak = memory_stats<D>().peak;
  const long objects = live_allocations();
  steps(990);
  const long objects_after = live_allocations();
  CHECK(memory_stats<D>().live == bytes);
  CHECK(memory_stats<D>().peak == peak);
  CHECK(objects_after <= objects + 8);
  CHECK(std::isfinite(loss.item()));
}

TEST_CASE("A training step asks the system for no memory once the cache is warm") {
  using D = counting::Device;
  Problem<D> p;
  const auto step = [&] {
    p.sgd.zero_grad();
    cross_entropy(p.model(p.x), p.y).backward();
    p.sgd.step();
  };
  for (int i = 0; i < 3; ++i) step();
  const MemoryStats before = memory_stats<D>();
  for (int i = 0; i < 20; ++i) step();
  CHECK(memory_stats<D>().live + memory_stats<D>().cached == before.live + before.cached);
}

TEMPLATE_TEST_CASE("A step that runs out of memory, wherever it does, can be done again", "",
                   optim::SGD<counting::Device>, optim::Adam<counting::Device>) {
  using D = counting::Device;
  const nn::Dropout drop{0.5};
  // Later steps write in place; the first makes running values and, as the model is copied, leaves.
  const bool first = GENERATE(false, true);
  std::vector<List> expected;
  for (int request = 0;; ++request) {  // 0: none is refused
    Problem<D> p;
    TestType optimizer(nn::parameters<D>(p.model), {.lr = 0.1});
    const auto step = [&] {
      optimizer.zero_grad();
      cross_entropy(p.model(drop(p.x)), p.y).backward();
      optimizer.step();
    };
    if (!first) step();
    const auto snapshot = first ? std::optional(p.model) : std::nullopt;
    const Generator place = default_generator();
    counting::until_refusal = request;
    const bool refused = request > 0 && refusal(step) == "memory: counting is full";
    counting::until_refusal = 0;
    if (request > 0 && !refused) {
      CHECK(request > 20);
      return;
    }
    default_generator() = place;
    step();
    if (request == 0) expected = state<D>(p.model);
    INFO("request " << request);
    REQUIRE(state<D>(p.model) == expected);
  }
}

DEVICE_TEST_CASE("What a temporary is asked for outlives it") {
  const Tensor<D> x = {1, 2};
  const Tensor<D>& y = (x + x).realize();
  const Shape& shape = (x + x).shape();
  const Tensor<D> z = ones<D>({2, 2});  // takes the memory that would be free
  CHECK(list(y) == List{2, 4});
  CHECK(shape == Shape{2});
  CHECK(&x.realize() == &x);
  CHECK(z.size() == 4);
}

TEST_CASE("Backward keeps what is held and drops the rest") {
  using D = counting::Device;
  const std::size_t start = memory_stats<D>().live;
  const Tensor<D> x = (ones<D>({64, 64}) * 0.01 + 0.0).realize();
  const std::size_t square_bytes = memory_stats<D>().live - start;
  nn::Parameter<D> w(ones<D>({64, 64}));
  const std::size_t leaves = memory_stats<D>().live;
  {
    const Tensor<D> hidden = matmul(x, *w), loss = sum(exp(matmul(tanh(hidden), *w)));
    loss.backward();
    w.zero_grad();
    CHECK(memory_stats<D>().live == leaves + square_bytes + 64);  // hidden and the loss
    CHECK(list(hidden)[5] == Approx(0.64));
    CHECK(hidden.inputs().empty());
    counts = {};
    list(hidden);
    CHECK(counts.products == 0);
  }
  CHECK(memory_stats<D>().live == leaves);
}

TEST_CASE("Evaluation of a tracked expression keeps just what its gradient reads") {
  using D = counting::Device;
  nn::Parameter<D> w(ones<D>({64, 64}));
  const std::size_t leaves = memory_stats<D>().live, square_bytes = 64 * 64 * sizeof(float);
  const Tensor<D> y = sum(tanh(matmul(*w + 1.0, *w) - 2.0) + 5.0);
  y.realize();
  // The product reads its left side, tanh its result; sums and differences read nothing.
  CHECK(memory_stats<D>().live == leaves + 2 * square_bytes + 64);
}

TEST_CASE("A softmax keeps its result, which is all that its gradient reads") {
  using D = counting::Device;
  nn::Parameter<D> w(ones<D>({64, 64}));
  const std::size_t leaves = memory_stats<D>().live, square_bytes = 64 * 64 * sizeof(float);
  for (const bool log : {false, true}) {
    const Tensor<D> x = *w * 2.0;
    counts = {};
    const Tensor<D> y = sum(log ? log_softmax(x) : softmax(x));
    y.realize();
    CHECK(counts.softmaxes == 1);
    CHECK(counts.copies == 0);
    CHECK(memory_stats<D>().live == leaves + square_bytes + 64 + square_bytes);  // and x, held
  }
}

TEST_CASE("A product with a constant keeps only what the gradient of its other side reads") {
  using D = counting::Device;
  const Tensor<D> fixed = (ones<D>({64, 64}) * 0.01).realize();
  nn::Parameter<D> w(ones<D>({64, 64}));
  const std::size_t leaves = memory_stats<D>().live, square_bytes = 64 * 64 * sizeof(float);
  const auto kept = [&](const auto& build) {
    const Tensor<D> y = build();
    y.realize();
    return memory_stats<D>().live - leaves;
  };
  CHECK(kept([&] { return sum(matmul(matmul(*w, *w), fixed)); }) == 64);
  CHECK(kept([&] { return sum(matmul(fixed, matmul(*w, *w))); }) == 64);
  CHECK(kept([&] { return sum(matmul(*w, *w) * fixed); }) == 64);
  CHECK(kept([&] { return sum(matmul(*w, *w) * 2.0 / fixed); }) == 64);
  CHECK(kept([&] { return sum(matmul(matmul(*w, *w), *w)); }) == square_bytes + 64);
  CHECK(kept([&] { return sum(matmul(*w, *w) * (*w)); }) == square_bytes + 64);
}

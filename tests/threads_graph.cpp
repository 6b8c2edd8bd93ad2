// Graphs and models in several threads at once.

#include <future>
#include <thread>

#include "check.hpp"
#include "needle/cpu/threads.hpp"
#include "needle/nn/activation.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/adam.hpp"

using namespace needle;

namespace {

/// Calls f(0), ..., f(n - 1) in threads of their own, which start together.
template <class F>
auto in_threads(int n, F f) {
  std::promise<void> start;
  const std::shared_future<void> started = start.get_future().share();
  std::vector<std::future<decltype(f(0))>> running;
  for (int i = 0; i < n; ++i) {
    running.push_back(std::async(std::launch::async, [=] {
      started.wait();
      return f(i);
    }));
  }
  start.set_value();
  std::vector<decltype(f(0))> results;
  for (auto& each : running) results.push_back(each.get());
  return results;
}

/// Trains a small model on data of its own; returns its losses.
template <Device D>
List train(int seed, bool checkpointed = false) {
  Generator generator{static_cast<std::uint64_t>(seed), 0, 0};
  nn::Parameter<D> w1(randn<D>({4, 8}, 0, 0.3, generator)), w2(randn<D>({8, 3}, 0, 0.3, generator));
  nn::BatchNorm1d<D> norm{.features = 8};
  auto cells = nn::parameters<D>(norm);
  cells.push_back(w1.cell()), cells.push_back(w2.cell());
  optim::Adam<D> adam(cells, {.lr = 0.01});
  const Tensor<D> x = randn<D>({16, 4}, 0, 1, generator), y = randint<D>({16}, 0, 3, generator);
  List losses;
  for (int step = 0; step < 20; ++step) {
    adam.zero_grad();
    const auto hidden = [&](const Tensor<D>& in) { return tanh(norm(matmul(in, *w1))); };
    const Tensor<D> h = checkpointed ? checkpoint(hidden, x) : hidden(x);
    const Tensor<D> loss = cross_entropy(matmul(h, *w2), y);
    loss.backward();
    adam.step();
    losses.push_back(loss.template item<double>());
  }
  return losses;
}

}  // namespace

DEVICE_TEST_CASE("Models train in several threads at once as they do alone") {
  std::vector<List> alone;
  for (int i = 0; i < 4; ++i) alone.push_back(train<D>(i, i % 2 == 1));
  CHECK(in_threads(4, [](int i) { return train<D>(i, i % 2 == 1); }) == alone);
  CHECK(alone[0].back() < alone[0].front());
}

DEVICE_TEST_CASE("One model is used by several threads in evaluation mode without gradients") {
  manual_seed(4);
  struct {
    nn::Linear<D> fc1{4, 8};
    nn::BatchNorm1d<D> norm{8};
    nn::Dropout dropout{0.5};
    nn::Linear<D> fc2{8, 3};
    Tensor<D> shift =
        exp(arange<D>(3) / 8);  // eval evaluates it, and what the norm's buffers wait for

    Tensor<D> operator()(const Tensor<D>& x) const {
      return fc2(dropout(relu(norm(fc1(x))))) + shift;
    }
  } model;
  const Tensor<D> x = randn<D>({64, 4}).realize();
  model(x);
  nn::eval<D>(model);
  const Tensor<D> ids = ints<D>({0, 1, 2, 1});
  const Tensor<D> ones_everywhere = ones<D>({64, 3}),
                  shared = broadcast_to(Tensor<D>{1, 2, 3}, {64, 3});
  shared.realize();
  const auto use = [&](int) {
    const no_grad guard;
    List all;
    for (int i = 0; i < 50; ++i) {
      const Tensor<D> y = model(x);
      const Tensor<D> z = softmax(y) * shared + ones_everywhere;
      const Tensor<D> m = matmul(transpose(z), ones_everywhere) + sum(ones_everywhere);
      const Tensor<D> picked =
          index_select(concat({z, ones_everywhere, reshape(ones_everywhere, {64, 3})}), 0, ids);
      for (const Tensor<D>& part : {sum(z), sum(m), sum(picked)}) {
        all.push_back(part.template item<double>());
      }
    }
    return all;
  };
  const List alone = use(0);
  for (const List& each : in_threads(4, use)) CHECK(each == alone);
}

DEVICE_TEST_CASE("A constant nobody has evaluated is read by several threads") {
  const Tensor<D> ones_everywhere = ones<D>({4});
  const auto read = [&](int i) {
    if (i == 1) return list(ones_everywhere.realize() + 0);
    if (i == 2) return list(Tensor<D>(ones_everywhere.data()));
    if (i == 3) return list(*nn::Parameter<D>(ones_everywhere));
    return list(ones_everywhere);
  };
  for (const List& each : in_threads(5, read)) CHECK(each == List{1, 1, 1, 1});
}

TEST_CASE("Large work of several graphs shares the pool of threads") {
  set_num_threads(3);
  const auto work = [](int i) {
    Generator generator{static_cast<std::uint64_t>(i), 0, 0};
    const auto x = randn({96, 96}, 0, 1, generator);
    Tensor<> y = x;
    for (int k = 0; k < 10; ++k) y = tanh(matmul(y, x) * 0.05) + rand({96, 96}, 0, 1, generator);
    return list(sum(y, 0));
  };
  std::vector<List> alone;
  for (int i = 0; i < 4; ++i) alone.push_back(work(i));
  CHECK(in_threads(4, work) == alone);
}

DEVICE_TEST_CASE(
    "A buffer that is assigned in one thread is read in another, when the first has ended") {
  const nn::Buffer<D> b(Tensor<D>{1, 2});
  std::thread([&] { b.assign(*b + 1); }).join();
  CHECK(list(*b) == List{2, 3});
}

DEVICE_TEST_CASE("Tensors move between threads and end in another than they began in") {
  Tensor<D> x;
  std::thread([&] {
    const Tensor<D> leaf = Tensor<D>{1, 2}.requires_grad(true);
    x = leaf;
    for (int i = 0; i < 10'000; ++i) x = x * 0.5 + leaf;
  }).join();
  sum(x).backward();
  std::thread([&] { x = {}; }).join();
  CHECK(!x.defined());
}

DEVICE_TEST_CASE("Switches of one thread do not act in another") {
  const no_grad guard;
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  CHECK(!(x * 2).requires_grad());
  CHECK(std::async(std::launch::async, [&] { return (x * 2).requires_grad(); }).get());
}

TEST_CASE("Random tensors built in several threads never share a number") {
  Generator generator{1, 2, 0};
  in_threads(4, [&](int) {
    for (int i = 0; i < 1000; ++i) generator.take(5);
    return 0;
  });
  CHECK(generator.offset == 4 * 1000 * 8);
}

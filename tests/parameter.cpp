#include "needle/graph/parameter.hpp"

#include "allocations.hpp"
#include "check.hpp"
#include "counting_device.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/slice.hpp"
#include "needle/optim/sgd.hpp"

using namespace needle;
using counting::counts;

namespace {

template <Device D>
const void* address(const Tensor<D>& x) {
  return x.data().storage->data;
}

}  // namespace

DEVICE_TEST_CASE("Parameters and buffers are evaluated on construction, into memory of their own") {
  const Tensor<D> x{{1, 2}, {3, 4}};
  const Tensor<D> wide = x[{needle::all, 0}];
  const nn::Parameter<D> p(wide * 2), view(wide), constant(ones<D>({3}));
  const nn::Buffer<D> b(x + 1);
  for (const Tensor<D>& value : {*p, *view, *constant, *b}) {
    CHECK(value.node().evaluated());
    CHECK(value.inputs().empty());
    CHECK(value.data().is_compact());
  }
  CHECK(list(*p) == List{2, 6});
  CHECK(list(*view) == List{1, 3});
  CHECK(list(*constant) == List{1, 1, 1});
  CHECK(address(*view) != address(x));
  CHECK(p->requires_grad());
  CHECK(!b->requires_grad());
}

DEVICE_TEST_CASE("A parameter is real, and an empty one says what it lacks") {
  CHECK(refusal([] { nn::Parameter<D>(ints<D>({1})); }) ==
        "parameter: a value of int32; it must be real");
  CHECK(refusal([] { *nn::Parameter<D>(); }) ==
        "parameter: it has no value; construct it with one");
  CHECK(list(*nn::Buffer<D>(ints<D>({1}))) == List{1});
}

DEVICE_TEST_CASE(
    "A copy of a parameter has a value of its own, and no memory until it is updated") {
  nn::Parameter<D> a(Tensor<D>{1, 2});
  sum(*a).backward();
  const std::size_t before = memory_stats<D>().live;
  const nn::Parameter<D> snapshot = a;
  CHECK(memory_stats<D>().live == before);
  CHECK(address(*snapshot) == address(*a));
  CHECK(!snapshot.grad().defined());
  optim::SGD<D> sgd({a.cell()}, {.lr = 1});
  sgd.step();
  CHECK(memory_stats<D>().live > before);
  CHECK(list(*a) == List{0, 1});
  CHECK(list(*snapshot) == List{1, 2});
  const void* own = address(*a);
  sgd.step();  // both have buffers of their own now
  CHECK(address(*a) == own);
}

DEVICE_TEST_CASE("Copies of a module are modules of their own") {
  std::vector<nn::Linear<D>> layers(3, nn::Linear<D>{.in = 2, .out = 1});
  CHECK(nn::parameters<D>(layers).size() == 6);
  CHECK(list(*layers[0].weight) == list(*layers[2].weight));
  const List before = list(*layers[0].weight);
  Tensor<D> x{{1, 2}};
  sum(layers[1](x)).backward();
  optim::SGD<D> sgd(nn::parameters<D>(layers), {.lr = 0.5});
  sgd.step();
  CHECK(list(*layers[0].weight) == before);
  check::compare("weight", list(*layers[1].weight), {before[0] - 0.5, before[1] - 1}, 1e-6);
  CHECK(list(*layers[2].weight) == before);
  layers[2] = layers[1];
  CHECK(list(*layers[2].weight) == list(*layers[1].weight));
  CHECK(layers[2].weight.cell() != layers[1].weight.cell());
}

DEVICE_TEST_CASE("Tied parameters are one: their gradients add up and they step once") {
  nn::Linear<D> a{.in = 2, .out = 2, .has_bias = false}, b = a;
  nn::tie(b.weight, a.weight);
  std::vector<nn::Linear<D>> model;
  model.push_back(std::move(a));
  model.push_back(std::move(b));
  CHECK(nn::parameters<D>(model).size() == 1);
  CHECK(nn::parameter_count<D>(model) == 4);
  const List before = list(*model[0].weight);
  const Tensor<D> x{{1, 2}};
  (sum(model[0](x)) + sum(model[1](x) * 10)).backward();
  CHECK(list(model[1].weight.grad()) == List{11, 22, 11, 22});
  optim::SGD<D> sgd({model[0].weight.cell(), model[1].weight.cell()}, {.lr = 1});
  optim::SGD<D> proper(nn::parameters<D>(model), {.lr = 1});
  proper.step();
  const List expected{before[0] - 11, before[1] - 22, before[2] - 11, before[3] - 22};
  check::compare("weight", list(*model[0].weight), expected, 1e-6);
  CHECK(list(*model[1].weight) == list(*model[0].weight));
}

DEVICE_TEST_CASE("A frozen parameter has no gradient until training resumes") {
  nn::Parameter<D> p(Tensor<D>{1, 2}), q(Tensor<D>{1, 2});
  const Tensor<D> built_before = sum(*p * *q);
  p.freeze();
  sum(*p * *q).backward();
  CHECK(!p.grad().defined());
  CHECK(list(q.grad()) == List{1, 2});
  optim::SGD<D> sgd({p.cell(), q.cell()}, {.lr = 1});
  sgd.step();
  CHECK(list(*p) == List{1, 2});
  CHECK(list(*q) == List{0, 0});
  p.freeze(false);
  sum(*p * 3).backward();
  CHECK(list(p.grad()) == List{3, 3});
  CHECK(built_before.item() == 5);
}

DEVICE_TEST_CASE("What was added up before a parameter was frozen is there when training resumes") {
  nn::Parameter<D> p(Tensor<D>{1, 2});
  sum(*p * 2).backward();
  const Tensor<D> built_before = sum(*p * 3);
  p.freeze();
  CHECK(!p.grad().defined());
  built_before.backward();
  p.freeze(false);
  CHECK(list(p.grad()) == List{5, 5});
  optim::SGD<D> sgd({p.cell()}, {.lr = 1});
  sgd.step();
  CHECK(list(*p) == List{-4, -3});
  p.freeze();
  p.zero_grad();
  p.freeze(false);
  CHECK(!p.grad().defined());
}

DEVICE_TEST_CASE(
    "A parameter takes a value of its shape; what was built before keeps the old one") {
  const nn::Parameter<D> p(Tensor<D>{1, 2});
  const Tensor<D> pending = *p * 10;
  Tensor<D> value{3, 4};
  p.assign(value);
  CHECK(list(*p) == List{3, 4});
  CHECK(address(*p) != address(value));
  CHECK(list(pending) == List{10, 20});
  CHECK(p->requires_grad());
  CHECK(refusal([&] { p.assign(Tensor<D>{1}); }) ==
        "parameter: a value of shape (1,) does not fit one of shape (2,)");
}

DEVICE_TEST_CASE("A loss on the values before and after a step adds both gradients") {
  const nn::Parameter<D> p(Tensor<D>{1, 2});
  const Tensor<D> old = sum(*p * 3);
  sum(*p).backward();
  optim::SGD<D> sgd({p.cell()}, {.lr = 1});
  sgd.step();
  p.zero_grad();
  (old + sum(*p * *p)).backward();
  CHECK(list(p.grad()) == List{3 + 0, 3 + 2});
}

DEVICE_TEST_CASE("A buffer's new value is read like any other, before and after it is calculated") {
  const nn::Buffer<D> b(Tensor<D>{1, 2});
  const Tensor<D> old = *b;
  b.assign(*b + 1);
  CHECK(!b->node().evaluated());
  const Tensor<D> on_new = *b * 10;
  CHECK(list(*b) == List{2, 3});
  CHECK(list(on_new) == List{20, 30});
  CHECK(list(old) == List{1, 2});
  CHECK(refusal([&] { b.assign(Tensor<D>{1}); }) ==
        "buffer: a value of shape (1,) does not fit one of shape (2,)");
}

DEVICE_TEST_CASE("What is assigned to a buffer carries no gradient and no graph") {
  const nn::Parameter<D> p(Tensor<D>{1, 2});
  const nn::Buffer<D> b(Tensor<D>{0, 0});
  b.assign(*p * 2);
  CHECK(!b->requires_grad());
  const Tensor<D> loss = sum(*p * *b);
  loss.backward();
  CHECK(list(p.grad()) == List{2, 4});
  CHECK(b->node().evaluated());
  CHECK(b->inputs().empty());
}

TEST_CASE("Assignments that wait run once, with whatever is evaluated next") {
  using D = counting::Device;
  const Tensor<D> x{{1, 2}, {3, 4}}, other{1};
  const nn::Parameter<D> p(Tensor<D>{1});
  const nn::Buffer<D> b(zeros<D>({2, 2}));
  const auto assign = [&] {
    counts = {};
    b.assign(matmul(x, x) + *b);
    CHECK(counts.products == 0);
  };
  assign();
  (other + 1).values();
  CHECK(counts.products == 1);
  list(*b), (other + 2).values();
  CHECK(counts.products == 1);
  CHECK(list(*b) == List{7, 10, 15, 22});

  assign();
  other.values();  // even if that has a value already
  CHECK(counts.products == 1);

  assign();
  sum(*p).backward();
  CHECK(counts.products == 1);

  optim::SGD<D> sgd({p.cell()}, {.lr = 1});
  assign();
  sgd.step();
  CHECK(counts.products == 1);
  CHECK(list(*b) == List{28, 40, 60, 88});

  assign(), assign();
  other.values();
  CHECK(counts.products == 2);
  CHECK(list(*b) == List{42, 60, 90, 132});
}

TEST_CASE("A running mean shares its forward pass with the loss") {
  using D = counting::Device;
  nn::Linear<D> linear{.in = 2, .out = 3};
  nn::BatchNorm1d<D> norm{.features = 3};
  const Tensor<D> x{{1, 2}, {3, 4}, {5, 7}};
  counts = {};
  sum(square(norm(linear(x)))).backward();
  CHECK(counts.products == 2);
  CHECK(norm.running_mean->node().evaluated());
  CHECK(norm.running_mean->inputs().empty());
}

DEVICE_TEST_CASE("Running statistics hold no graph after a thousand steps, evaluated or not") {
  for (const bool evaluate : {true, false}) {
    const nn::BatchNorm1d<D> norm{.features = 2};
    const Tensor<D> x{{1, 2}, {3, 6}};
    const std::size_t bytes = memory_stats<D>().live;
    const long objects = live_allocations();
    long most = 0;
    for (int i = 0; i < 1000; ++i) {
      const Tensor<D> y = norm(x);
      if (evaluate) y.realize();
      most = (std::max)(most, live_allocations() - objects);
    }
    CHECK(most < (evaluate ? 200 : 40'000));
    CHECK(list(*norm.running_mean)[1] == Approx(4));
    CHECK(list(*norm.running_var)[1] == Approx(8));
    CHECK(memory_stats<D>().live <= bytes + 256);
    CHECK(live_allocations() - objects < 50);
  }
}

DEVICE_TEST_CASE("A buffer keeps its dtype") {
  const nn::Buffer<D> steps(ints<D>({1, 2}));
  steps.assign(Tensor<D>{2.9, 3});
  CHECK((*steps).dtype() == Dtype::int32);
  CHECK(list(*steps) == List{2, 3});
}

DEVICE_TEST_CASE("A copy of a buffer takes the value that waits, and then goes its own way") {
  const nn::Buffer<D> a(Tensor<D>{1});
  a.assign(*a + 1);
  const nn::Buffer<D> b = a;
  a.assign(*a * 10);
  CHECK(list(*b) == List{2});
  CHECK(list(*a) == List{20});
}

DEVICE_TEST_CASE("What is frozen stays frozen when it is assigned or copied") {
  nn::Parameter<D> p(Tensor<D>{1, 2}), other(Tensor<D>{3, 4});
  p.freeze();
  p.assign(Tensor<D>{5, 6});
  CHECK(!p->requires_grad());
  const nn::Parameter<D> copy = p;
  CHECK(!copy->requires_grad());
  other = p;
  CHECK(!other->requires_grad());
  p.freeze(false);
  other = p;
  CHECK(other->requires_grad());
}

DEVICE_TEST_CASE("A parameter of borrowed memory is trained in memory of its own") {
  alignas(64) typename D::Real numbers[16] = {1, 2};
  const nn::Parameter<D> p(borrow<D>(numbers, {16}));
  sum(*p).backward();
  optim::SGD<D> sgd({p.cell()}, {.lr = 1});
  sgd.step();
  CHECK(list(*p)[0] == 0);
  CHECK(numbers[0] == 1);
}

DEVICE_TEST_CASE("Assignments that nobody reads do not pile up while they wait") {
  const nn::Buffer<D> mean(zeros<D>({1000}));
  const std::size_t bytes = memory_stats<D>().live;
  for (int i = 0; i < 500; ++i) mean.assign(Tensor<D>(std::vector<float>(1000), {1000}) + i);
  CHECK(memory_stats<D>().live <= bytes + 100 * 1000 * sizeof(typename D::Real));
  CHECK(list(*mean)[0] == 499);
}

// One test for each pillar of the library; all of them run in a second.

#include <needle/needle.hpp>

#include "catch.hpp"
#include "temporary_folder.hpp"

using namespace needle;

TEST_CASE("Tensors calculate, broadcast and are views of each other") {
  const Tensor<> x{{1, 2, 3}, {4, 5, 6}};
  CHECK((x + Tensor<>{10, 20, 30}).values() == std::vector<float>{11, 22, 33, 14, 25, 36});
  CHECK(matmul(x, transpose(x)).values() == std::vector<float>{14, 32, 32, 77});
  CHECK(x[{needle::all, range(1, 3)}].values() == std::vector<float>{2, 3, 5, 6});
  CHECK(mean(x, 0).values() == std::vector<float>{2.5, 3.5, 4.5});
  CHECK(str(argmax(x, 1)) == "[2, 2]");
  CHECK(Tensor<>{{1}, {2}}.shape() == Shape{2, 1});
}

TEST_CASE("Nothing is calculated until somebody asks") {
  const Tensor<> x = ones({1 << 12, 1 << 12}) * 3.0;
  const std::size_t before = memory_stats<DefaultDevice>().live;
  const Tensor<> y = sum(exp(x) - exp(x));
  CHECK(memory_stats<DefaultDevice>().live == before);
  CHECK(!y.node().evaluated());
  CHECK(sum(Tensor<>{1, 2}).item() == 3);
}

TEST_CASE("The CPU and the reference device agree") {
  const std::vector<double> values{-1, 0.25, 3};
  const auto f = [](const auto& x) { return softmax(tanh(x) * 2); };
  const auto fast = f(Tensor<Cpu>(values, {3})).values<double>();
  const auto right = f(Tensor<Reference>(values, {3})).values();
  for (std::size_t i = 0; i < 3; ++i) CHECK(fast[i] == Approx(right[i]));
}

TEST_CASE("Gradients flow back to leaves") {
  const Tensor<> x = Tensor<>{1, 2, 3}.requires_grad(true);
  sum(x * x * x).backward();
  CHECK(x.grad().values() == std::vector<float>{3, 12, 27});
}

TEST_CASE("Gradients have gradients") {
  const Tensor<> x = Tensor<>{1, 2, 3}.requires_grad(true);
  const Tensor<> slope = grad(sum(x * x * x), {x})[0];
  CHECK(grad(sum(slope), {x})[0].values() == std::vector<float>{6, 12, 18});
}

TEST_CASE("A module finds its parameters, and its copy is another module") {
  struct Mlp {
    std::int64_t hidden = 4;
    nn::Linear<> fc1{.in = 2, .out = hidden};
    nn::Linear<> fc2{.in = hidden, .out = 1};
    Tensor<> operator()(const Tensor<>& x) const { return fc2(relu(fc1(x))); }
  };
  Mlp model{.hidden = 3}, copy = model;
  std::string names;
  nn::for_each_parameter(model, [&](const std::string& name, const auto&) { names += name + " "; });
  CHECK(names == "fc1.weight fc1.bias fc2.weight fc2.bias ");
  CHECK(nn::parameter_count(model) == 2 * 3 + 3 + 3 + 1);
  copy.fc1.weight.assign(zeros({3, 2}));
  CHECK(model.fc1.weight->values() != copy.fc1.weight->values());
}

TEST_CASE("An optimizer learns XOR") {
  manual_seed(1);
  auto model = nn::Sequential(nn::Linear<>{2, 8}, nn::Tanh{}, nn::Linear<>{8, 2});
  optim::Adam adam(nn::parameters(model), {.lr = 0.05});
  const Tensor<> x{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  const Tensor<> y(std::vector<std::int32_t>{0, 1, 1, 0}, {4});
  for (int step = 0; step < 150; ++step) {
    adam.zero_grad();
    cross_entropy(model(x), y).backward();
    adam.step();
  }
  CHECK(argmax(model(x), 1).values<std::int32_t>() == y.values<std::int32_t>());
  CHECK(cross_entropy(model(x), y).item() < 0.1f);
}

TEST_CASE("A data loader gives every item once an epoch, shuffled by a seed") {
  const Tensor<Cpu> ids = arange<Cpu>(10, Dtype::int32);
  const data::DataLoader<> loader({reshape(ids, {10, 1}), ids},
                                  {.batch = 4, .shuffle = true, .seed = 3});
  std::vector<std::int32_t> seen, again;
  for (auto [x, y] : loader.epoch(0)) {
    CHECK(x.values<std::int32_t>() == y.values<std::int32_t>());
    for (const std::int32_t id : y.values<std::int32_t>()) seen.push_back(id);
  }
  for (auto [x, y] : loader.epoch(0)) {
    for (const std::int32_t id : y.values<std::int32_t>()) again.push_back(id);
  }
  CHECK(seen == again);
  CHECK(seen != ids.values<std::int32_t>());
  std::sort(seen.begin(), seen.end());
  CHECK(seen == ids.values<std::int32_t>());
}

TEST_CASE("A model is saved and loaded") {
  const TemporaryFolder folder;
  nn::Linear<> model{.in = 3, .out = 2}, other{.in = 3, .out = 2};
  io::save(folder / "model.safetensors", model);
  CHECK(model.weight->values() != other.weight->values());
  io::load(folder / "model.safetensors", other);
  CHECK(model.weight->values() == other.weight->values());
}

TEST_CASE("A seed fixes random numbers") {
  manual_seed(5);
  const auto first = randn({4}).values();
  const auto second = randn({4}).values();
  manual_seed(5);
  CHECK(randn({4}).values() == first);
  CHECK(first != second);
}

TEST_CASE("What does not fit is refused in the user's words, where it is written") {
  CHECK_THROWS_WITH(
      matmul(ones({2, 3}), ones({4, 5})),
      "matmul: shapes (2, 3) and (4, 5): 3 columns against 4 rows; they must be equal");
}

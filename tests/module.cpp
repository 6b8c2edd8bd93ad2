#include "needle/nn/module.hpp"

#include "check.hpp"
#include "needle/nn/activation.hpp"
#include "needle/nn/any_module.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/sgd.hpp"

using namespace needle;
using Names = std::vector<std::string>;

namespace {

/// The names of all parameters, then those of all buffers.
template <Device D = Cpu, class M>
Names names(const M& module) {
  Names all;
  const auto add = [&](const std::string& name, const auto&) { all.push_back(name); };
  nn::for_each_parameter<D>(module, add);
  nn::for_each_buffer<D>(module, add);
  return all;
}

struct Block {
  std::int64_t width = 2;
  nn::Linear<> fc1{width, 2 * width};
  nn::Linear<> fc2{.in = 2 * width, .out = width, .has_bias = false};
  Tensor<> operator()(const Tensor<>& x) const { return fc2(relu(fc1(x))); }
};

/// A field of every kind that a module may have.
struct Model {
  enum class Style { plain, fancy };
  std::int64_t width = 2;
  double scale = 0.5;
  Style style = Style::plain;
  std::string title = "model";
  Shape picture = {28, 28};
  std::vector<bool> flags = {true, false};
  Tensor<> (*squash)(const Tensor<>&) = nullptr;
  Tensor<> constant = {1, 2};
  const Tensor<> fixed = {3};
  const std::optional<double> limit = 1;
  const std::tuple<double, std::string> labels = {1, "one"};
  nn::ReLU activation;
  std::vector<Block> blocks = std::vector<Block>(2);
  std::vector<std::vector<nn::Linear<>>> grid{{nn::Linear<>{1, 1}}, {}, {nn::Linear<>{1, 1}}};
  std::optional<nn::Linear<>> head, tail = nn::Linear<>{2, 1};
  std::tuple<nn::Linear<>, double> pair{nn::Linear<>{1, 1}, 3};
  std::array<nn::BatchNorm1d<>, 1> norms{nn::BatchNorm1d<>{2}};
  std::unique_ptr<nn::Linear<>> pointer = std::make_unique<nn::Linear<>>(nn::Linear<>{1, 1});
  nn::AnyModule<> any = nn::Sequential(nn::Linear<>{2, 2}, nn::Tanh{});
  nn::Parameter<> empty, lambda_{Tensor<>{1, 2, 3}};
  nn::Buffer<> count{Tensor<>{0}};
};

/// A class with an invariant: it lists its fields itself.
class Positive {
 public:
  explicit Positive(double value) : raw_(full({}, std::log(value))) {}
  Tensor<> operator()(const Tensor<>& x) const { return x * exp(*raw_); }
  void fields(auto&& f) { f("log_scale", raw_); }

 private:
  nn::Parameter<> raw_;
};

/// It lists its fields, and looks like a list.
struct Stack {
  using value_type = nn::Linear<>;
  auto begin() { return layers.begin(); }
  auto end() { return layers.end(); }
  auto size() const { return layers.size(); }
  void fields(auto&& f) { f("layers", layers), f("scale", scale); }
  std::vector<nn::Linear<>> layers{nn::Linear<>{2, 2}};
  nn::Parameter<> scale{ones({1})};
};

/// It lists its fields, and a base has a `visit` that means something else.
struct Visited {
  void visit(int) {}
};
struct Guest : Visited {
  void fields(auto&& f) { f("weight", weight); }
  nn::Parameter<> weight{ones({1})};
};

/// It lists its fields, and is more than another module.
struct Wider : nn::Sequential<nn::Linear<>> {
  void fields(auto&& f) { f("base", static_cast<Sequential&>(*this)), f("head", head); }
  nn::Parameter<> head{ones({1})};
};

template <Device D>
nn::Residual<nn::Sequential<nn::Linear<D>, nn::BatchNorm1d<D>, nn::ReLU, nn::Dropout>> part() {
  return {nn::Sequential(nn::Linear<D>{4, 4}, nn::BatchNorm1d<D>{4}, nn::ReLU{}, nn::Dropout{0.5})};
}

}  // namespace

TEST_CASE("Fields of every kind are visited in order, under PyTorch's names") {
  CHECK(names(Model{}) ==
        Names{"blocks.0.fc1.weight",  "blocks.0.fc1.bias",   "blocks.0.fc2.weight",
              "blocks.1.fc1.weight",  "blocks.1.fc1.bias",   "blocks.1.fc2.weight",
              "grid.0.0.weight",      "grid.0.0.bias",       "grid.2.0.weight",
              "grid.2.0.bias",        "tail.weight",         "tail.bias",
              "pair.0.weight",        "pair.0.bias",         "norms.0.weight",
              "norms.0.bias",         "pointer.weight",      "pointer.bias",
              "any.0.weight",         "any.0.bias",          "lambda",
              "norms.0.running_mean", "norms.0.running_var", "count"});
}

TEST_CASE("A residual block has the names it has in PyTorch") {
  CHECK(names(nn::Sequential(nn::Linear<>{4, 4}, nn::ReLU{}, part<Cpu>())) ==
        Names{"0.weight", "0.bias", "2.fn.0.weight", "2.fn.0.bias", "2.fn.1.weight", "2.fn.1.bias",
              "2.fn.1.running_mean", "2.fn.1.running_var"});
}

TEST_CASE("More than ten modules in a row keep their order and numbers") {
  const nn::Linear<> one{1, 1};
  const nn::ReLU relu;
  const auto model =
      nn::Sequential(one, relu, relu, relu, relu, relu, relu, relu, relu, relu, one, relu, one);
  CHECK(names(model) ==
        Names{"0.weight", "0.bias", "10.weight", "10.bias", "12.weight", "12.bias"});
}

TEST_CASE("Sequential calls its modules one after the other, an empty one gives its input") {
  auto model = nn::Sequential(nn::Linear<>{2, 1}, nn::ReLU{});
  model.get<0>().weight.assign(Tensor<>{{1, -2}});
  model.get<0>().bias.assign(Tensor<>{0.5});
  CHECK(list(model(Tensor<>{{3, 1}, {1, 3}})) == List{1.5, 0});
  CHECK(list(nn::Sequential()(Tensor<>{1, 2})) == List{1, 2});
  CHECK(list(std::as_const(model).get<0>()(Tensor<>{{1, 3}})) == List{-4.5});
}

TEST_CASE("A container made of one container of its kind holds it") {
  const auto inner = nn::Sequential(nn::Linear<>{1, 1});
  CHECK(names(nn::Sequential(inner)) == Names{"0.0.weight", "0.0.bias"});
  const auto copy = inner;
  CHECK(names(copy) == Names{"0.weight", "0.bias"});
  const auto twice = [](const Tensor<>& x) { return x + x; };
  CHECK(list(nn::Residual{nn::Residual{twice}}(Tensor<>{1})) == List{4});  // (2x + x) + x
}

TEST_CASE("A class that lists its fields is a module") {
  const Positive positive(3);
  CHECK(names(positive) == Names{"log_scale"});
  CHECK(positive(Tensor<>{2}).item() == Approx(6));
}

TEST_CASE("A class that lists its fields is one whatever else it looks like") {
  CHECK(names(Stack()) == Names{"layers.0.weight", "layers.0.bias", "scale"});
  CHECK(names(Guest()) == Names{"weight"});
  CHECK(names(Wider{nn::Sequential{nn::Linear<>{2, 2}}}) ==
        Names{"base.0.weight", "base.0.bias", "head"});
}

TEST_CASE("AnyModule calls, names, copies and moves the module in it") {
  std::vector<nn::AnyModule<>> layers{nn::Linear<>{2, 2}, nn::ReLU{},
                                      [](const Tensor<>& x) { return x + 1; }};
  struct Holder {
    std::vector<nn::AnyModule<>> layers;
  } holder{layers};
  CHECK(names(holder) == Names{"layers.0.weight", "layers.0.bias"});
  const Tensor<> x{{1, 2}};
  CHECK(list(holder.layers[0](x)) == list(layers[0](x)));
  CHECK(list(layers[2](x)) == List{2, 3});
  nn::for_each_parameter(holder, [](const auto&, const auto& p) { p.assign(p->detach() + 1); });
  CHECK(list(holder.layers[0](x)) != list(layers[0](x)));
  const nn::AnyModule<> moved = std::move(layers[2]);
  CHECK(list(moved(x)) == List{2, 3});
  CHECK(refusal([&] { nn::AnyModule<>()(x); }) ==
        "module: an empty AnyModule was called; assign a module to it first");
}

TEST_CASE("Train and eval reach every layer, behind optional, lists and AnyModule too") {
  struct Deep {
    std::vector<nn::AnyModule<>> layers{nn::Sequential(nn::Dropout{0.5})};
    std::optional<nn::Dropout> dropout = nn::Dropout{0.5};
    nn::Mode mode = {};
    Tensor<> operator()(const Tensor<>& x) const { return (*dropout)(layers[0](x)); }
  } model;
  const Tensor<> x = ones({1000});
  CHECK(sum(model(x) == 0.0).item<int>() > 500);
  nn::eval(model);
  CHECK(sum(model(x) == 0.0).item<int>() == 0);
  CHECK(!model.mode);
  nn::train(model);
  CHECK(sum(model(x) == 0.0).item<int>() > 500);
  CHECK(model.mode);
}

TEST_CASE("A copied module goes its own way") {
  auto model = nn::Sequential(nn::Linear<>{1, 1}, nn::BatchNorm1d<>{1});
  auto copy = model;
  const List before = list(*model.get<0>().weight);
  CHECK(list(*copy.get<0>().weight) == before);
  optim::SGD opt(nn::parameters(copy), {.lr = 1});
  sum(square(copy(Tensor<>{{1}, {2}}) - Tensor<>{{1}, {3}})).backward();
  opt.step();
  nn::eval(copy);
  CHECK(list(*copy.get<1>().weight) != List{1});
  CHECK(list(*copy.get<1>().running_mean) != List{0});
  CHECK(list(*model.get<0>().weight) == before);
  CHECK(list(*model.get<1>().weight) == List{1});
  CHECK(list(*model.get<1>().running_mean) == List{0});
  CHECK(!model.get<1>().weight.grad().defined());
  CHECK(model.get<1>().mode);
}

TEST_CASE("Tied parameters count once, and differing shapes are refused") {
  struct Tied {
    nn::Linear<> a{3, 2, false}, b{3, 2, false}, c{2, 3, false};
  } model;
  CHECK(nn::parameter_count(model) == 18);
  nn::tie(model.a.weight, model.b.weight);
  CHECK(nn::parameter_count(model) == 12);
  CHECK(nn::parameters(model).size() == 2);
  CHECK(names(model) == Names{"a.weight", "b.weight", "c.weight"});
  CHECK(refusal([&] { nn::tie(model.a.weight, model.c.weight); }) ==
        "tie: shapes (2, 3) and (3, 2) differ; one value has one shape");
}

TEST_CASE("A clone has the module's values and its ties, and shares nothing with it") {
  struct Tied {
    nn::Linear<> a{2, 2}, b{2, 2};
    std::vector<nn::Linear<>> more = std::vector(2, nn::Linear<>{2, 2});
  } model;
  nn::tie(model.more[1].weight, model.a.weight);
  nn::tie(model.b.bias, model.a.bias);
  Tied copy = nn::clone(model);
  CHECK(nn::parameter_count(copy) == nn::parameter_count(model));
  CHECK(copy.more[1].weight.cell() == copy.a.weight.cell());
  CHECK(copy.b.bias.cell() == copy.a.bias.cell());
  CHECK(copy.b.weight.cell() != copy.a.weight.cell());
  CHECK(list(*copy.b.weight) == list(*model.b.weight));
  const List before = list(*model.a.weight);
  copy.a.weight.assign(zeros({2, 2}));
  CHECK(list(*copy.more[1].weight) == List{0, 0, 0, 0});
  CHECK(list(*model.a.weight) == before);
  CHECK(nn::parameter_count(Tied(model)) > nn::parameter_count(model));
}

TEST_CASE("Named parameters come in order, each once, and an optimizer takes some of them") {
  struct Tied {
    nn::Linear<> a{2, 2}, b{2, 2};
    nn::BatchNorm1d<> norm{2};
  } model;
  nn::tie(model.b.weight, model.a.weight);
  Names all;
  std::vector<Ref<Cell<Cpu>>> weights;
  for (const auto& [name, cell] : nn::named_parameters(model)) {
    all.push_back(name);
    if (cell->shape().ndim() == 2) weights.push_back(cell);
  }
  CHECK(all == Names{"a.weight", "a.bias", "b.bias", "norm.weight", "norm.bias"});
  CHECK(weights == std::vector{model.a.weight.cell()});
  const List bias = list(*model.a.bias);
  optim::SGD opt(weights, {.lr = 1});
  sum(model.b(model.a(ones({1, 2})))).backward();
  const List weight = list(*model.a.weight);
  opt.step();
  CHECK(list(*model.b.weight) != weight);
  CHECK(list(*model.a.bias) == bias);
}

TEST_CASE("What is frozen gets no gradient, and trains again when it is not") {
  auto model = nn::Sequential(nn::Linear<>{1, 1}, nn::Linear<>{1, 1});
  optim::SGD opt(nn::parameters(model), {.lr = 0.1, .momentum = 0.9});
  const auto step = [&] {
    opt.zero_grad();
    sum(model(Tensor<>{{1}})).backward();
    opt.step();
    return std::pair(list(*model.get<0>().bias), list(*model.get<1>().bias));
  };
  nn::freeze(model.get<0>());
  const List kept = list(*model.get<0>().bias), moves = list(*model.get<1>().bias);
  const auto [first, second] = step();
  CHECK(!model.get<0>().bias.grad().defined());
  CHECK(first == kept);
  CHECK(second != moves);
  nn::freeze(model.get<0>(), false);
  CHECK(step().first != kept);
}

TEST_CASE("A summary is a table of names, shapes and sizes") {
  const nn::Sequential model(nn::Linear<>{4, 3}, nn::BatchNorm1d<>{3});
  CHECK(nn::summary(model) ==
        "0.weight        (3, 4)  12\n"
        "0.bias          (3,)    3\n"
        "1.weight        (3,)    3\n"
        "1.bias          (3,)    3\n"
        "1.running_mean  (3,)    3\n"
        "1.running_var   (3,)    3\n"
        "parameters              21\n");
}

TEST_CASE("A module on another device than the default one is read when the device is named") {
  CHECK(names<Reference>(part<Reference>()).size() == 6);
  CHECK(nn::parameter_count<Reference>(part<Reference>()) == 28);
}

TEST_CASE("What can be called on tensors is a module") {
  CHECK(nn::Module<nn::Linear<>, Tensor<>>);
  CHECK(nn::Module<Positive, Tensor<>>);
  CHECK_FALSE(nn::Module<nn::Linear<>, std::string>);
  CHECK_FALSE(nn::Module<Model, Tensor<>>);
}

TEST_CASE("An AnyModule may be assigned an empty one") {
  nn::AnyModule<> full(nn::ReLU{});
  const nn::AnyModule<> none;
  full = none;
  CHECK_THROWS_WITH(full(Tensor<>{1}),
                    "module: an empty AnyModule was called; assign a module to it first");
}

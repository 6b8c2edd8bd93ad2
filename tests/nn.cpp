#include "needle/nn/activation.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/factory.hpp"
#include "vectors.hpp"

using namespace needle;

namespace {
/// A name that one of needle's ops has too.
struct Matmul {
  int calls = 0;
};
}  // namespace

TEST_CASE("The names of ops are free, for layers and for users, whatever namespaces are used") {
  using namespace needle::nn;
  const Linear<> layer{.in = 1, .out = 1};
  const Tensor<> x = zeros({1, 1});
  CHECK(Tanh{}(x).item() == 0);
  CHECK(Sigmoid{}(x).item() == 0.5f);
  CHECK(layer(x).shape() == Shape{1, 1});
  CHECK(Matmul{}.calls == 0);
}

DEVICE_TEST_CASE("A linear layer is x W^T + b, for any number of leading axes") {
  nn::Linear<D> layer{.in = 2, .out = 3};
  layer.weight.assign(Tensor<D>{{1, 2}, {3, 4}, {5, 6}});
  layer.bias.assign(Tensor<D>{0, 0, 1});
  CHECK(list(layer(Tensor<D>{1, 10})) == List{21, 43, 66});
  CHECK(list(layer(Tensor<D>{{1, 10}, {0, 1}})) == List{21, 43, 66, 2, 4, 7});
  CHECK(layer(ones<D>({4, 5, 2})).shape() == Shape{4, 5, 3});
  CHECK(layer(ones<D>({0, 2})).shape() == Shape{0, 3});
}

DEVICE_TEST_CASE("A linear layer without bias has one parameter") {
  const nn::Linear<D> layer{.in = 2, .out = 1, .has_bias = false};
  CHECK(nn::parameters<D>(layer).size() == 1);
  CHECK(list(layer(zeros<D>({1, 2}))) == List{0});
}

TEST_CASE("A linear layer names the input and the weight that do not fit") {
  const nn::Linear<> layer{.in = 3, .out = 2};
  CHECK_THAT(refusal([&] {
               layer(ones({5, 4}));
             }),
             Catch::Matchers::ContainsSubstring("input (5, 4)") &&
                 Catch::Matchers::ContainsSubstring("weight (2, 3)"));
  CHECK(refusal([] { (void)nn::Linear<>{.in = 3, .out = -2}; }) ==
        "linear: shape (-2, 3) has a negative size");
  CHECK(refusal([] { (void)nn::Linear<>{-1, 3}; }) == "linear: shape (3, -1) has a negative size");
  CHECK(refusal([] { (void)nn::BatchNorm1d<>{-1}; }) ==
        "batch_norm: shape (-1,) has a negative size");
}

TEST_CASE("A connection around a module that changes the shape is refused") {
  CHECK(refusal([] {
          nn::Residual{nn::Linear<>{3, 4}}(ones({2, 3}));
        }) ==
        "residual: shapes (2, 4) and (2, 3) do not broadcast: 4 against 3; sizes must be equal, or "
        "one of them 1");
}

DEVICE_TEST_CASE("Linear layers begin as PyTorch's do: uniform up to a bound") {
  using namespace vectors;
  if (!present()) SKIP("no vectors in " << path_of(""));
  manual_seed(1);
  int cases = 0;
  for (const Json& entry : manifest()["cases"].array()) {
    if (entry["op"].string() != "default_init" || entry["attrs"]["module"].string() != "linear") {
      continue;
    }
    ++cases;
    const Shape shape = shape_of(entry["attrs"]["shape"]);
    const double bound = entry["expect"]["bound"].number();
    List weights, biases;
    for (int i = 0; i < 200000 / static_cast<int>(shape.size()); ++i) {
      const nn::Linear<D> layer{.in = shape[1], .out = shape[0]};
      REQUIRE(layer.weight.shape() == shape);
      for (const double w : list(*layer.weight)) weights.push_back(w / bound);
      for (const double b : list(*layer.bias)) {
        biases.push_back(b / entry["expect"]["bias_bound"].number());
      }
    }
    for (const List& values : {weights, biases}) {
      const double n = static_cast<double>(values.size());
      double sum = 0, squares = 0, most = 0;
      for (const double value : values) {
        sum += value, squares += value * value, most = (std::max)(most, std::fabs(value));
      }
      CHECK(most <= 1 + 1e-6);
      CHECK(most > 1 - 20 / n);
      CHECK(std::fabs(sum / n) < 5 / std::sqrt(3 * n));                  // 5 standard errors
      CHECK(squares / n == Approx(1.0 / 3).margin(1.5 / std::sqrt(n)));  // variance of a uniform
    }
  }
  CHECK(cases == 2);
}

DEVICE_TEST_CASE("Layers without parameters do what their names say") {
  const Tensor<D> x{{-1, 0}, {2, 3}};
  CHECK(list(nn::Identity{}(x)) == List{-1, 0, 2, 3});
  CHECK(list(nn::ReLU{}(x)) == List{0, 0, 2, 3});
  CHECK(list(nn::Tanh{}(x))[2] == Approx(std::tanh(2)));
  CHECK(list(nn::Sigmoid{}(x))[0] == Approx(1 / (1 + std::exp(1))));
  CHECK(nn::Flatten{}(ones<D>({2, 3, 4})).shape() == Shape{2, 12});
  CHECK(nn::Flatten{}(ones<D>({0, 3, 4})).shape() == Shape{0, 12});
}

DEVICE_TEST_CASE("Dropout in evaluation conforms to PyTorch") {
  using namespace vectors;
  const auto dropout = [](const Case& c, const Inputs<D>& in) -> Outputs<D> {
    return nn::Dropout{c.attr("p").number(), {c.attr("training").boolean()}}(in[0]);
  };
  conform<D>("embedding.safetensors", {{"dropout", dropout}}, {"embedding"});
}

DEVICE_TEST_CASE(
    "In training dropout drops a share p and scales the rest, value and gradient alike") {
  manual_seed(3);
  Tensor<D> x = ones<D>({100, 100});
  x = Tensor<D>(x.values(), x.shape()).requires_grad(true);
  const Tensor<D> y = nn::Dropout{0.2}(x);
  int dropped = 0;
  for (const double value : list(y)) {
    CHECK_FALSE((value != 0 && value != Approx(1.25)));
    dropped += value == 0;
  }
  CHECK(dropped == Approx(2000).margin(200));  // 5 standard deviations
  CHECK(list(y) == list(y));
  CHECK(list(nn::Dropout{0.2}(x)) != list(y));
  const List before = list(y);
  sum(y).backward();
  CHECK(list(x.grad()) == before);
}

DEVICE_TEST_CASE(
    "Dropout of 0 keeps everything, of 1 nothing, and not even NaN passes a closed gate") {
  const Tensor<D> x{1, 2, 3};
  CHECK(list(nn::Dropout{0}(x)) == List{1, 2, 3});
  CHECK(list(nn::Dropout{1}(x)) == List{0, 0, 0});
  const Tensor<D> y = nn::Dropout{0.5}(full<D>({1000}, NAN));
  CHECK(sum(y == 0.0).template item<int>() > 400);
  CHECK(refusal([&] { nn::Dropout{1.5}(x); }) ==
        "dropout: a probability of 1.5; it must lie in [0, 1]");
  CHECK(refusal([&] { nn::Dropout{NAN}(x); }) ==
        "dropout: a probability of nan; it must lie in [0, 1]");
}

TEST_CASE("Devices drop the same elements for the same seed") {
  manual_seed(7);
  const List on_cpu = list(nn::Dropout{0.5}(ones<Cpu>({33})));
  manual_seed(7);
  CHECK(list(nn::Dropout{0.5}(ones<Reference>({33}))) == on_cpu);
}

DEVICE_TEST_CASE("Dropout of everything has a gradient of zeros") {
  Tensor<D> x{1, 2};
  x.requires_grad(true);
  sum(nn::Dropout{.p = 1}(x)).backward();
  CHECK(list(x.grad()) == List{0, 0});
}

DEVICE_TEST_CASE("A linear layer of no inputs gives its bias, zeros at first") {
  const nn::Linear<D> layer{0, 3};
  CHECK(list(layer(zeros<D>({2, 0}))) == List(6, 0.0));
}

DEVICE_TEST_CASE("eval() calculates what buffers and constants hold") {
  nn::BatchNorm1d<D> norm{2};
  norm(Tensor<D>{{1, 2}, {3, 4}});
  CHECK(!norm.running_mean->node().evaluated());
  nn::eval<D>(norm);
  CHECK(norm.running_mean->node().evaluated());
  CHECK(norm.running_var->node().evaluated());
  struct Model {
    Tensor<D> table;
  } model{.table = Tensor<D>{1, 2} * 2};
  nn::eval<D>(model);
  CHECK(model.table.node().evaluated());
}

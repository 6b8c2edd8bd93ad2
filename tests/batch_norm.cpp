#include "needle/nn/batch_norm.hpp"

#include "needle/optim/sgd.hpp"
#include "vectors.hpp"

using namespace needle;

DEVICE_TEST_CASE("Batch norm conforms to PyTorch, with pictures as rows of pixels") {
  using namespace vectors;
  const auto batch_norm = [](const Case& c, const Inputs<D>& in) -> Outputs<D> {
    const Shape shape = in[0].shape();
    nn::BatchNorm1d<D> norm{shape[1], c.attr("eps").number(), c.attr("momentum").number()};
    norm.mode.training = c.attr("training").boolean();
    norm.running_mean.assign(in[1]);
    norm.running_var.assign(in[2]);
    norm.weight.cell()->value = in[3];  // the inputs are leaves to differentiate by
    norm.bias.cell()->value = in[4];
    const Tensor<D> x = in[0].ndim() == 4 ? flatten(in[0], 2) : in[0];
    const Tensor<D> y = reshape(norm(x), shape);
    return {{y, *norm.running_mean, *norm.running_var}};
  };
  conform<D>("norm.safetensors", {{"batch_norm", batch_norm}},
             {"layer_norm", "group_norm", "rms_norm"});
}

DEVICE_TEST_CASE("In training a batch has mean 0 and variance 1, whatever it came as") {
  const nn::BatchNorm1d<D> norm{2};
  const Tensor<D> y = norm(Tensor<D>{{1, 1000}, {3, 3000}});
  CHECK(list(y)[0] == Approx(-1).epsilon(1e-4));
  CHECK(list(y)[1] == Approx(-1).epsilon(1e-4));
  CHECK(list(y)[2] == Approx(1).epsilon(1e-4));
  CHECK(list(*norm.running_mean)[1] == Approx(200));           // 0.1 of 2000
  CHECK(list(*norm.running_var)[0] == Approx(0.9 + 0.1 * 2));  // unbiased
}

DEVICE_TEST_CASE("In evaluation the running statistics are used and stay") {
  nn::BatchNorm1d<D> norm{1, 0.0};
  norm.running_mean.assign(Tensor<D>{2});
  norm.running_var.assign(Tensor<D>{4});
  nn::eval<D>(norm);
  CHECK(list(norm(Tensor<D>{{6}})) == List{2});  // one item will do
  CHECK(list(*norm.running_mean) == List{2});
  CHECK(list(*norm.running_var) == List{4});
}

TEST_CASE("Running statistics follow ten thousand batches in flat memory") {
  nn::BatchNorm1d<> norm{1};
  const Tensor<> x{{1}, {3}};
  const auto live = [&] {
    for (int i = 0; i < 5000; ++i) norm(x);
    CHECK(norm.running_mean->item() == Approx(2));
    return memory_stats<Cpu>().live;
  };
  const std::size_t before = live();
  CHECK(live() == before);
}

TEST_CASE("Batch norm refuses what has no features, other features, or one value for each") {
  nn::BatchNorm1d<> norm{3};
  CHECK(refusal([&] {
          norm(ones({2, 4}));
        }) == "batch_norm: input (2, 4) for 3 features; it takes (batch, 3) or (batch, 3, length)");
  CHECK(refusal([&] { norm(ones({3})); }) ==
        "batch_norm: input (3,) for 3 features; it takes (batch, 3) or (batch, 3, length)");
  CHECK(refusal([&] {
          norm(ones({1, 3}));
        }) == "batch_norm: training takes at least 2 values for each feature; input (1, 3) has 1");
  CHECK(refusal([&] {
          norm(ones({0, 3, 5}));
        }) ==
        "batch_norm: training takes at least 2 values for each feature; input (0, 3, 5) has 0");
  CHECK(norm(ones({1, 3, 2})).shape() == Shape{1, 3, 2});
  nn::eval(norm);
  CHECK(norm(ones({0, 3})).shape() == Shape{0, 3});
}

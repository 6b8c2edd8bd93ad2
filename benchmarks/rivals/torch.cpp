// The steps in libtorch, written as its tutorials write them.
#include <torch/torch.h>

#include "torch.hpp"

namespace rival {
namespace {

using torch::nn::BatchNorm1d, torch::nn::Dropout, torch::nn::Linear, torch::nn::ReLU,
    torch::nn::Sequential;

struct ResidualImpl : torch::nn::Module {
  explicit ResidualImpl(std::int64_t h)
      : body(register_module("body", Sequential(Linear(h, h / 2), BatchNorm1d(h / 2), ReLU(),
                                                Dropout(0.1), Linear(h / 2, h), BatchNorm1d(h)))) {}
  torch::Tensor forward(const torch::Tensor& x) { return x + body->forward(x); }
  Sequential body;
};
TORCH_MODULE(Residual);

class TorchTrainer : public Trainer {
 public:
  TorchTrainer(Sequential model, double weight_decay, const float* x, const std::int64_t* y,
               std::int64_t rows, std::int64_t columns)
      : model_(std::move(model)),
        adam_(model_->parameters(), torch::optim::AdamOptions(1e-3).weight_decay(weight_decay)),
        x_(torch::from_blob(const_cast<float*>(x), {rows, columns}).clone()),
        y_(torch::from_blob(const_cast<std::int64_t*>(y), {rows}, torch::kInt64).clone()) {}

  void step() override {
    loss_ = torch::nn::functional::cross_entropy(model_->forward(x_), y_);
    adam_.zero_grad();
    loss_.backward();
    adam_.step();
  }
  double loss() const override { return loss_.item<double>(); }

 private:
  Sequential model_;
  torch::optim::Adam adam_;
  torch::Tensor x_, y_, loss_;
};

}  // namespace

std::unique_ptr<Trainer> torch_mlp_resnet(const float* pictures, const std::int64_t* labels) {
  const std::int64_t h = 100;
  Sequential model(Linear(784, h), ReLU(), Residual(h), ReLU(), Residual(h), ReLU(), Residual(h),
                   ReLU(), Linear(h, 10));
  return std::make_unique<TorchTrainer>(model, 1e-3, pictures, labels, 100, 784);
}

std::unique_ptr<Trainer> torch_tiny_mlp(const float* rows, const std::int64_t* labels) {
  Sequential model(Linear(16, 32), ReLU(), Linear(32, 32), ReLU(), Linear(32, 4));
  return std::make_unique<TorchTrainer>(model, 0, rows, labels, 8, 16);
}

std::function<void()> torch_expression(const std::string& name, const float* x_values,
                                       const float* y_values, const float* z_values,
                                       std::int64_t rows, std::int64_t columns) {
  const auto copied = [&](const float* values) {
    return torch::from_blob(const_cast<float*>(values), {rows, columns}).clone();
  };
  const torch::Tensor x = copied(x_values), y = copied(y_values), z = copied(z_values);
  const auto task = [](auto f) -> std::function<void()> {
    return [f] {
      torch::NoGradGuard guard;
      const torch::Tensor result = f();
    };
  };
  if (name == "relu(a x + b)") return task([=] { return torch::relu(2.0 * x + 0.5); });
  if (name == "8 cheap ops") {
    return task([=] { return torch::maximum((((x + y) * 0.5 - z) * x + 1) * y, z) - 0.25; });
  }
  if (name == "x < y") return task([=] { return x < y; });
  if (name == "where(x < y, x, z)") return task([=] { return torch::where(x < y, x, z); });
  if (name == "sigmoid(x) tanh(y) + z") {
    return task([=] { return torch::sigmoid(x) * torch::tanh(y) + z; });
  }
  if (name == "exp(-x x)") return task([=] { return torch::exp(-x * x); });
  if (name == "softmax(x)") return task([=] { return torch::softmax(x, -1); });
  if (name == "sum(exp(x - 1))") return task([=] { return torch::exp(x - 1.0).sum(); });
  if (name == "sum(x)") return task([=] { return x.sum(); });
  if (name == "sum(x, rows)") return task([=] { return x.sum(1); });
  if (name == "sum(x, columns)") return task([=] { return x.sum(0); });
  if (name == "max(x)") return task([=] { return x.max(); });
  if (name == "argmax(x)") return task([=] { return x.argmax(); });
  if (name == "argmax(x, rows)") return task([=] { return x.argmax(1); });
  if (name == "argmax(x, columns)") return task([=] { return x.argmax(0); });
  return {};
}

void torch_set_num_threads(int threads) { torch::set_num_threads(threads); }

}  // namespace rival

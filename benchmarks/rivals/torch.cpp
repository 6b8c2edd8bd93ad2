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

void torch_set_num_threads(int threads) { torch::set_num_threads(threads); }

}  // namespace rival

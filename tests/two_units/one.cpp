#include "hostile.hpp"

#include <needle/needle.hpp>

const char* version_of_the_other_unit();
needle::Tensor<> loss_of_the_other_unit(const needle::Tensor<>& x);

namespace {

struct Model {
  needle::nn::Linear<> fc{.in = 2, .out = 2};
  auto operator()(const auto& x) const { return tanh(fc(x)); }
};

/// Whether a graph of both units evaluates and differentiates, with one allocator and one
/// generator.
bool one_library() {
  needle::manual_seed(0);
  Model model;
  needle::optim::SGD<> sgd(needle::nn::parameters(model), {.lr = 0.1});
  const needle::Tensor<> x{{1, 2}, {3, 4}};
  const float before = loss_of_the_other_unit(model(x)).item();
  loss_of_the_other_unit(model(x)).backward();
  sgd.step();
  return loss_of_the_other_unit(model(x)).item() < before;
}

}  // namespace

int main() {
  return std::strcmp(NEEDLE_VERSION, version_of_the_other_unit()) == 0 && one_library() ? 0 : 1;
}

// Stochastic gradient descent.
#pragma once

#include "needle/optim/optimizer.hpp"

namespace needle::optim {

/// Options of `SGD`, with PyTorch's names, defaults and meaning (the course's momentum is a moving
/// average instead).
struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// g += weight_decay p; b = momentum b + (1 - dampening) g (b = g at first); p -= lr b, or with nesterov
/// p -= lr (g + momentum b).
template <Device D = DefaultDevice>
class SGD {
 public:
  explicit SGD(std::vector<Ref<Cell<D>>> parameters, const SGDOptions& options = {})
      : options(options), cells_(std::move(parameters), options.momentum != 0 ? 1 : 0) {
    if (options.nesterov && (options.momentum <= 0 || options.dampening != 0)) {
      fail("sgd: nesterov takes a momentum above 0 and no dampening; got momentum ", options.momentum,
           ", dampening ", options.dampening);
    }
  }

  /// Updates every parameter that has a gradient.
  void step() {
    Rule rule;
    const Rule::Value p = rule.input();
    Rule::Value g = rule.input();
    if (options.weight_decay != 0) g = g + options.weight_decay * p;
    if (cells_.slots() > 0) {
      const Rule::Value old = rule.input();
      const Rule::Value b =
          steps_ == 0 ? 1.0 * g : options.momentum * old + (1 - options.dampening) * g;
      rule.output(b);
      g = options.nesterov ? g + options.momentum * b : b;
    }
    rule.output(p - options.lr * g);
    cells_.update(rule.program());
    ++steps_;
  }
  /// Forgets the gradients.
  void zero_grad() const { cells_.zero_grad(); }

  /// Its running values, for saving.
  std::map<std::string, Tensor<D>> state_dict() const { return cells_.state_dict({"momentum"}, steps_); }
  /// Continues from saved running values.
  void load_state(const std::map<std::string, Tensor<D>>& state) {
    steps_ = cells_.load_state({"momentum"}, state);
  }

  /// May be changed between steps.
  SGDOptions options;

 private:
  Cells<D> cells_;
  std::int64_t steps_ = 0;
};

template <Device D>
SGD(std::vector<Ref<Cell<D>>>, const SGDOptions&) -> SGD<D>;
template <Device D>
SGD(std::vector<Ref<Cell<D>>>) -> SGD<D>;

}  // namespace needle::optim

// Adam (Kingma and Ba 2015).
#pragma once

#include "needle/optim/optimizer.hpp"

namespace needle::optim {

/// Options of `Adam`, with PyTorch's names and defaults.
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  /// Added to the gradient (L2), as in PyTorch's Adam.
  double weight_decay = 0;
};

/// g += weight_decay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g g;
/// p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).
template <Device D = DefaultDevice>
class Adam {
 public:
  explicit Adam(std::vector<Ref<Cell<D>>> parameters, const AdamOptions& options = {})
      : options(options), cells_(std::move(parameters), 2) {}

  /// Updates every parameter that has a gradient.
  void step() {
    ++steps_;
    const double t = static_cast<double>(steps_);
    const double bias1 = 1 - std::pow(options.beta1, t), bias2 = 1 - std::pow(options.beta2, t);
    Rule rule;
    const Rule::Value p = rule.input();
    Rule::Value g = rule.input();
    const Rule::Value old_m = rule.input(), old_v = rule.input();
    if (options.weight_decay != 0) g = g + options.weight_decay * p;
    const Rule::Value m = options.beta1 * old_m + (1 - options.beta1) * g;
    const Rule::Value v = options.beta2 * old_v + (1 - options.beta2) * (g * g);
    rule.output(m);
    rule.output(v);
    rule.output(p - (options.lr / bias1) * m / ((1 / std::sqrt(bias2)) * sqrt(v) + options.eps));
    cells_.update(rule.program());
  }
  /// Forgets the gradients.
  void zero_grad() const { cells_.zero_grad(); }

  /// Its running values, for saving.
  std::map<std::string, Tensor<D>> state_dict() const {
    return cells_.state_dict({"exp_avg", "exp_avg_sq"}, steps_);
  }
  /// Continues from saved running values.
  void load_state(const std::map<std::string, Tensor<D>>& state) {
    steps_ = cells_.load_state({"exp_avg", "exp_avg_sq"}, state);
  }

  /// May be changed between steps.
  AdamOptions options;

 private:
  Cells<D> cells_;
  std::int64_t steps_ = 0;
};

template <Device D>
Adam(std::vector<Ref<Cell<D>>>, const AdamOptions&) -> Adam<D>;
template <Device D>
Adam(std::vector<Ref<Cell<D>>>) -> Adam<D>;

}  // namespace needle::optim

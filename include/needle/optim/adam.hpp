// Adam (Kingma and Ba 2015).
#pragma once

#include "needle/optim/optimizer.hpp"

namespace needle::optim {

/// Options of `Adam`, with PyTorch's names and defaults, which are those of the paper; what lies
/// outside of its range is refused.
struct AdamOptions {
  /// The learning rate, at least 0.
  double lr = 1e-3;
  /// How much of the mean of gradients stays after a step, in [0, 1).
  double beta1 = 0.9;
  /// How much of the mean of their squares stays, in [0, 1).
  double beta2 = 0.999;
  /// Added to the root of that mean, at least 0.
  double eps = 1e-8;
  /// This times the value is added to the gradient (L2), as in PyTorch's Adam; at least 0.
  double weight_decay = 0;
};

/// g += weight_decay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g g;
/// p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps); t counts a parameter's updates.
struct AdamRule {
  /// What the formula takes.
  AdamOptions options;
  /// lr / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
  double rate, scale;

  /// The rule for update t of a parameter, counted from 1.
  AdamRule(const AdamOptions& options, std::int64_t t)
      : options(options),
        rate(options.lr / (1 - std::pow(options.beta1, t))),
        scale(1 / std::sqrt(1 - std::pow(options.beta2, t))) {}

  /// The formula for one element; `number` makes a constant of a program.
  void operator()(const auto& number, auto& p, auto g, auto& m, auto& v) const {
    if (options.weight_decay != 0) g = g + number(options.weight_decay) * p;
    m = number(options.beta1) * m + number(1 - options.beta1) * g;
    v = number(options.beta2) * v + number(1 - options.beta2) * (g * g);
    p = p - number(rate) * (m / (number(scale) * sqrt(v) + number(options.eps)));
  }
};

/// Trains parameters by `AdamRule`: `Adam opt(nn::parameters(model), {.lr = 1e-3})`. Its running
/// values are "exp_avg" and "exp_avg_sq".
template <Device D = DefaultDevice>
class Adam : public Optimizer<D> {
 public:
  /// Trains these parameters, each once; refuses an empty list and options out of range.
  explicit Adam(const std::vector<Ref<Cell<D>>>& parameters, const AdamOptions& options = {})
      : Optimizer<D>("adam", {"exp_avg", "exp_avg_sq"}, parameters), options(options) {
    check_options();
  }

  /// Updates every parameter that has a gradient.
  void step() {
    check_options();
    this->template update<2>([&](std::int64_t t) { return AdamRule(options, t); });
  }

  /// May be changed between steps.
  AdamOptions options;

 private:
  void check_options() const {
    constexpr double infinity = __builtin_huge_val();
    check_option("adam", "lr", options.lr, 0, infinity);
    check_option("adam", "beta1", options.beta1, 0, 1);
    check_option("adam", "beta2", options.beta2, 0, 1);
    check_option("adam", "eps", options.eps, 0, infinity);
    check_option("adam", "weight_decay", options.weight_decay, 0, infinity);
  }
};

template <Device D>
Adam(std::vector<Ref<Cell<D>>>, const AdamOptions&) -> Adam<D>;
template <Device D>
Adam(std::vector<Ref<Cell<D>>>) -> Adam<D>;

}  // namespace needle::optim

// Stochastic gradient descent.
#pragma once

#include "needle/optim/optimizer.hpp"

namespace needle::optim {

/// Options of `SGD`, with PyTorch's names, defaults and meaning (in CMU's course Deep Learning
/// Systems, 10-414/714, momentum is a moving average instead); what lies outside of its range is
/// refused.
struct SGDOptions {
  /// The learning rate, at least 0.
  double lr = 1e-3;
  /// How much of the running sum of gradients stays after a step, at least 0; without it there is
  /// no sum.
  double momentum = 0;
  /// The share of a gradient that is left out of that sum, at least 0.
  double dampening = 0;
  /// This times the value is added to the gradient (L2); at least 0.
  double weight_decay = 0;
  /// Whether the step looks ahead by the momentum; it takes one above 0, and no dampening.
  bool nesterov = false;
};

/// g += weight_decay p; b = momentum b + (1 - dampening) g (b = g at first); p -= lr b, or with
/// nesterov p -= lr (g + momentum b).
struct SGDRule {
  /// What the formula takes.
  SGDOptions options;
  /// The factors of the old b and of g.
  double kept, taken;

  /// The rule for update t of a parameter, counted from 1.
  SGDRule(const SGDOptions& options, std::int64_t t)
      : options(options),
        kept(t == 1 ? 0 : options.momentum),
        taken(t == 1 ? 1 : 1 - options.dampening) {}

  /// The formula for one element, without momentum and with it; `number` makes a constant of a
  /// program.
  void operator()(const auto& number, auto& p, auto g) const {
    if (options.weight_decay != 0) g = g + number(options.weight_decay) * p;
    p = p - number(options.lr) * g;
  }
  void operator()(const auto& number, auto& p, auto g, auto& b) const {
    if (options.weight_decay != 0) g = g + number(options.weight_decay) * p;
    b = number(kept) * b + number(taken) * g;
    p = p - number(options.lr) * (options.nesterov ? g + number(options.momentum) * b : b);
  }
};

/// Trains parameters by `SGDRule`: `SGD opt(nn::parameters(model), {.lr = 0.1, .momentum = 0.9})`.
/// Its running value, with momentum, is "momentum_buffer".
template <Device D = DefaultDevice>
class SGD : public Optimizer<D> {
 public:
  /// Trains these parameters, each once; refuses an empty list and options out of range.
  explicit SGD(const std::vector<Ref<Cell<D>>>& parameters, const SGDOptions& options = {})
      : Optimizer<D>("sgd", {"momentum_buffer"}, parameters), options(options) {
    check_options();
  }

  /// Updates every parameter that has a gradient.
  void step() {
    check_options();
    const auto rule_at = [&](std::int64_t t) { return SGDRule(options, t); };
    if (options.momentum != 0) {
      this->template update<1>(rule_at);
    } else {
      this->template update<0>(rule_at);
    }
  }

  /// May be changed between steps.
  SGDOptions options;

 private:
  void check_options() const {
    constexpr double infinity = __builtin_huge_val();
    check_option("sgd", "lr", options.lr, 0, infinity);
    check_option("sgd", "momentum", options.momentum, 0, infinity);
    check_option("sgd", "dampening", options.dampening, 0, infinity);
    check_option("sgd", "weight_decay", options.weight_decay, 0, infinity);
    if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
      fail("sgd: nesterov takes a momentum above 0 and no dampening; got momentum ",
           options.momentum, ", dampening ", options.dampening);
    }
  }
};

template <Device D>
SGD(std::vector<Ref<Cell<D>>>, const SGDOptions&) -> SGD<D>;
template <Device D>
SGD(std::vector<Ref<Cell<D>>>) -> SGD<D>;

}  // namespace needle::optim

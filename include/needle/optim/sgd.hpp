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

/// g += weight_decay p; b = momentum b + (1 - dampening) g (b = g at first); p -= lr b, or with
/// nesterov p -= lr (g + momentum b).
struct SGDRule {
  SGDOptions options;
  double kept, taken;  // of the old b and of g

  SGDRule(const SGDOptions& options, std::int64_t t)
      : options(options),
        kept(t == 1 ? 0 : options.momentum),
        taken(t == 1 ? 1 : 1 - options.dampening) {}

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
template <Device D = DefaultDevice>
class SGD {
 public:
  explicit SGD(const std::vector<Ref<Cell<D>>>& parameters, const SGDOptions& options = {})
      : options(options), cells_("sgd", {"momentum_buffer"}, parameters) {
    check_options();
  }

  /// Updates every parameter that has a gradient.
  void step() {
    check_options();
    const auto rule_at = [&](std::int64_t t) { return SGDRule(options, t); };
    if (options.momentum != 0) {
      cells_.template step<1>(rule_at);
    } else {
      cells_.template step<0>(rule_at);
    }
  }
  /// Forgets the gradients.
  void zero_grad() const { cells_.zero_grad(); }

  /// Its running values, for saving: "0.momentum_buffer" and "0.step" for parameter 0.
  std::map<std::string, Tensor<D>> state_dict() const { return cells_.state_dict(); }
  /// Continues from saved running values; a state that does not fit is refused and changes nothing.
  void load_state(const std::map<std::string, Tensor<D>>& state) { cells_.load_state(state); }

  /// May be changed between steps.
  SGDOptions options;

 private:
  void check_options() const {
    constexpr double infinity = __builtin_huge_val();
    check_option("sgd", "lr", options.lr, 0, infinity);
    check_option("sgd", "momentum", options.momentum, 0, infinity);
    check_option("sgd", "weight_decay", options.weight_decay, 0, infinity);
    if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
      fail("sgd: nesterov takes a momentum above 0 and no dampening; got momentum ",
           options.momentum, ", dampening ", options.dampening);
    }
  }

  Cells<D> cells_;
};

template <Device D>
SGD(std::vector<Ref<Cell<D>>>, const SGDOptions&) -> SGD<D>;
template <Device D>
SGD(std::vector<Ref<Cell<D>>>) -> SGD<D>;

}  // namespace needle::optim

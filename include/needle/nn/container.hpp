// Modules made of modules.
#pragma once

#include "needle/nn/module.hpp"

namespace needle::nn {

/// Modules one after the other, named "0", "1", ...: `Sequential{Linear<>{4, 8}, ReLU{}}` (in
/// braces, so that every compiler draws the initial values in the order of the layers). One made of
/// another holds it as its part "0", as in PyTorch; `auto copy = model` copies.
template <class... M>
class Sequential {
 public:
  /// Takes modules, each of which is called with what the one before gives.
  explicit Sequential(M... modules) : modules_(std::move(modules)...) {}

  /// What the last module gives for x, which is handed from one to the next; x without any.
  template <class X>
  auto operator()(const X& x) const {
    return call<0>(x);
  }
  /// The i-th module.
  template <std::size_t i>
  auto& get() {
    return std::get<i>(modules_);
  }
  template <std::size_t i>
  const auto& get() const {
    return std::get<i>(modules_);
  }

  /// Lists the modules under their numbers.
  void fields(auto&& f) {
    [&]<std::size_t... i>(std::index_sequence<i...>) { (f(str(i), std::get<i>(modules_)), ...); }
    (std::index_sequence_for<M...>());
  }

 private:
  template <std::size_t i, class X>
  auto call(const X& x) const {
    if constexpr (i == sizeof...(M)) {
      return x;
    } else {
      return call<i + 1>(std::get<i>(modules_)(x));
    }
  }

  std::tuple<M...> modules_;
};
template <class... M>
Sequential(Sequential<M...>) -> Sequential<Sequential<M...>>;

/// A module with a connection around it: fn(x) + x (He et al. 2016).
template <class M>
struct Residual {
  /// The module that x goes around.
  M fn;
  /// x to the shape of fn(x) + x; it is refused where the two do not broadcast.
  auto operator()(const auto& x) const {
    const auto y = fn(x);
    broadcast_shapes(y.shape(), x.shape(), "residual");
    return y + x;
  }
};
template <class M>
Residual(M) -> Residual<M>;
template <class M>
Residual(Residual<M>) -> Residual<Residual<M>>;

}  // namespace needle::nn

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
  explicit Sequential(M... modules) : modules_(std::move(modules)...) {}

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

/// fn(x) + x.
template <class M>
struct Residual {
  M fn;
  auto operator()(const auto& x) const { return fn(x) + x; }
};
template <class M>
Residual(M) -> Residual<M>;
template <class M>
Residual(Residual<M>) -> Residual<Residual<M>>;

}  // namespace needle::nn

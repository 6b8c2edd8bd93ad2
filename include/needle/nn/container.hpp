// Modules made of modules.
#pragma once

#include "needle/nn/module.hpp"

namespace needle::nn {

/// Modules one after the other, named "0", "1", ...: `Sequential(Linear<>{4, 8}, ReLU{})`.
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
  auto& get() { return std::get<i>(modules_); }

  void fields(auto&& f) {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      (f(std::string_view(names[i].data()), std::get<i>(modules_)), ...);
    }(std::index_sequence_for<M...>());
  }

 private:
  static constexpr auto names = [] {  // "0" to "99"
    std::array<std::array<char, 3>, sizeof...(M)> names{};
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i < 10) names[i] = {static_cast<char>('0' + i), 0, 0};
      else names[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10), 0};
    }
    return names;
  }();

  template <std::size_t i, class X>
  auto call(const X& x) const {
    if constexpr (i == sizeof...(M)) return x;
    else return call<i + 1>(std::get<i>(modules_)(x));
  }

  std::tuple<M...> modules_;
};

/// fn(x) + x.
template <class M>
struct Residual {
  M fn;
  auto operator()(const auto& x) const { return fn(x) + x; }
};
template <class M>
Residual(M) -> Residual<M>;

}  // namespace needle::nn

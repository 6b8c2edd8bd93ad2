// Layers without parameters.
#pragma once

#include "needle/nn/module.hpp"
#include "needle/ops/reduction.hpp"

namespace needle::nn {

/// x itself.
struct Identity {
  auto operator()(const auto& x) const { return x; }
};
/// max(x, 0).
struct ReLU {
  auto operator()(const auto& x) const { return relu(x); }
};
/// Hyperbolic tangent.
struct Tanh {
  auto operator()(const auto& x) const { return tanh(x); }
};
/// 1 / (1 + e^-x).
struct Sigmoid {
  auto operator()(const auto& x) const { return sigmoid(x); }
};
/// All axes but the first made one.
struct Flatten {
  auto operator()(const auto& x) const { return flatten(x, 1); }
};

}  // namespace needle::nn

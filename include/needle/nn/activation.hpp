// Layers without parameters.
#pragma once

#include "needle/nn/module.hpp"
#include "needle/ops/reduction.hpp"

namespace needle::nn {

/// x itself, of any shape.
struct Identity {
  auto operator()(const auto& x) const { return x; }
};
/// max(x, 0), elementwise: x and the result have one shape.
struct ReLU {
  auto operator()(const auto& x) const { return relu(x); }
};
/// The hyperbolic tangent, elementwise: x and the result have one shape.
struct Tanh {
  auto operator()(const auto& x) const { return tanh(x); }
};
/// 1 / (1 + e^-x), elementwise: x and the result have one shape.
struct Sigmoid {
  auto operator()(const auto& x) const { return sigmoid(x); }
};
/// All axes but the first made one: (batch, a, b, ...) becomes (batch, a b ...).
struct Flatten {
  auto operator()(const auto& x) const { return flatten(x, 1); }
};

}  // namespace needle::nn

// Elementwise arithmetic and functions. Inputs broadcast as in NumPy; gradients are graph. One list
// of some twenty ops, and longer than other files for it: first what they are, then how to call
// them.
#pragma once

#include <cmath>

#include "needle/graph/apply.hpp"

namespace needle {

/// A constant that does not change the dtype of arithmetic with x: a whole number stays one beside
/// integers, everything else is real.
template <Device D, Number S>
Tensor<D> constant_like(const Tensor<D>& x, S value) {
  const bool whole = std::is_integral_v<S> && !is_float(x.dtype());
  return constant<D>(static_cast<double>(value), Shape{}, whole ? Dtype::int32 : real<D>);
}

namespace ops {
/// -x
struct Negate {
  using Function = scalar::Negate;
  static constexpr unsigned reads = reads_nothing;
  static auto gradient(const auto& g, const auto&, const auto&) { return std::array{-g}; }
};
/// |x|
struct Abs {
  using Function = scalar::Abs;
  static constexpr unsigned reads = reads_input(0);
  static auto gradient(const auto& g, const auto&, const auto& x) {
    return std::array{g * sign(x)};
  }
};
/// -1, 0 or 1
struct Sign {
  using Function = scalar::Sign;
  static constexpr unsigned reads = reads_nothing;
  static auto gradient(const auto& g, const auto&, const auto&) {
    return std::array{std::decay_t<decltype(g)>()};
  }
};
/// e to the power x
struct Exp {
  using Function = scalar::Exp;
  static constexpr unsigned reads = reads_output;
  static auto gradient(const auto& g, const auto& y, const auto&) { return std::array{g * y}; }
};
/// natural logarithm
struct Log {
  using Function = scalar::Log;
  static constexpr unsigned reads = reads_input(0);
  static auto gradient(const auto& g, const auto&, const auto& x) { return std::array{g / x}; }
};
/// square root
struct Sqrt {
  using Function = scalar::Sqrt;
  static constexpr unsigned reads = reads_output;
  static auto gradient(const auto& g, const auto& y, const auto&) {
    return std::array{g * 0.5 / y};
  }
};
/// hyperbolic tangent
struct Tanh {
  using Function = scalar::Tanh;
  static constexpr unsigned reads = reads_output;
  static auto gradient(const auto& g, const auto& y, const auto&) {
    return std::array{g * (1 - y * y)};
  }
};
/// the error function
struct Erf {
  using Function = scalar::Erf;
  static constexpr unsigned reads = reads_input(0);
  static auto gradient(const auto& g, const auto&, const auto& x) {
    return std::array{g * (1.1283791670955126 * exp(-x * x))};  // 2 / sqrt(pi)
  }
};
/// sine
struct Sin {
  using Function = scalar::Sin;
  static constexpr unsigned reads = reads_input(0);
  static auto gradient(const auto& g, const auto&, const auto& x) { return std::array{g * cos(x)}; }
};
/// cosine
struct Cos {
  using Function = scalar::Cos;
  static constexpr unsigned reads = reads_input(0);
  static auto gradient(const auto& g, const auto&, const auto& x) {
    return std::array{-g * sin(x)};
  }
};
/// 1 / (1 + e^-x)
struct Sigmoid {
  using Function = scalar::Sigmoid;
  static constexpr unsigned reads = reads_output;
  static auto gradient(const auto& g, const auto& y, const auto&) {
    return std::array{g * y * (1 - y)};
  }
};
/// max(x, 0)
struct Relu {
  using Function = scalar::Relu;
  static constexpr unsigned reads = reads_output;
  static auto gradient(const auto& g, const auto& y, const auto&) {
    return std::array{where(y > 0, g, 0)};
  }
};
/// a + b
struct Add {
  using Function = scalar::Add;
  static constexpr unsigned reads = reads_nothing;
  static auto gradient(const auto& g, const auto&, const auto&, const auto&) {
    return std::array{g, g};
  }
};
/// a - b
struct Subtract {
  using Function = scalar::Subtract;
  static constexpr unsigned reads = reads_nothing;
  static auto gradient(const auto& g, const auto&, const auto&, const auto&) {
    return std::array{g, -g};
  }
};
/// a b
struct Multiply {
  using Function = scalar::Multiply;
  static constexpr std::array reads{reads_input(1), reads_input(0)};
  static auto gradient(const auto& g, const auto&, const auto& a, const auto& b) {
    return std::array{g * b, g * a};
  }
};
/// a / b
struct Divide {
  using Function = scalar::Divide;
  static constexpr std::array reads{reads_input(1), reads_output | reads_input(1)};
  static auto gradient(const auto& g, const auto& y, const auto&, const auto& b) {
    return std::array{g / b, -g * y / b};
  }
};
/// a to the power b
struct Power {
  using Function = scalar::Power;
  static auto gradient(const auto& g, const auto& y, const auto& a, const auto& b) {
    // Anything to the power 0 is 1 whatever it is changed to; where b is differentiated too,
    // d2/dadb is 1/a there, so only where that is no number. And 0 to a power that is not negative
    // stays what it is. The choice is made before `pow` and `log`: after them, derivatives of the
    // branch not taken would be 0 times infinity.
    const auto zero = b == 0;
    const auto flat = b.requires_grad() ? zero * ((abs(1 / a) < HUGE_VAL) == 0) : zero;
    const auto exponent = where(flat, 1, b) - 1;
    const auto base = where((a == 0) * (b >= 0), 1, a);
    return std::array{g * b * pow(a, exponent), g * y * log(base)};
  }
};
/// the larger of a and b
struct Maximum {
  using Function = scalar::Maximum;
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  static auto gradient(const auto& g, const auto&, const auto& a, const auto& b) {
    const auto half = where(a == b, g * 0.5, 0);
    return std::array{where(a > b, g, half), where(b > a, g, half)};
  }
};
/// the smaller of a and b
struct Minimum {
  using Function = scalar::Minimum;
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  static auto gradient(const auto& g, const auto&, const auto& a, const auto& b) {
    const auto half = where(a == b, g * 0.5, 0);
    return std::array{where(a < b, g, half), where(b < a, g, half)};
  }
};
/// x held between two bounds
struct Clamp {
  using Function = scalar::Clamp;
  static constexpr unsigned reads = reads_output | reads_input(0);
  static auto gradient(const auto& g, const auto& y, const auto& x, const auto&, const auto&) {
    using Tensor = std::decay_t<decltype(g)>;
    return std::array{where(x == y, g, 0), Tensor(), Tensor()};
  }
};
}  // namespace ops

/// -x
template <Device D>
Tensor<D> operator-(const Tensor<D>& x) {
  return apply(ops::Negate{}, x);
}
/// |x|; its gradient is 0 at 0.
template <Device D>
Tensor<D> abs(const Tensor<D>& x) {
  return apply(ops::Abs{}, x);
}
/// -1, 0 or 1; its gradient is 0 everywhere.
template <Device D>
Tensor<D> sign(const Tensor<D>& x) {
  return apply(ops::Sign{}, x);
}
/// e to the power x; in float infinity above 88.7, 0 below -104.
template <Device D>
Tensor<D> exp(const Tensor<D>& x) {
  return apply(ops::Exp{}, x);
}
/// Natural logarithm; -infinity at 0, NaN below.
template <Device D>
Tensor<D> log(const Tensor<D>& x) {
  return apply(ops::Log{}, x);
}
/// Square root; NaN below 0, and its gradient is infinite at 0.
template <Device D>
Tensor<D> sqrt(const Tensor<D>& x) {
  return apply(ops::Sqrt{}, x);
}
/// Hyperbolic tangent.
template <Device D>
Tensor<D> tanh(const Tensor<D>& x) {
  return apply(ops::Tanh{}, x);
}
/// The error function.
template <Device D>
Tensor<D> erf(const Tensor<D>& x) {
  return apply(ops::Erf{}, x);
}
/// Sine of an angle in radians.
template <Device D>
Tensor<D> sin(const Tensor<D>& x) {
  return apply(ops::Sin{}, x);
}
/// Cosine of an angle in radians.
template <Device D>
Tensor<D> cos(const Tensor<D>& x) {
  return apply(ops::Cos{}, x);
}
/// 1 / (1 + e^-x).
template <Device D>
Tensor<D> sigmoid(const Tensor<D>& x) {
  return apply(ops::Sigmoid{}, x);
}
/// max(x, 0); its gradient is 0 at 0.
template <Device D>
Tensor<D> relu(const Tensor<D>& x) {
  return apply(ops::Relu{}, x);
}
/// x held in [low, high], or high where low is above it; its gradient is 1 at the bounds and 0
/// beyond. Integers stay integers between whole bounds.
template <Device D, Number Low, Number High>
Tensor<D> clamp(const Tensor<D>& x, Low low, High high) {
  return apply(ops::Clamp{}, x, constant_like(x, low), constant_like(x, high));
}
/// 1 / sqrt(x); infinity at 0, NaN below.
template <Device D>
Tensor<D> rsqrt(const Tensor<D>& x) {
  return 1 / sqrt(x);
}
/// x x.
template <Device D>
Tensor<D> square(const Tensor<D>& x) {
  return x * x;
}

/// a to the power b, elementwise and always real; shapes broadcast. NaN for a finite a below 0 and
/// a b that is not whole.
template <Device D>
Tensor<D> pow(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Power{}, a, b);
}
/// x to a fixed power, always real; 2, 3, 1/2 and -1 are done without a logarithm.
template <Device D>
Tensor<D> pow(const Tensor<D>& x, double exponent) {
  if (!is_float(x.dtype())) return pow(x * 1.0, exponent);
  if (exponent == 1) return x * 1.0;
  if (exponent == 2) return x * x;
  if (exponent == 3) return x * x * x;
  if (exponent == 0.5) return sqrt(x);
  if (exponent == -1) return 1.0 / x;
  return apply(ops::Power{}, x, constant<D>(exponent, Shape{}));
}
/// a to the power x, elementwise.
template <Device D, Number S>
Tensor<D> pow(S a, const Tensor<D>& x) {
  return apply(ops::Power{}, constant_like(x, a), x);
}

// The rest of this file gives each function of two operands its three forms: tensor and tensor,
// tensor and number, number and tensor.

/// a + b; shapes broadcast.
template <Device D>
Tensor<D> operator+(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Add{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator+(const Tensor<D>& a, S b) {
  return apply(ops::Add{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator+(S a, const Tensor<D>& b) {
  return apply(ops::Add{}, constant_like(b, a), b);
}

/// a - b; shapes broadcast.
template <Device D>
Tensor<D> operator-(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Subtract{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator-(const Tensor<D>& a, S b) {
  return apply(ops::Subtract{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator-(S a, const Tensor<D>& b) {
  return apply(ops::Subtract{}, constant_like(b, a), b);
}

/// a b, elementwise; shapes broadcast.
template <Device D>
Tensor<D> operator*(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Multiply{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator*(const Tensor<D>& a, S b) {
  return apply(ops::Multiply{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator*(S a, const Tensor<D>& b) {
  return apply(ops::Multiply{}, constant_like(b, a), b);
}

/// a / b, elementwise and always real; shapes broadcast.
template <Device D>
Tensor<D> operator/(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Divide{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator/(const Tensor<D>& a, S b) {
  return apply(ops::Divide{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator/(S a, const Tensor<D>& b) {
  return apply(ops::Divide{}, constant_like(b, a), b);
}

/// The larger one; shapes broadcast, and at ties each takes half of the gradient.
template <Device D>
Tensor<D> maximum(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Maximum{}, a, b);
}
template <Device D, Number S>
Tensor<D> maximum(const Tensor<D>& a, S b) {
  return apply(ops::Maximum{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> maximum(S a, const Tensor<D>& b) {
  return apply(ops::Maximum{}, constant_like(b, a), b);
}

/// The smaller one; shapes broadcast, and at ties each takes half of the gradient.
template <Device D>
Tensor<D> minimum(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Minimum{}, a, b);
}
template <Device D, Number S>
Tensor<D> minimum(const Tensor<D>& a, S b) {
  return apply(ops::Minimum{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> minimum(S a, const Tensor<D>& b) {
  return apply(ops::Minimum{}, constant_like(b, a), b);
}

/// Arithmetic that gives the left-hand name a new value; other handles keep the old one.
template <Device D, class T>
Tensor<D>& operator+=(Tensor<D>& a, const T& b) {
  return a = a + b;
}
template <Device D, class T>
Tensor<D>& operator-=(Tensor<D>& a, const T& b) {
  return a = a - b;
}
template <Device D, class T>
Tensor<D>& operator*=(Tensor<D>& a, const T& b) {
  return a = a * b;
}
template <Device D, class T>
Tensor<D>& operator/=(Tensor<D>& a, const T& b) {
  return a = a / b;
}

}  // namespace needle

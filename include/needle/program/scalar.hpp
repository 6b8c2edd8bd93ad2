// Scalar functions, each written once. The same definition is the CPU's vector loop, the GPU's
// kernel and the reference device's loop in double precision: `R` is float, double, std::int32_t
// or, where whole numbers are added up, std::int64_t.
//
// To add one: write the struct, put its name into `RealFunctions` (or into `NumberFunctions` if it
// means something for integers too), and give it an op in ops/elementwise.hpp. (A cheap one may
// have a link in cpu/chain.hpp too, which spares it a pass through the cache.) Functions are
// branch-free, so that loops over them vectorise. Comparisons give 0 or 1. Integers wrap around.
// (Longer than other files: it is one list, read by its names.)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "needle/program/math.hpp"

namespace needle::scalar {

/// The type in which `R` can wrap around: unsigned for integers, `R` itself for floating point.
template <class R>
using Wrapping = typename std::conditional_t<std::is_integral_v<R>, std::make_unsigned<R>,
                                             std::type_identity<R>>::type;

/// `yes` where the condition holds, else `no`: by masks in float, which g++ always vectorises.
template <class R>
NEEDLE_FN R choose(bool condition, R yes, R no) {
  if constexpr (std::is_same_v<R, float>) return math::detail::select(condition, yes, no);
  else return condition ? yes : no;
}

/// x
struct Identity {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return x;
  }
};
/// -x
struct Negate {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return static_cast<R>(-static_cast<Wrapping<R>>(x));
  }
};
/// |x|
struct Abs {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    if constexpr (std::is_integral_v<R>) return x < 0 ? Negate::apply(x) : x;
    else return math::abs(x);
  }
};
/// -1, 0 or 1
struct Sign {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return choose(x > R(0), R(1), choose(x < R(0), R(-1), R(0)));
  }
};
/// e to the power x
struct Exp {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::exp(x);
  }
};
/// natural logarithm
struct Log {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::log(x);
  }
};
/// square root
struct Sqrt {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::sqrt(x);
  }
};
/// hyperbolic tangent
struct Tanh {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::tanh(x);
  }
};
/// the error function
struct Erf {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::erf(x);
  }
};
/// sine
struct Sin {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::sin(x);
  }
  /// The branch-free form for the arguments that `is_common` accepts.
  NEEDLE_FN static float common(float x) { return math::sin_small(x); }
  /// Whether the branch-free form takes an argument.
  NEEDLE_FN static bool is_common(float x) { return math::abs(x) <= math::small_angle; }
};
/// cosine
struct Cos {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return math::cos(x);
  }
  /// The branch-free form for the arguments that `is_common` accepts.
  NEEDLE_FN static float common(float x) { return math::cos_small(x); }
  /// Whether the branch-free form takes an argument.
  NEEDLE_FN static bool is_common(float x) { return math::abs(x) <= math::small_angle; }
};
/// 1 / (1 + e^-x)
struct Sigmoid {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return R(1) / (R(1) + math::exp(-x));
  }
};
/// max(x, 0); NaN stays NaN
struct Relu {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return x < R(0) ? R(0) : x;
  }
};
/// x + y
struct Add {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return static_cast<R>(static_cast<Wrapping<R>>(x) + static_cast<Wrapping<R>>(y));
  }
};
/// x - y
struct Subtract {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return static_cast<R>(static_cast<Wrapping<R>>(x) - static_cast<Wrapping<R>>(y));
  }
};
/// x y
struct Multiply {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return static_cast<R>(static_cast<Wrapping<R>>(x) * static_cast<Wrapping<R>>(y));
  }
};
/// x / y
struct Divide {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return x / y;
  }
};
/// x to the power y
struct Power {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return math::pow(x, y);
  }
};
/// the larger one; NaN if either is NaN
struct Maximum {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return choose(x != x, x, x > y ? x : y);
  }
};
/// the smaller one; NaN if either is NaN
struct Minimum {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return choose(x != x, x, x < y ? x : y);
  }
};
/// x = y
struct Equal {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return x == y ? R(1) : R(0);
  }
};
/// x != y
struct NotEqual {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return x != y ? R(1) : R(0);
  }
};
/// x < y
struct Less {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return x < y ? R(1) : R(0);
  }
};
/// x <= y
struct LessEqual {
  template <class R>
  NEEDLE_FN static R apply(R x, R y) {
    return x <= y ? R(1) : R(0);
  }
};
/// x where the condition is not 0, else y
struct Where {
  template <class R>
  NEEDLE_FN static R apply(R condition, R x, R y) {
    return condition != R(0) ? x : y;
  }
};
/// x held between two bounds; NaN stays NaN
struct Clamp {
  template <class R>
  NEEDLE_FN static R apply(R x, R low, R high) {
    const R raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
};
/// towards zero to a whole number, held in the range of int32; NaN becomes 0
struct ToInt32 {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    if constexpr (std::is_integral_v<R>) return x;
    else return choose(x > high<R>, R(2147483647.0), static_cast<R>(whole(x)));
  }
  /// The same as an integer (in float, 2147483647 is not a number but 2147483648 is).
  template <class R>
  NEEDLE_FN static std::int32_t convert(R x) {
    if constexpr (std::is_integral_v<R>) return static_cast<std::int32_t>(x);
    else return x > high<R> ? std::int32_t{2147483647} : whole(x);
  }

 private:
  /// The largest number below 2^31.
  template <class R>
  static constexpr R high = std::is_same_v<R, float> ? R(2147483520.0) : R(2147483647.0);
  template <class R>
  NEEDLE_FN static std::int32_t whole(R x) {
    return static_cast<std::int32_t>(
        Clamp::apply(choose(x == x, x, R(0)), R(-2147483648.0), high<R>));
  }
};
/// towards zero to a whole number from 0 to 255; NaN becomes 0
struct ToUint8 {
  template <class R>
  NEEDLE_FN static R apply(R x) {
    return ToInt32::apply(Clamp::apply(x == x ? x : R(0), R(0), R(255)));
  }
};

/// A list of scalar functions.
template <class... F>
struct List {
  /// How many there are.
  static constexpr int size = sizeof...(F);
};
/// Functions that have no meaning on integers; a program in int32 never holds them.
using RealFunctions = List<Exp, Log, Sqrt, Tanh, Erf, Sin, Cos, Sigmoid, Divide, Power>;
/// Functions of real numbers and of integers.
using NumberFunctions =
    List<Identity, Negate, Abs, Sign, Relu, Add, Subtract, Multiply, Maximum, Minimum, Equal,
         NotEqual, Less, LessEqual, Where, Clamp, ToInt32, ToUint8>;
/// Two lists as one.
template <class... A, class... B>
List<A..., B...> joined(List<A...>, List<B...>);
/// All of them, in the order of their numbers.
using ScalarFunctions = decltype(joined(RealFunctions{}, NumberFunctions{}));

/// How many operands a scalar function takes: 1, 2 or 3.
template <class F>
inline constexpr int arity = requires(double x) {
  F::apply(x);
}
? 1 : requires(double x) { F::apply(x, x); }
? 2 : 3;

/// The place of a function in a list; its size where it is not there.
template <class F, class... Fs>
constexpr int index_in(List<Fs...>) {
  int index = 0;
  (void)((std::is_same_v<F, Fs> || (++index, false)) || ...);
  return index;
}

/// The number of a scalar function in `ScalarFunctions`.
template <class F>
inline constexpr int code = [] {
  constexpr int index = index_in<F>(ScalarFunctions{});
  static_assert(index < ScalarFunctions::size,
                "needle: this scalar function is in none of the lists of program/scalar.hpp");
  return index;
}();

/// Whether a function gives nothing but 0 and 1.
constexpr bool is_comparison(int function) {
  return function >= code<Equal> && function <= code<LessEqual>;
}

/// The arities of a list of functions.
template <class... F>
constexpr auto arities_of(List<F...>) {
  return std::array<std::uint8_t, sizeof...(F)>{static_cast<std::uint8_t>(arity<F>)...};
}
/// The arities of all functions, by their numbers.
inline constexpr auto arities = arities_of(ScalarFunctions{});

/// Whether a function is one of `RealFunctions`.
template <class F>
inline constexpr bool real_only = index_in<F>(RealFunctions{}) < RealFunctions::size;

}  // namespace needle::scalar

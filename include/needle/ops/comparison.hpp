// Comparisons: 1 where they hold and 0 elsewhere, in uint8, without a gradient; and the choice by
// them.
#pragma once

#include "needle/ops/elementwise.hpp"

namespace needle {

namespace detail {
template <class F>
struct Comparison {
  using Function = F;
  static constexpr unsigned reads = reads_nothing;
  static Dtype dtype(Dtype, Dtype) { return Dtype::uint8; }
};
}  // namespace detail

namespace ops {
/// a == b
struct Equal : detail::Comparison<scalar::Equal> {};
/// a != b
struct NotEqual : detail::Comparison<scalar::NotEqual> {};
/// a < b, and b > a
struct Less : detail::Comparison<scalar::Less> {};
/// a <= b, and b >= a
struct LessEqual : detail::Comparison<scalar::LessEqual> {};

/// a where the condition is not 0, else b; the gradient goes to the one that was chosen
struct Where {
  using Function = scalar::Where;
  static constexpr unsigned reads = reads_input(0);
  template <Device D>
  static Dtype dtype(Dtype, Dtype a, Dtype b) {
    return is_float(a) || is_float(b) ? real<D> : Dtype::int32;
  }
  static auto gradient(const auto& g, const auto&, const auto& condition, const auto&,
                       const auto&) {
    using Tensor = std::decay_t<decltype(g)>;
    return std::array{Tensor(), where(condition, g, 0), where(condition, 0, g)};
  }
};
}  // namespace ops

/// Where a and b are equal; shapes broadcast.
template <Device D>
Tensor<D> operator==(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Equal{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator==(const Tensor<D>& a, S b) {
  return apply(ops::Equal{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator==(S a, const Tensor<D>& b) {
  return apply(ops::Equal{}, constant_like(b, a), b);
}

/// Where a and b differ; shapes broadcast.
template <Device D>
Tensor<D> operator!=(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::NotEqual{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator!=(const Tensor<D>& a, S b) {
  return apply(ops::NotEqual{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator!=(S a, const Tensor<D>& b) {
  return apply(ops::NotEqual{}, constant_like(b, a), b);
}

/// Where a < b; shapes broadcast.
template <Device D>
Tensor<D> operator<(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::Less{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator<(const Tensor<D>& a, S b) {
  return apply(ops::Less{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator<(S a, const Tensor<D>& b) {
  return apply(ops::Less{}, constant_like(b, a), b);
}

/// Where a > b; shapes broadcast.
template <Device D>
Tensor<D> operator>(const Tensor<D>& a, const Tensor<D>& b) {
  broadcast_shapes(a.shape(), b.shape(), "greater");
  return apply(ops::Less{}, b, a);
}
template <Device D, Number S>
Tensor<D> operator>(const Tensor<D>& a, S b) {
  return apply(ops::Less{}, constant_like(a, b), a);
}
template <Device D, Number S>
Tensor<D> operator>(S a, const Tensor<D>& b) {
  return apply(ops::Less{}, b, constant_like(b, a));
}

/// Where a <= b; shapes broadcast.
template <Device D>
Tensor<D> operator<=(const Tensor<D>& a, const Tensor<D>& b) {
  return apply(ops::LessEqual{}, a, b);
}
template <Device D, Number S>
Tensor<D> operator<=(const Tensor<D>& a, S b) {
  return apply(ops::LessEqual{}, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> operator<=(S a, const Tensor<D>& b) {
  return apply(ops::LessEqual{}, constant_like(b, a), b);
}

/// Where a >= b; shapes broadcast.
template <Device D>
Tensor<D> operator>=(const Tensor<D>& a, const Tensor<D>& b) {
  broadcast_shapes(a.shape(), b.shape(), "greater_equal");
  return apply(ops::LessEqual{}, b, a);
}
template <Device D, Number S>
Tensor<D> operator>=(const Tensor<D>& a, S b) {
  return apply(ops::LessEqual{}, constant_like(a, b), a);
}
template <Device D, Number S>
Tensor<D> operator>=(S a, const Tensor<D>& b) {
  return apply(ops::LessEqual{}, b, constant_like(b, a));
}

/// a where the condition is not 0, else b; the three shapes broadcast. Real if a or b is, else
/// int32.
template <Device D>
Tensor<D> where(const Tensor<D>& condition, const Tensor<D>& a, const Tensor<D>& b) {
  // A real condition would make real arithmetic of whole numbers, which may not hold them.
  const bool whole = is_float(condition.dtype()) && !is_float(a.dtype()) && !is_float(b.dtype());
  return apply(ops::Where{}, whole ? condition != 0 : condition, a, b);
}
template <Device D, Number S>
Tensor<D> where(const Tensor<D>& condition, const Tensor<D>& a, S b) {
  return where(condition, a, constant_like(a, b));
}
template <Device D, Number S>
Tensor<D> where(const Tensor<D>& condition, S a, const Tensor<D>& b) {
  return where(condition, constant_like(b, a), b);
}
template <Device D, Number A, Number B>
Tensor<D> where(const Tensor<D>& condition, A a, B b) {
  constexpr bool whole = std::is_integral_v<A> && std::is_integral_v<B>;
  const Dtype dtype = whole ? Dtype::int32 : real<D>;
  return where(condition, constant<D>(static_cast<double>(a), Shape{}, dtype),
               constant<D>(static_cast<double>(b), Shape{}, dtype));
}

}  // namespace needle

// What the compiler says of an op whose operands are on two devices: a sentence in place of all the
// overloads that do not fit.
#pragma once

#include "needle/graph/tensor.hpp"

namespace needle {

namespace detail {
template <Device A, Device B>
inline constexpr bool one_device = false;
template <Device D>
inline constexpr bool one_device<D, D> = true;
}  // namespace detail

#define NEEDLE_REFUSES_TWO_DEVICES(F)                                                        \
  template <Device A, Device B>                                                              \
  requires(!detail::one_device<A, B>) Tensor<A> F(const Tensor<A>& a, const Tensor<B>&) {    \
    static_assert(detail::one_device<A, B>,                                                  \
                  "needle: operands are on two devices; move one with x.to<Other>() first"); \
    return a;                                                                                \
  }
/// Refused by the compiler: `to` moves a tensor to another device.
NEEDLE_REFUSES_TWO_DEVICES(operator+)
NEEDLE_REFUSES_TWO_DEVICES(operator-)
NEEDLE_REFUSES_TWO_DEVICES(operator*)
NEEDLE_REFUSES_TWO_DEVICES(operator/)
NEEDLE_REFUSES_TWO_DEVICES(operator==)
NEEDLE_REFUSES_TWO_DEVICES(operator!=)
NEEDLE_REFUSES_TWO_DEVICES(operator<)
NEEDLE_REFUSES_TWO_DEVICES(operator>)
NEEDLE_REFUSES_TWO_DEVICES(operator<=)
NEEDLE_REFUSES_TWO_DEVICES(operator>=)
NEEDLE_REFUSES_TWO_DEVICES(maximum)
NEEDLE_REFUSES_TWO_DEVICES(minimum)
NEEDLE_REFUSES_TWO_DEVICES(pow)
NEEDLE_REFUSES_TWO_DEVICES(matmul)
NEEDLE_REFUSES_TWO_DEVICES(cross_entropy)
NEEDLE_REFUSES_TWO_DEVICES(mse_loss)
#undef NEEDLE_REFUSES_TWO_DEVICES

}  // namespace needle

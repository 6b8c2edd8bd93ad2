// From one device to another.
#pragma once

#include "needle/graph/tape.hpp"

namespace needle {

namespace detail {

/// The values of x in another device's memory, without history.
template <Device To, Device D>
Tensor<To> moved(const Tensor<D>& x) {
  if constexpr (std::same_as<D, To>) {
    return x.detach();
  } else {
    const Tensor<To> y = visit(arithmetic_dtype<D>(x.dtype()), [&]<class T>(T) {
      return Tensor<To>(x.template values<T>(), x.shape());
    });
    return is_half(x.dtype()) ? Tensor<To>(converted(y.data(), x.dtype())) : y;
  }
}

/// What came from device `From`, and the way back.
template <Device D, Device From>
struct TransferFrom final : Transfer<D> {
  explicit TransferFrom(const Tensor<From>& x) : Transfer<D>(moved<D>(x).data()), source(x) {
    this->come_after(x.node().id);
  }

  void collect(Tapes& tapes) const override { tapes.of<From>().visit(source.node()); }
  bool leads(Tapes& tapes) const override { return tapes.of<From>().leads(source.node()); }
  void give(Tapes& tapes, const Tensor<D>& g) const override {
    tapes.of<From>().give(source.node(), g.template to<From>());
  }
  void forget() override { source = {}; }

  Tensor<From> source;
};

}  // namespace detail

template <Device To, Device D>
Tensor<To> transferred(const Tensor<D>& x) {
  if constexpr (std::same_as<D, To>) {
    return x;
  } else {
    if (!x.requires_grad() || !detail::thread_mode.recording) return detail::moved<To>(x);
    return Tensor<To>(Ref<Expression<To>>(new detail::TransferFrom<To, D>(x)));
  }
}

}  // namespace needle

// From one device to another.
#pragma once

#include "needle/graph/realize.hpp"

namespace needle {

template <Device To, Device D>
Tensor<To> transferred(const Tensor<D>& x) {
  if constexpr (std::same_as<D, To>) {
    return x;
  } else {
    if (x.requires_grad() && detail::thread_mode.recording) {
      fail("to: gradients do not cross devices; use detach() on this result of ", x.op());
    }
    const Tensor<To> y = visit(arithmetic_dtype<D>(x.dtype()), [&]<class T>(T) {
      return Tensor<To>(x.template values<T>(), x.shape());
    });
    return is_half(x.dtype()) ? Tensor<To>(converted(y.data(), x.dtype())) : y;
  }
}

}  // namespace needle

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
    return visit(x.dtype(), [&]<class T>(T) {
      return Tensor<To>(x.template values<T>(), x.shape());
    });
  }
}

}  // namespace needle

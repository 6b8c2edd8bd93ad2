// From one device to another.
#pragma once

#include "needle/graph/schedule.hpp"

namespace needle {

template <Device D>
template <Device To>
Tensor<To> Tensor<D>::to() const {
  if constexpr (std::same_as<D, To>) {
    return *this;
  } else {
    if (requires_grad() && detail::thread_mode.recording) {
      fail("to: gradients do not cross devices; use detach() on this result of ", op());
    }
    return visit(dtype(), [&]<class T>(T) { return Tensor<To>(values<T>(), shape()); });
  }
}

}  // namespace needle

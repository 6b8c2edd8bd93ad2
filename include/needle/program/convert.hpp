// From one element type to another, the same on every device.
#pragma once

#include "needle/core/dtype.hpp"
#include "needle/program/scalar.hpp"

namespace needle {

/// An element as another type; floating point goes towards zero, held in the range of integers, and
/// to the nearest float of 16 bits.
template <class To, class From>
NEEDLE_FN To convert(From x) {
  if constexpr (std::is_same_v<To, From> || std::is_floating_point_v<To> || Half<To>) {
    return static_cast<To>(x);
  } else if constexpr (Half<From>) {
    return convert<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, std::uint8_t>) {
    return static_cast<To>(static_cast<std::int32_t>(scalar::ToUint8::apply(x)));
  } else {
    return scalar::ToInt32::convert(x);
  }
}

}  // namespace needle

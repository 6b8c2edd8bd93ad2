// The values of a node: its array, and the elements as the host reads them.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "needle/graph/expression.hpp"
#include "needle/program/backend.hpp"

namespace needle {

/// A C++ number: what elements convert to, and the other operand of a tensor.
template <class T>
concept Number = std::is_arithmetic_v<T>;

namespace detail {
/// A number as another type, as by `cast`: a whole number that `T` does not hold becomes the
/// nearest that it does, and NaN 0.
template <Number T, Number From>
T saturated(From x) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    if constexpr (std::floating_point<From>) {
      if (x != x) return 0;
      if (x < static_cast<From>((Limits::min)())) return (Limits::min)();
      if (x >= static_cast<From>((Limits::max)())) return (Limits::max)();
    } else if constexpr (sizeof(T) < sizeof(std::int64_t)) {
      const std::int64_t low = (Limits::min)(), high = (Limits::max)();
      return static_cast<T>(std::clamp<std::int64_t>(x, low, high));
    } else if constexpr (std::is_unsigned_v<T> && std::is_signed_v<From>) {
      if (x < 0) return 0;
    }
  }
  return static_cast<T>(x);
}

/// The array of an evaluated node.
template <Device D>
const Array<D>& value_of(const Expression<D>& node) {
  if (!node.evaluated()) fail("realize: ", node.name(), " has no value yet");
  return node.value;
}

/// The array of an evaluated node, or of a constant, which is one element seen everywhere. A
/// constant never keeps one: threads may share it, evaluated or not.
template <Device D>
Array<D> array_of(const Expression<D>& node) {
  if (node.kind() != Kind::constant) return value_of(node);
  const Array<D> number = visit(arithmetic_dtype<D>(node.dtype), [&]<class T>(T) {
    const T value = static_cast<T>(node.constant);
    return upload<D>(&value, Shape{});
  });
  const Array<D> one = converted(number, node.dtype);
  return Array<D>(one, broadcasted(one, node.shape));
}

/// The elements of any view in an array that the host can read: compact, of a type with arithmetic.
template <Device D>
Array<D> readable(const Array<D>& array) {
  Array<D> result = converted(array, arithmetic_dtype<D>(array.dtype));
  if (!result.is_compact()) copy(array, result = Array<D>(array.shape, array.dtype));
  return result;
}

/// The elements of any view in row-major order, converted to `T`.
template <Number T, Device D>
std::vector<T> values_of(const Array<D>& array) {
  const Array<D> compact = readable(array);
  return visit(compact.dtype, [&]<class From>(From) {
    std::vector<From> values = download<From>(compact);
    if constexpr (std::same_as<T, From>) return values;
    std::vector<T> result(values.size());
    std::transform(values.begin(), values.end(), result.begin(), saturated<T, From>);
    return result;
  });
}

/// The first NaN or infinity of an array; 0 where there is none.
template <Device D>
double not_finite(const Array<D>& array) {
  if (!is_float(array.dtype)) return 0;
  for (const auto element : download<typename D::Real>(readable(array))) {
    if (element - element != 0) return element;
  }
  return 0;
}

/// The first element, converted to `T`.
template <Number T, Device D>
T item_of(const Array<D>& array) {
  const Array<D> one = converted(array, arithmetic_dtype<D>(array.dtype));
  return visit(one.dtype, [&]<class From>(From) {
    From value;
    D::download(&value, one.template data<From>(), sizeof value);
    return saturated<T>(value);
  });
}

}  // namespace detail

}  // namespace needle

// Element types: a property of storage. Arithmetic happens in the device's `Real`, or in int32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "needle/core/error.hpp"

namespace needle {

/// What one element is stored as.
enum class Dtype : std::uint8_t { float32, float64, int32, uint8 };

/// Bytes of one element.
constexpr std::size_t item_bytes(Dtype dtype) {
  constexpr std::size_t bytes[] = {4, 8, 4, 1};
  return bytes[static_cast<int>(dtype)];
}

constexpr bool is_float(Dtype dtype) { return dtype <= Dtype::float64; }

inline std::string str(Dtype dtype) {
  constexpr std::string_view names[] = {"float32", "float64", "int32", "uint8"};
  return std::string(names[static_cast<int>(dtype)]);
}

/// The C++ types that elements have: float, double, std::int32_t, std::uint8_t.
template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> ||
                  std::same_as<T, std::int32_t> || std::same_as<T, std::uint8_t>;

/// The `Dtype` of a C++ element type.
template <Element T>
inline constexpr Dtype dtype_of = std::same_as<T, float>          ? Dtype::float32
                                  : std::same_as<T, double>       ? Dtype::float64
                                  : std::same_as<T, std::int32_t> ? Dtype::int32
                                                                  : Dtype::uint8;

/// Calls `f` with a value of the C++ type of `dtype`: `visit(t, [&]<class T>(T) { ... })`.
template <class F>
decltype(auto) visit(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::float32: return f(float{});
    case Dtype::float64: return f(double{});
    case Dtype::int32: return f(std::int32_t{});
    case Dtype::uint8: break;
  }
  return f(std::uint8_t{});
}

/// Refuses a number that elements of an integer type cannot be.
inline void check_holds(Dtype dtype, double value, std::string_view op) {
  if (is_float(dtype)) return;
  const bool byte = dtype == Dtype::uint8;
  const double low = byte ? 0 : INT32_MIN, high = byte ? 255 : INT32_MAX;
  if (!(value >= low && value <= high)) {
    fail(op, ": ", value, " does not fit in ", dtype, "; it holds ", static_cast<std::int64_t>(low),
         " to ", static_cast<std::int64_t>(high));
  }
}

/// Refuses an integer result that does not fit; sums are made in 64 bits and stored in 32.
inline void check_int32(std::int64_t value, std::string_view op) {
  if (value < INT32_MIN || value > INT32_MAX) {
    fail(op, ": the result ", value, " does not fit in int32; cast to a float type first");
  }
}

}  // namespace needle

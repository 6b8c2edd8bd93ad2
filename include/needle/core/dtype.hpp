// Element types: a property of storage. Arithmetic happens in the device's `Real`, or in int32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "needle/core/error.hpp"
#include "needle/core/half.hpp"

namespace needle {

/// What one element is stored as. `bfloat16` and `float16` are storage alone, chosen by `cast` or a
/// factory's dtype: every op takes them, what moves elements keeps them, and what calculates gives
/// the device's `Real`, gradients included (PyTorch would go on in the 16-bit type).
enum class Dtype : std::uint8_t { float32, float64, bfloat16, float16, int32, uint8 };

/// Bytes of one element.
constexpr std::size_t item_bytes(Dtype dtype) {
  constexpr std::size_t bytes[] = {4, 8, 2, 2, 4, 1};
  return bytes[static_cast<int>(dtype)];
}

/// Whether elements have fractions, and so may have gradients.
constexpr bool is_float(Dtype dtype) { return dtype <= Dtype::float16; }
/// Whether elements are floats of 16 bits.
constexpr bool is_half(Dtype dtype) { return dtype == Dtype::bfloat16 || dtype == Dtype::float16; }

/// The name of a dtype: "float32".
inline std::string str(Dtype dtype) {
  constexpr std::string_view names[] = {"float32", "float64", "bfloat16",
                                        "float16", "int32",   "uint8"};
  return std::string(names[static_cast<int>(dtype)]);
}

/// The C++ types of floats of 16 bits.
template <class T>
concept Half = std::same_as<T, BFloat16> || std::same_as<T, Float16>;

/// The C++ types that elements have: float, double, BFloat16, Float16, std::int32_t, std::uint8_t.
template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || Half<T> ||
    std::same_as<T, std::int32_t> || std::same_as<T, std::uint8_t>;

/// The `Dtype` of a C++ element type.
template <Element T>
inline constexpr Dtype dtype_of = std::same_as<T, float>          ? Dtype::float32
                                  : std::same_as<T, double>       ? Dtype::float64
                                  : std::same_as<T, BFloat16>     ? Dtype::bfloat16
                                  : std::same_as<T, Float16>      ? Dtype::float16
                                  : std::same_as<T, std::int32_t> ? Dtype::int32
                                                                  : Dtype::uint8;

namespace detail {
[[noreturn]] NEEDLE_NOINLINE inline void refuse_half(Dtype dtype) {
  fail("visit: ", dtype,
       " has no arithmetic; convert the array to the device's real numbers first");
}
}  // namespace detail

/// Calls `f` with a value of the C++ type of `dtype`: `visit(t, [&]<class T>(T) { ... })`. Floats
/// of 16 bits are refused: kernels are compiled for types that have arithmetic.
template <class F>
decltype(auto) visit(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::float32: return f(float{});
    case Dtype::float64: return f(double{});
    case Dtype::int32: return f(std::int32_t{});
    case Dtype::uint8: return f(std::uint8_t{});
    case Dtype::bfloat16:
    case Dtype::float16: break;
  }
  detail::refuse_half(dtype);
}

/// The same for every dtype: for what loads, stores or moves elements.
template <class F>
decltype(auto) visit_storage(Dtype dtype, F&& f) {
  if (dtype == Dtype::bfloat16) return f(BFloat16{});
  if (dtype == Dtype::float16) return f(Float16{});
  return visit(dtype, f);
}

/// A number as elements of this type hold it, if they do (`check_holds`): integers drop a fraction.
constexpr double rounded_to(double value, Dtype dtype) {
  if (!is_float(dtype)) return static_cast<double>(static_cast<std::int64_t>(value));
  if (dtype == Dtype::bfloat16) return BFloat16(value);
  if (dtype == Dtype::float16) return Float16(value);
  return value;
}

/// Refuses a number that elements of an integer type cannot be, even without its fraction.
inline void check_holds(Dtype dtype, double value, std::string_view op) {
  if (is_float(dtype)) return;
  const bool byte = dtype == Dtype::uint8;
  const double low = byte ? 0 : INT32_MIN, high = byte ? 255 : INT32_MAX;
  if (!(value > low - 1 && value < high + 1)) {
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

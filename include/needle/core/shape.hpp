// Sizes of up to eight dimensions, and the arithmetic on them that every op shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "needle/core/error.hpp"

namespace needle {

/// The most dimensions a tensor has.
inline constexpr int max_dims = 8;

namespace detail {
/// "(8, 3, 32, 32)", as Python writes a tuple.
inline std::string tuple(std::span<const std::int64_t> values) {
  std::string text = "(";
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += i > 0 ? ", " : "";
    text += str(values[i]);
  }
  text += values.size() == 1 ? ",)" : ")";
  return text;
}

[[noreturn]] NEEDLE_NOINLINE inline void refuse_dims(std::span<const std::int64_t> values) {
  fail("shape: ", tuple(values), " names ", values.size(), " dimensions; a tensor has at most ",
       max_dims);
}
}  // namespace detail

/// A short list of 64-bit numbers, one for each dimension, held in place.
struct Dims {
  /// None: what a scalar has.
  constexpr Dims() = default;
  /// These numbers, in order; more than `max_dims` are refused.
  constexpr Dims(std::initializer_list<std::int64_t> values)
      : Dims(std::span(values.begin(), values.size())) {}
  /// These numbers, such as those of a vector.
  explicit constexpr Dims(std::span<const std::int64_t> values) {
    if (values.size() > max_dims) detail::refuse_dims(values);
    for (std::int64_t value : values) push_back(value);
  }

  /// How many there are.
  constexpr int ndim() const { return ndim_; }
  /// Number i from the front, from 0 to ndim() - 1; it is not checked.
  constexpr std::int64_t operator[](int i) const { return values_[i]; }
  /// The same, to be changed.
  constexpr std::int64_t& operator[](int i) { return values_[i]; }
  /// From the first to the last.
  constexpr const std::int64_t* begin() const { return values_; }
  /// Behind the last.
  constexpr const std::int64_t* end() const { return values_ + ndim_; }
  /// The last; there must be one.
  constexpr std::int64_t back() const { return values_[ndim_ - 1]; }

  /// Adds a number at the end; beyond `max_dims` it is refused.
  constexpr void push_back(std::int64_t value) {
    if (ndim_ == max_dims) fail("shape: more than ", max_dims, " dimensions");
    values_[ndim_++] = value;
  }
  /// Adds a number as number `at`; those from there on move back, and beyond `max_dims` it is
  /// refused.
  constexpr void insert(int at, std::int64_t value) {
    push_back(value);
    for (int i = ndim_ - 1; i > at; --i) values_[i] = values_[i - 1];
    values_[at] = value;
  }
  /// Removes number `at`, which must be there; those behind it move up.
  constexpr void erase(int at) {
    --ndim_;
    for (int i = at; i < ndim_; ++i) values_[i] = values_[i + 1];
  }
  /// Whether they are as many and the same.
  friend constexpr bool operator==(const Dims& a, const Dims& b) {
    if (a.ndim_ != b.ndim_) return false;
    for (int i = 0; i < a.ndim_; ++i) {
      if (a.values_[i] != b.values_[i]) return false;
    }
    return true;
  }

 private:
  std::int64_t values_[max_dims] = {};
  int ndim_ = 0;
};

/// "(8, 3, 32, 32)", as Python writes a tuple.
inline std::string str(const Dims& dims) { return detail::tuple({dims.begin(), dims.end()}); }

/// The sizes of a tensor; its product, `size()`, fits in 63 bits, or `checked` refuses it.
struct Shape : Dims {
  using Dims::Dims;
  /// How many elements there are: the product of the sizes, 1 for a scalar.
  constexpr std::int64_t size() const {
    std::int64_t product = 1;
    for (std::int64_t n : *this) product *= n;
    return product;
  }
};

/// The number of elements between neighbours, one for each dimension; 0 repeats, negative runs
/// back.
struct Strides : Dims {
  using Dims::Dims;
};

/// A list of dimensions an op works on; negative numbers count from the end.
struct Axes : Dims {
  using Dims::Dims;
  /// One axis, without braces.
  constexpr Axes(int axis) : Dims{axis} {}
};

/// The shape itself, when no size is negative and the bytes can be counted in 63 bits. Sizes of 0
/// do not count, so that strides and the sizes of parts can be calculated for an empty shape too.
inline const Shape& checked(const Shape& shape, std::string_view op) {
  std::int64_t product = 1;
  bool overflow = false;
  for (std::int64_t n : shape) {
    if (n < 0) fail(op, ": shape ", shape, " has a negative size");
    overflow |= n > 0 && __builtin_mul_overflow(product, n, &product);
  }
  if (overflow || product > (INT64_MAX >> 3)) {
    fail(op, ": shape ", shape, " has more elements than memory has addresses");
  }
  return shape;
}

/// Strides of a row-major array without gaps.
inline Strides row_major(const Shape& shape) {
  Strides strides;
  for (int i = 0; i < shape.ndim(); ++i) strides.push_back(1);
  for (int i = shape.ndim() - 2; i >= 0; --i) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// The sum of two sizes along an axis; refused if 64 bits do not hold it.
inline std::int64_t added_sizes(std::int64_t a, std::int64_t b, std::string_view op) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) fail(op, ": sizes add up to more than 64 bits hold");
  return sum;
}

/// `axis` counted from the front; refuses what lies outside of [-ndim, ndim).
inline int normal_axis(std::int64_t axis, int ndim, std::string_view op) {
  if (axis < -ndim || axis >= ndim) {
    if (ndim == 0) fail(op, ": axis ", axis, ", but a scalar has no axes");
    fail(op, ": axis ", axis, " of a tensor of ", ndim, ndim == 1 ? " dimension" : " dimensions",
         "; axes run from ", -ndim, " to ", ndim - 1);
  }
  return static_cast<int>(axis < 0 ? axis + ndim : axis);
}

/// The axes as a bit mask; an empty list means all of them, and a repeated axis is refused.
inline unsigned axis_mask(const Axes& axes, int ndim, std::string_view op) {
  if (axes.ndim() == 0) return (1u << ndim) - 1;
  unsigned mask = 0;
  for (std::int64_t axis : axes) {
    unsigned bit = 1u << normal_axis(axis, ndim, op);
    if (mask & bit) fail(op, ": axis ", axis, " is named twice in ", axes);
    mask |= bit;
  }
  return mask;
}

/// NumPy's broadcasting of two shapes, aligned at the last dimension.
inline Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  if (a == b) return a;
  const Shape& longer = a.ndim() >= b.ndim() ? a : b;
  const Shape& other = a.ndim() >= b.ndim() ? b : a;
  Shape result = longer;
  const int skip = longer.ndim() - other.ndim();
  for (int i = 0; i < other.ndim(); ++i) {
    std::int64_t &n = result[skip + i], m = other[i];
    if (n != m && n != 1 && m != 1) {
      const bool in_order = &longer == &a;
      fail(op, ": shapes ", a, " and ", b, " do not broadcast: ", in_order ? n : m, " against ",
           in_order ? m : n, "; sizes must be equal, or one of them 1");
    }
    if (n == 1) n = m;
  }
  return checked(result, op);
}

/// Whether a shape broadcasts to another, which stays as it is.
inline bool broadcasts_to(const Shape& from, const Shape& to) {
  const int skip = to.ndim() - from.ndim();
  for (int i = 0; skip >= 0 && i < from.ndim(); ++i) {
    if (from[i] != 1 && from[i] != to[skip + i]) return false;
  }
  return skip >= 0;
}

/// The shape after reducing the axes of `mask`, which stay as size 1 with `keepdims`.
inline Shape reduced_shape(const Shape& shape, unsigned mask, bool keepdims) {
  Shape result;
  for (int i = 0; i < shape.ndim(); ++i) {
    if (!(mask >> i & 1)) result.push_back(shape[i]);
    if ((mask >> i & 1) && keepdims) result.push_back(1);
  }
  return result;
}

}  // namespace needle

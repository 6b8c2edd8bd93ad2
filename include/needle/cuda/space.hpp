// Where operands lie, in a form that fits into the parameters of a kernel.
//
// A thread finds its elements from a position in row-major order: sizes are divided out from the
// last dimension to the first. Dimensions were joined on the host (program/loop.hpp), so most
// kernels walk one or two, and a first dimension needs no division.
#pragma once

#include <bit>

#include "needle/core/array.hpp"
#include "needle/program/convert.hpp"
#include "needle/program/loop.hpp"

namespace needle::cuda {

/// Division of positions by a size that is known before the launch.
///
/// Below 2^31 by multiplication and shift (Granlund and Montgomery, "Division by invariant integers
/// using multiplication", 1994): with 2^shift >= d and magic = floor(2^32 (2^shift - d) / d) + 1,
/// the quotient is (floor(n magic / 2^32) + n) / 2^shift.
struct Divider {
  Divider() = default;
  explicit Divider(std::int64_t divisor) : divisor(divisor) {
    if (divisor < 1 || divisor >> 31 != 0) return;
    const auto d = static_cast<std::uint64_t>(divisor);
    shift = static_cast<std::uint32_t>(std::bit_width(d - 1));
    magic = static_cast<std::uint32_t>((((std::uint64_t{1} << shift) - d) << 32) / d + 1);
  }
  /// The quotient of n >= 0.
  NEEDLE_FN std::int64_t operator()(std::int64_t n) const {
    if ((n | divisor) >> 31 != 0) return n / divisor;
    const auto low = static_cast<std::uint32_t>(n);
    const auto high = static_cast<std::uint32_t>((std::uint64_t{low} * magic) >> 32);
    return (high + low) >> shift;
  }

  std::int64_t divisor = 1;
  std::uint32_t magic = 1, shift = 0;
};

/// The sizes of a loop nest; dimensions before `split` are walked apart from those after it.
struct Space {
  Space() = default;
  explicit Space(const Shape& shape) { append(shape); }
  void append(const Shape& shape) {
    for (std::int64_t n : shape) size[ndim++] = Divider(n);
  }

  Divider size[max_dims];
  int ndim = 0, split = 0;
};

/// How an operand's elements follow from a position.
enum class Mode : std::uint8_t { constant, compact, strided };

/// One operand of a kernel: its first element, and its strides over a space.
struct Operand {
  Operand() = default;
  template <Device D>
  Operand(const Array<D>& array, const Strides& over)
      : data(static_cast<std::byte*>(array.storage->data) +
             array.offset * static_cast<std::int64_t>(item_bytes(array.dtype))),
        dtype(array.dtype) {
    append(over);
  }
  void append(const Strides& over) {
    for (std::int64_t step : over) stride[ndim++] = step;
  }

  void* data = nullptr;
  std::int64_t stride[max_dims] = {};
  int ndim = 0;
  Dtype dtype = Dtype::float32;
  Mode mode = Mode::strided;
};

/// The offset of a position in the dimensions [first, last) of a space.
NEEDLE_FN std::int64_t offset_in(const Space& space, const Operand& operand, int first, int last,
                                 std::int64_t position) {
  if (first == last) return 0;
  std::int64_t offset = 0;
  for (int i = last - 1; i > first; --i) {
    const std::int64_t rest = space.size[i](position);
    offset += (position - rest * space.size[i].divisor) * operand.stride[i];
    position = rest;
  }
  return offset + position * operand.stride[first];
}
NEEDLE_FN std::int64_t offset_in(const Space& space, const Operand& operand,
                                 std::int64_t position) {
  return offset_in(space, operand, 0, space.ndim, position);
}

/// The type that holds elements of these dtypes without loss: int32 if none is a float.
constexpr bool fits_int32(Dtype a, Dtype b) { return !is_float(a) && !is_float(b); }

/// An element as `R`, float or int32.
template <class R>
NEEDLE_FN R load(const Operand& operand, std::int64_t offset) {
  switch (operand.dtype) {
    case Dtype::float32: return convert<R>(static_cast<const float*>(operand.data)[offset]);
    case Dtype::bfloat16: return convert<R>(static_cast<const BFloat16*>(operand.data)[offset]);
    case Dtype::float16: return convert<R>(static_cast<const Float16*>(operand.data)[offset]);
    case Dtype::int32: return convert<R>(static_cast<const std::int32_t*>(operand.data)[offset]);
    default: return convert<R>(static_cast<const std::uint8_t*>(operand.data)[offset]);
  }
}

/// Stores an `R` as the operand's type; integers never become floats of 16 bits.
template <class R>
NEEDLE_FN void store(const Operand& operand, std::int64_t offset, R value) {
  switch (operand.dtype) {
    case Dtype::float32: static_cast<float*>(operand.data)[offset] = convert<float>(value); break;
    case Dtype::bfloat16:
      if constexpr (!std::is_integral_v<R>)
        static_cast<BFloat16*>(operand.data)[offset] = convert<BFloat16>(value);
      break;
    case Dtype::float16:
      if constexpr (!std::is_integral_v<R>)
        static_cast<Float16*>(operand.data)[offset] = convert<Float16>(value);
      break;
    case Dtype::int32:
      static_cast<std::int32_t*>(operand.data)[offset] = convert<std::int32_t>(value);
      break;
    default: static_cast<std::uint8_t*>(operand.data)[offset] = convert<std::uint8_t>(value);
  }
}

}  // namespace needle::cuda

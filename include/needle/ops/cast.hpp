// Other element types.
#pragma once

#include "needle/graph/apply.hpp"

namespace needle {

namespace ops {
/// The op of a cast to a float type, whichever it is.
struct CastToFloat {
  using Function = scalar::Identity;
  static constexpr unsigned reads = reads_nothing;
  Dtype to;
  Dtype dtype(Dtype) const { return to; }
  static auto gradient(const auto& g, const auto&, const auto&) { return std::array{g}; }
};
/// The op of a cast to int32; it has no gradient.
struct CastToInt32 {
  using Function = scalar::ToInt32;
  static Dtype dtype(Dtype) { return Dtype::int32; }
};
/// The op of a cast to uint8; it has no gradient.
struct CastToUint8 {
  using Function = scalar::ToUint8;
  static Dtype dtype(Dtype) { return Dtype::uint8; }
};
}  // namespace ops

/// x with elements of another type: float32 (float64 on `Reference`), bfloat16, float16, int32 or
/// uint8.
///
/// To bfloat16 and float16 numbers are rounded to nearest, ties to even, infinity beyond their
/// range. To integers they go towards zero; what lies outside of the type's range becomes its
/// nearest end and NaN becomes 0. The gradient of a cast between floats is the gradient; none flows
/// through integers.
template <Device D>
Tensor<D> cast(const Tensor<D>& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  detail::check_stored<D>(dtype, "cast");
  if (dtype == Dtype::int32) return apply(ops::CastToInt32{}, x);
  if (dtype == Dtype::uint8) return apply(ops::CastToUint8{}, x);
  return apply(ops::CastToFloat{dtype}, x);
}

/// x in the device's real numbers.
template <Device D>
Tensor<D> to_real(const Tensor<D>& x) {
  return cast(x, real<D>);
}

}  // namespace needle

// The kernels a device offers: free functions on `Array<D>`, found by argument-dependent lookup.
//
// Outputs are allocated by the caller and compact unless said otherwise; inputs are any views.
// Shapes and dtypes were checked when the expression was built, so kernels check nothing.
#pragma once

#include <span>

#include "needle/core/array.hpp"
#include "needle/core/philox.hpp"
#include "needle/program/program.hpp"

namespace needle {

/// A device with all its kernels:
///
/// - `execute(program, inputs, outputs)`: inputs are views of the outputs' shape.
/// - `reduce(monoid, program, inputs, shape, mask, out)`: joins the program's one output over the
///   axes of `mask`; inputs are views of `shape`, out has the kept axes only.
/// - `gemm(a, b, out)`: (..., m, k) by (..., k, n), all three with the same leading dimensions.
/// - `copy(from, to)`: converts elements between any two views of one shape.
/// - `arg_extreme(x, axis, largest, out)`: first position of the extreme along an axis, as int32.
/// - `softmax(x, axis, log, out)`: real numbers along an axis as exp(x) / sum(exp(x)), or its
///   logarithm.
/// - `gather(x, index, axis, out)`: out[..., i, ...] = x[..., index[..., i, ...], ...]; the index
///   is int32, and one out of range is refused by a text that the op completes by its name.
/// - `scatter_add(source, index, axis, out)`: the transposed map, added into `out`.
/// - `random(distribution, key, out)`: element i from the i-th number after the key's offset.
template <class D>
concept Backend = Device<D> &&
    requires(const Program& program, std::span<const Array<D>> inputs, std::span<Array<D>> outputs,
             const Array<D>& a, Array<D>& out, const Shape& shape, const RandomKey& key) {
  execute(program, inputs, outputs);
  reduce(Monoid::sum, program, inputs, shape, 1u, out);
  gemm(a, a, out);
  copy(a, out);
  arg_extreme(a, 0, true, out);
  softmax(a, 0, true, out);
  gather(a, a, 0, out);
  scatter_add(a, a, 0, out);
  random(Distribution{}, key, out);
};

/// The elements as another dtype, in a new array unless they have it.
template <Device D>
Array<D> converted(const Array<D>& array, Dtype dtype) {
  if (array.dtype == dtype) return array;
  Array<D> result(array.shape, dtype);
  copy(array, result);
  return result;
}

/// The dtype in which elements can be calculated with: that of the device's real numbers in place
/// of floats of 16 bits.
template <Device D>
constexpr Dtype arithmetic_dtype(Dtype dtype) {
  return is_half(dtype) ? real<D> : dtype;
}

/// A new array of zeros.
template <Device D>
Array<D> zero_array(const Shape& shape, Dtype dtype) {
  Program program;
  const int zero = program.add_constant(0);
  program.add_output(program.add_step(scalar::code<scalar::Identity>, zero, zero, zero));
  program.finish();
  Array<D> out(shape, dtype);
  execute(program, std::span<const Array<D>>(), std::span<Array<D>>(&out, 1));
  return out;
}

}  // namespace needle

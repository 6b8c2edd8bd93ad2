// Tensors from nothing: constants, sequences, borrowed memory.
#pragma once

#include "needle/ops/cast.hpp"
#include "needle/ops/comparison.hpp"
#include "needle/ops/view.hpp"

namespace needle {

/// One value everywhere; takes no memory until something needs it to.
template <Device D = DefaultDevice>
Tensor<D> full(const Shape& shape, double value, Dtype dtype = real<D>) {
  return constant<D>(value, shape, dtype, "full");
}
/// Zeros of a shape.
template <Device D = DefaultDevice>
Tensor<D> zeros(const Shape& shape, Dtype dtype = real<D>) {
  return constant<D>(0, shape, dtype, "zeros");
}
/// Ones of a shape.
template <Device D = DefaultDevice>
Tensor<D> ones(const Shape& shape, Dtype dtype = real<D>) {
  return constant<D>(1, shape, dtype, "ones");
}
/// Zeros of the shape and dtype of x.
template <Device D>
Tensor<D> zeros_like(const Tensor<D>& x) {
  return constant<D>(0, x.shape(), x.dtype());
}
/// Ones of the shape and dtype of x.
template <Device D>
Tensor<D> ones_like(const Tensor<D>& x) {
  return constant<D>(1, x.shape(), x.dtype());
}

/// start, start + step, ... up to but not including stop; nothing if that is already past.
template <Device D = DefaultDevice>
Tensor<D> arange(double start, double stop, double step = 1, Dtype dtype = real<D>) {
  detail::check_stored<D>(dtype, "arange");
  const double count = std::ceil((stop - start) / step);
  if (step == 0 || !(count < 0x1p40)) {
    fail("arange: from ", start, " to ", stop, " in steps of ", step, " never ends");
  }
  const auto n = static_cast<std::int64_t>((std::fmax)(count, 0.0));
  if (n > 0) {
    check_holds(dtype, start, "arange");
    check_holds(dtype, start + static_cast<double>(n - 1) * step, "arange");
  }
  if (is_half(dtype)) return cast(arange<D>(start, stop, step), dtype);
  return visit(dtype, [&]<class T>(T) {
    Array<D> result(Shape{n}, dtype);  // refuses what memory cannot hold
    const auto fill = [&](T* to) {
      for (std::int64_t i = 0; i < n; ++i) {
        to[i] = static_cast<T>(start + static_cast<double>(i) * step);
      }
    };
    if constexpr (host_memory<D>) {
      fill(result.template data<T>());
    } else {
      std::vector<T> values(static_cast<std::size_t>(n));
      fill(values.data());
      result = upload<D>(values.data(), result.shape);
    }
    return Tensor<D>(std::move(result));
  });
}
/// 0, 1, ... up to but not including stop.
template <Device D = DefaultDevice, Number S>
Tensor<D> arange(S stop, Dtype dtype = real<D>) {
  return arange<D>(0, static_cast<double>(stop), 1, dtype);
}

/// The n x n matrix with ones on its diagonal.
template <Device D = DefaultDevice>
Tensor<D> eye(std::int64_t n) {
  if (n < 0) fail("eye: ", n, " rows and columns; it takes 0 or more");
  const Tensor<D> at = arange<D>(n, Dtype::int32);
  return cast(reshape(at, {n, 1}) == at, real<D>);
}

namespace detail {
template <Device D, Element T>
Array<D> borrowed(const T* values, const Shape& shape) {
  const auto bytes = static_cast<std::size_t>(checked(shape, "borrow").size()) * sizeof(T);
  Array<D> array;
  static_cast<Layout&>(array) = compact_layout(shape);
  array.dtype = dtype_of<T>;
  array.storage = Ref(new Storage<D>(const_cast<T*>(values), bytes));
  return array;
}
}  // namespace detail

/// A tensor over memory that somebody else owns: `values`, row-major, on the host. It is never
/// written, must outlive every tensor that sees it, and `at_end` (if any) is called when none does
/// any more, but not if this throws. A GPU sees a copy.
template <Device D = DefaultDevice, Element T>
Tensor<D> borrow(const T* values, const Shape& shape, Callback<void()> at_end = {}) {
  static_assert(!std::floating_point<T> || std::same_as<T, typename D::Real>,
                "borrow: the device calculates in another floating-point type");
  const auto array = [&] {
    if constexpr (host_memory<D>) return detail::borrowed<D>(values, shape);
    else return upload<D>(values, checked(shape, "borrow"));
  };
  Tensor<D> x(array());
  x.node().value.storage->at_end = std::move(at_end);
  return x;
}

}  // namespace needle

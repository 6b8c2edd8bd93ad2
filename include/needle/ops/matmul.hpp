// Matrix products.
#pragma once

#include "needle/ops/reduction.hpp"

namespace needle {

namespace ops {
/// a b for matrices: (..., n, k) times (..., k, m) gives (..., n, m), always real.
struct Matmul {
  template <Device D>
  static Dtype dtype(Dtype a, Dtype b, std::string_view caller = "matmul") {
    if (!is_float(a) || !is_float(b)) {
      fail(caller, ": dtypes ", a, " and ", b, "; cast both to a float type");
    }
    return real<D>;
  }
  /// Refuses shapes, of at least one dimension each, whose columns and rows do not meet.
  static void check_product(const Shape& a, const Shape& b) {
    const std::int64_t columns = a.back(), rows = b[b.ndim() == 1 ? 0 : b.ndim() - 2];
    if (columns != rows) {
      fail("matmul: shapes ", a, " and ", b, ": ", columns, " columns against ", rows,
           " rows; they must be equal");
    }
    for (int i = 3; i <= (std::min)(a.ndim(), b.ndim()); ++i) {
      const std::int64_t m = a[a.ndim() - i], n = b[b.ndim() - i];
      if (m != n && m != 1 && n != 1) {
        fail("matmul: shapes ", a, " and ", b, ": the dimensions before the last two, ", m, " and ",
             n, ", do not broadcast");
      }
    }
  }
  static Shape shape(const Shape& a, const Shape& b) {
    const int n = a.ndim(), m = b.ndim();
    check_product(a, b);
    Shape left = a, right = b;
    left.erase(n - 1), left.erase(n - 2), right.erase(m - 1), right.erase(m - 2);
    Shape result = broadcast_shapes(left, right, "matmul");
    result.push_back(a[n - 2]);
    result.push_back(b[m - 1]);
    return checked(result, "matmul");
  }
  template <Device D>
  static Array<D> compute(const Array<D>& a, const Array<D>& b) {
    return product(converted(a, real<D>), converted(b, real<D>));
  }
  /// The product of real arrays; compute's inputs, which the gradient keeps, may be of 16 bits.
  template <Device D>
  static Array<D> product(const Array<D>& a, const Array<D>& b) {
    Array<D> out(shape(a.shape, b.shape), real<D>);
    Shape left = out.shape, right = out.shape;
    left[out.ndim() - 1] = a.shape.back();
    right[out.ndim() - 2] = a.shape.back();
    gemm(Array<D>(a, broadcasted(a, left)), Array<D>(b, broadcasted(b, right)), out);
    return out;
  }
  static constexpr std::array reads{reads_input(1), reads_input(0)};
  static auto gradient(const auto& g, const auto&, const auto& a, const auto& b) {
    return std::array{sum_to(matmul(g, transpose(b)), a.shape()),
                      sum_to(matmul(transpose(a), g), b.shape())};
  }
};
}  // namespace ops

/// The matrix product of the last two axes, (..., n, k) times (..., k, m), both of a float type;
/// the others broadcast. A vector on the left is a row, one on the right a column, and its axis
/// disappears, as in NumPy.
template <Device D>
Tensor<D> matmul(const Tensor<D>& a, const Tensor<D>& b) {
  if (a.ndim() == 0 || b.ndim() == 0) {
    fail("matmul: shapes ", a.shape(), " and ", b.shape(), "; a scalar has no rows, use *");
  }
  ops::Matmul::check_product(a.shape(), b.shape());
  if (a.ndim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), b.ndim() == 1 ? -1 : -2);
  if (b.ndim() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (a.ndim() > 2 && b.ndim() == 2 && a.size() > 0) {  // one product of many rows
    Shape result = a.shape();
    result[a.ndim() - 1] = b.shape()[1];
    return reshape(matmul(reshape(a, {-1, a.shape().back()}), b), result);
  }
  return apply(ops::Matmul{}, a, b);
}

namespace ops {
/// x W^T for matrices: a product whose gradients lie in memory as x and W do.
struct Linear {
  template <Device D>
  static Dtype dtype(Dtype x, Dtype weight) {
    return Matmul::dtype<D>(x, weight, "linear");
  }
  static Shape shape(const Shape& x, const Shape& weight) { return {x[0], weight[0]}; }
  template <Device D>
  static Array<D> compute(const Array<D>& x, const Array<D>& weight) {
    const Array<D> w = converted(weight, real<D>);
    return Matmul::product(converted(x, real<D>), Array<D>(w, permuted(w, {1, 0})));
  }
  static constexpr std::array reads{reads_input(1), reads_input(0)};
  static auto gradient(const auto& g, const auto&, const auto& x, const auto& weight) {
    return std::array{matmul(g, weight), matmul(transpose(g), x)};
  }
};
}  // namespace ops

/// x W^T + b, PyTorch's linear layer: x (..., in), weight (out, in), bias (out,) or absent; the
/// result is (..., out).
template <Device D>
Tensor<D> linear(const Tensor<D>& x, const Tensor<D>& weight, const Tensor<D>& bias = {}) {
  if (weight.ndim() != 2 || x.ndim() == 0 || x.shape().back() != weight.shape()[1]) {
    fail("linear: input ", x.shape(), " does not fit weight ", weight.shape(), " of (out, in)");
  }
  if (bias.defined() && !(bias.shape() == Shape{weight.shape()[0]})) {
    fail("linear: bias ", bias.shape(), " does not fit weight ", weight.shape(), " of (out, in)");
  }
  Shape result = x.shape();
  result[x.ndim() - 1] = weight.shape()[0];
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < x.ndim(); ++i) rows *= x.shape()[i];
  const Tensor<D> flat = reshape(x, {rows, x.shape().back()});
  const Tensor<D> y = reshape(apply(ops::Linear{}, flat, weight), result);
  return bias.defined() ? y + bias : y;
}

}  // namespace needle

#include "library.hpp"

needle::Tensor<> tripled_square(const needle::Tensor<>& x, bool evaluated) {
  for (int i = 0; i < 100; ++i) needle::arange(3) * 2;  // its count runs ahead of the program's
  const needle::Tensor<> y = matmul(needle::eye(x.size()) * x, x) * 3;
  return evaluated ? y.realize() : y;
}

needle::Tensor<needle::Reference> doubled_elsewhere(const needle::Tensor<>& x) {
  return x.to<needle::Reference>() * 2;
}

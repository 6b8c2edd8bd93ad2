// Tensors go through a library that hides its symbols, forward and backward.
#include <cstdio>

#include "library.hpp"

int main() {
  for (const bool evaluated : {true, false}) {
    needle::Tensor<> x = {1, 2, 3};
    x.requires_grad(true);
    const needle::Tensor<> y = tripled_square(x, evaluated) * x;
    sum(y).backward();
    if (y.values() == std::vector<float>{3, 24, 81} &&
        x.grad().values() == std::vector<float>{9, 36, 81}) {
      continue;
    }
    std::puts("wrong values, or wrong gradients");
    return 1;
  }
  // Older than x, so that x is not the first node wherever it is.
  needle::Tensor<> w = {1, 1, 1};
  needle::Tensor<> x = {1, 2, 3};
  w.requires_grad(true), x.requires_grad(true);
  sum(doubled_elsewhere(x).to<needle::Cpu>() * x * w).backward();
  if (x.grad().values() == std::vector<float>{4, 8, 12} &&
      w.grad().values() == std::vector<float>{2, 8, 18}) {
    return 0;
  }
  std::puts("wrong gradients over devices");
  return 1;
}

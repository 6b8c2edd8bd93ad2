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
  needle::Tensor<> x = {1, 2, 3};
  x.requires_grad(true);
  sum(doubled_elsewhere(x).to<needle::Cpu>() * x).backward();
  if (x.grad().values() == std::vector<float>{4, 8, 12}) return 0;
  std::puts("wrong gradients over devices");
  return 1;
}

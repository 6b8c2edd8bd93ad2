// message: needle: operands are on two devices
// message: move one with x.to<Other>
#include <needle/needle.hpp>

int main() {
  needle::Tensor<needle::Cpu> a = {1, 2};
  needle::Tensor<needle::Reference> b = {3, 4};
  return (a + b).ndim();
}

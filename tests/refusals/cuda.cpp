// message: needle: Tensor<Cuda> needs a CUDA compiler: configure with -DNEEDLE_CUDA=ON, or compile this
#include <needle/needle.hpp>

int main() { needle::Tensor<needle::Cuda> x = {1, 2}; }

// message: this module lives on another device; say which, as in nn::parameters<Cuda>.model.
#include <needle/needle.hpp>

int main() {
  needle::nn::Linear<needle::Reference> model{1, 1};
  return static_cast<int>(needle::nn::parameters(model).size());
}

// message: in place of a C array, a module has a std::array
#include <needle/needle.hpp>

struct Model {
  needle::nn::Linear<> layers[1]{{1, 1}};
  needle::nn::Linear<> output{1, 1};
};

int main() {
  Model model;
  return static_cast<int>(needle::nn::parameters(model).size());
}

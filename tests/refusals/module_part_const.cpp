// message: a part of a module cannot be const, because training changes it
#include <needle/needle.hpp>

struct Model {
  const needle::nn::Linear<> fixed{1, 1};
  needle::nn::Linear<> output{1, 1};
};

int main() {
  Model model;
  return static_cast<int>(needle::nn::parameters(model).size());
}

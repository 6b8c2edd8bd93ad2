// message: a pointer does not say whose the value is.*a text as std::string
#include <needle/needle.hpp>

struct Model {
  const char* title = "model";
  needle::nn::Linear<> output{1, 1};
};

int main() {
  Model model;
  return static_cast<int>(needle::nn::parameters(model).size());
}

// message: make it an aggregate .at most 32 public fields, no constructor, no base class, no reference, std::array in place of a C array. or add `void fields
#include <needle/needle.hpp>

class Hidden {
 public:
  Hidden() = default;

 private:
  needle::nn::Parameter<> weight_{needle::ones({1})};
};

struct Model {
  needle::nn::Linear<> fc{1, 1};
  Hidden hidden;
};

int main() {
  Model model;
  return static_cast<int>(needle::nn::parameters(model).size());
}

// message: make it an aggregate .at most 32 public fields, no constructor, no base class, no reference, std::array in place of a C array. or add `void fields
#include <needle/nn/fields.hpp>

class Layer {
 public:
  Layer() = default;

 private:
  float weight_ = 0;
};

int main() {
  Layer layer;
  needle::nn::for_each_field(layer, [](std::string_view, auto&) {});
}

// message: would be seen as that alone: make it a field, or list all fields
#include <needle/needle.hpp>

struct Net : needle::nn::AnyModule<> {
  Net() : AnyModule(needle::nn::ReLU{}) {}
  needle::nn::Parameter<> head{needle::ones({3})};
};

int main() {
  Net model;
  return static_cast<int>(needle::nn::parameters(model).size());
}

// message: at most 32 public fields, no constructor, no base class, no reference
#include <needle/needle.hpp>

needle::nn::Linear<> trunk{1, 1};

struct Head {
  needle::nn::Linear<>& shared = trunk;
  needle::nn::Linear<> own{1, 1};
};

int main() {
  Head head;
  return static_cast<int>(needle::nn::parameters(head).size());
}

// Parts of -ffast-math that clang has no macro for cannot be refused: needle's functions are right
// under them too. Compiled by clang only, with those flags.
#include <cstdio>
#include <needle/needle.hpp>

using namespace needle;

namespace {

int wrong = 0;

void compare(const char* name, const Tensor<Cpu>& result, const Tensor<Reference>& expected) {
  const auto difference = abs(result.to<Reference>() - expected) / (abs(expected) + 1e-30);
  const double error = max(difference).item();
  if (error < 2e-6) return;
  std::printf("%s is wrong by %g of its value\n", name, error);
  ++wrong;
}

}  // namespace

int main() {
  const Tensor<> x = rand({10000}, -5, 5), small = rand({10000}, -1e-3, 1e-3);
  const Tensor<> p = rand({10000}, 0.01, 1e4);
  const auto x64 = x.to<Reference>(), small64 = small.to<Reference>(), p64 = p.to<Reference>();
  compare("exp", exp(x), exp(x64));
  compare("exp in a chain", exp(x * 0.5 + 1) * 2, exp(x64 * 0.5 + 1) * 2);
  compare("log", log(p + 1), log(p64 + 1));
  compare("tanh", tanh(x), tanh(x64));
  compare("sigmoid", sigmoid(x), sigmoid(x64));
  compare("erf", erf(x), erf(x64));
  compare("sin", sin(small), sin(small64));
  compare("cos", cos(small), cos(small64));
  compare("pow", pow(p, 1.7), pow(p64, 1.7));
  compare("softmax", softmax(x, 0), softmax(x64, 0));
  return wrong;
}

#include "needle/ops/elementwise.hpp"
#include "vectors.hpp"

using namespace vectors;

DEVICE_TEST_CASE("Elementwise ops give PyTorch's values and derivatives") {
  using C = const Case&;
  using X = const Inputs<D>&;
  const Ops<D> ops = {
      {"add", [](C, X x) { return x[0] + x[1]; }},
      {"sub", [](C, X x) { return x[0] - x[1]; }},
      {"mul", [](C, X x) { return x[0] * x[1]; }},
      {"div", [](C, X x) { return x[0] / x[1]; }},
      {"pow", [](C, X x) { return pow(x[0], x[1]); }},
      {"maximum", [](C, X x) { return maximum(x[0], x[1]); }},
      {"minimum", [](C, X x) { return minimum(x[0], x[1]); }},
      {"pow_scalar", [](C c, X x) { return pow(x[0], c.attr("exponent").number()); }},
      {"neg", [](C, X x) { return -x[0]; }},
      {"abs", [](C, X x) { return abs(x[0]); }},
      {"exp", [](C, X x) { return exp(x[0]); }},
      {"log", [](C, X x) { return log(x[0]); }},
      {"sqrt", [](C, X x) { return sqrt(x[0]); }},
      {"rsqrt", [](C, X x) { return rsqrt(x[0]); }},
      {"sin", [](C, X x) { return sin(x[0]); }},
      {"cos", [](C, X x) { return cos(x[0]); }},
      {"tanh", [](C, X x) { return tanh(x[0]); }},
      {"sigmoid", [](C, X x) { return sigmoid(x[0]); }},
      {"relu", [](C, X x) { return relu(x[0]); }},
      {"erf", [](C, X x) { return erf(x[0]); }},
      {"reciprocal", [](C, X x) { return 1 / x[0]; }},
      {"square", [](C, X x) { return square(x[0]); }},
      {"where", [](C, X x) { return where(x[0], x[1], x[2]); }},
      {"clamp",
       [](C c, X x) {
         const auto bound = [&](const char* key, double open) {
           return c.attr(key).is_null() ? open : c.attr(key).number();
         };
         return clamp(x[0], bound("min", -HUGE_VAL), bound("max", HUGE_VAL));
       }},
  };
  conform("elementwise.safetensors", ops, {"gelu", "gelu_tanh", "silu", "leaky_relu", "softplus"});
}

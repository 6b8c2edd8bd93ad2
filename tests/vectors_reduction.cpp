#include "needle/ops/reduction.hpp"
#include "vectors.hpp"

using namespace vectors;

DEVICE_TEST_CASE("Reductions give PyTorch's values and derivatives") {
  using C = const Case&;
  using X = const Inputs<D>&;
  const auto keep = [](C c) { return c.attr("keepdim").boolean(); };
  const Ops<D> ops = {
      {"sum", [=](C c, X x) { return sum(x[0], c.axes("dim"), keep(c)); }},
      {"mean", [=](C c, X x) { return mean(x[0], c.axes("dim"), keep(c)); }},
      {"amax", [=](C c, X x) { return (max)(x[0], c.axes("dim"), keep(c)); }},
      {"amin", [=](C c, X x) { return (min)(x[0], c.axes("dim"), keep(c)); }},
      {"logsumexp", [=](C c, X x) { return logsumexp(x[0], c.axes("dim"), keep(c)); }},
      {"var", [=](C c, X x) { return var(x[0], c.axes("dim"), 0, keep(c)); }},
      {"var_unbiased", [=](C c, X x) { return var(x[0], c.axes("dim"), 1, keep(c)); }},
      {"softmax", [](C c, X x) { return softmax(x[0], c.integer("dim")); }},
      {"log_softmax", [](C c, X x) { return log_softmax(x[0], c.integer("dim")); }},
      {"argmax",
       [=](C c, X x) {
         return c.attr("dim").is_null() ? argmax(x[0]) : argmax(x[0], c.integer("dim"), keep(c));
       }},
  };
  conform("reduce.safetensors", ops, {"prod", "cumsum"}, {"argmax"});
}

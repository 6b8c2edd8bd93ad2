#include "needle/ops/loss.hpp"
#include "vectors.hpp"

using namespace vectors;

namespace {

Reduction reduction_of(const Case& c) {
  const std::string& name = c.attr("reduction").string();
  return name == "none" ? Reduction::none : name == "sum" ? Reduction::sum : Reduction::mean;
}

}  // namespace

DEVICE_TEST_CASE("Losses give PyTorch's values and derivatives") {
  using C = const Case&;
  using X = const Inputs<D>&;
  const Ops<D> ops = {
      {"mse_loss", [](C c, X x) { return mse_loss(x[0], x[1], reduction_of(c)); }},
      {"cross_entropy",
       [](C c, X x) {
         CrossEntropy<D> options{.reduction = reduction_of(c),
                                 .label_smoothing = c.attr("label_smoothing").number(),
                                 .ignore_index = c.integer("ignore_index")};
         if (c.attr("class_weights").boolean()) options.weight = x[2];
         return cross_entropy(x[0], x[1], options);
       }},
  };
  conform("loss.safetensors", ops,
          {"nll_loss", "l1_loss", "smooth_l1_loss", "bce_with_logits", "kl_div"});
}

DEVICE_TEST_CASE("Matrix products give PyTorch's values and derivatives") {
  using C = const Case&;
  using X = const Inputs<D>&;
  const Ops<D> ops = {
      {"matmul",
       [](C c, X x) {
         const Tensor<D> a = c.attr("transpose_a").boolean() ? transpose(x[0]) : x[0];
         return matmul(a, c.attr("transpose_b").boolean() ? transpose(x[1]) : x[1]);
       }},
      {"linear",
       [](C, X x) { return x.size() > 2 ? linear(x[0], x[1], x[2]) : linear(x[0], x[1]); }},
  };
  conform("matmul.safetensors", ops, {});
}

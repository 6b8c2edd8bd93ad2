#include "needle/ops/factory.hpp"
#include "needle/ops/gather.hpp"
#include "vectors.hpp"

using namespace vectors;

namespace {

/// Slices of the manifest: null for all, a number for a position, [start, stop, step] for a run.
template <Device D>
Tensor<D> sliced_by(const Tensor<D>& x, const Json& slices) {
  std::vector<Index> indices;
  for (const Json& one : slices.array()) {
    if (one.is_null()) {
      indices.push_back(needle::all);
    } else if (one.kind() == Json::Kind::number) {
      indices.push_back(one.integer());
    } else {
      const auto bound = [&](std::size_t i) {
        return one[i].is_null() ? std::nullopt : std::optional(one[i].integer());
      };
      indices.push_back(range(bound(0), bound(1), bound(2).value_or(1)));
    }
  }
  return slice(x, std::span<const Index>(indices));
}

}  // namespace

DEVICE_TEST_CASE("Ops on shapes and indices give PyTorch's values and derivatives") {
  using C = const Case&;
  using X = const Inputs<D>&;
  const Ops<D> ops = {
      {"reshape", [](C c, X x) { return reshape(x[0], shape_of(c.attr("shape"))); }},
      {"permute", [](C c, X x) { return permute(x[0], c.axes("dims")); }},
      {"transpose", [](C c, X x) { return transpose(x[0], c.integer("dim0"), c.integer("dim1")); }},
      {"squeeze", [](C c, X x) { return squeeze(x[0], c.axes("dim")); }},
      {"unsqueeze", [](C c, X x) { return unsqueeze(x[0], c.integer("dim")); }},
      {"broadcast_to", [](C c, X x) { return broadcast_to(x[0], shape_of(c.attr("shape"))); }},
      {"flip", [](C c, X x) { return flip(x[0], c.axes("dims")); }},
      {"slice", [](C c, X x) { return sliced_by(x[0], c.attr("slices")); }},
      {"concat", [](C c, X x) { return concat(x, c.integer("dim")); }},
      {"stack", [](C c, X x) { return stack(x, c.integer("dim")); }},
      {"split",
       [](C c, X x) {
         const int axis = c.integer("dim");
         if (c.attr("sizes").is_null()) return split(x[0], c.integer("split_size"), axis);
         std::vector<std::int64_t> sizes;
         for (const Json& size : c.attr("sizes").array()) sizes.push_back(size.integer());
         return split(x[0], sizes, axis);
       }},
      {"gather", [](C c, X x) { return gather(x[0], c.integer("dim"), x[1]); }},
      {"index_select", [](C c, X x) { return index_select(x[0], c.integer("dim"), x[1]); }},
      {"take_along_dim", [](C c, X x) { return take_along(x[0], x[1], c.integer("dim")); }},
      {"one_hot", [](C c, X x) { return one_hot(x[0], c.integer("num_classes")); }},
      {"view_chain",
       [](C c, X x) {
         Tensor<D> y = x[0];
         for (const Json& step : c.attr("chain").array()) {
           const std::string& op = step[0].string();
           if (op == "reshape") y = reshape(y, shape_of(step[1]));
           else if (op == "slice") y = sliced_by(y, step[1]);
           else if (op == "transpose") {
             y = transpose(y, static_cast<int>(step[1][0].integer()),
                           static_cast<int>(step[1][1].integer()));
           } else fail("view_chain: no op is named for ", op);
         }
         return y;
       }},
  };
  std::set<std::string> exact;
  for (const auto& [name, op] : ops) exact.insert(name);
  conform("shape.safetensors", ops, {"pad", "tril", "triu"}, exact);
}

DEVICE_TEST_CASE("An embedding gives PyTorch's values and derivatives") {
  const Ops<D> ops = {
      {"embedding",
       [](const Case&, const Inputs<D>& x) {
         Shape shape = x[0].shape();
         shape.push_back(-1);
         return reshape(index_select(x[1], 0, flatten(x[0])), shape);
       }},
  };
  conform("embedding.safetensors", ops, {"dropout"}, {"embedding"});
}

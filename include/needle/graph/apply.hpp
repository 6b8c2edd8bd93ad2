// From an op, a plain struct, to a node of the graph.
//
// An op has some of these members, static or not:
// - `using Function = scalar::Exp;` makes it a scalar op: no shape, no compute; inputs broadcast.
// - `Monoid monoid; unsigned mask; bool keepdims;` make it a reduction.
// - `Shape shape(const Shape&...) const` checks, and says what would have fitted.
// - `Dtype dtype(Dtype...) const`, or `dtype<D>`, where it is not the device's arithmetic.
// - `Array<D> compute(const Array<D>&...) const` takes any views and dtypes.
// - `auto gradient(g, y, x...) const` gives an array of tensors, one an input, or empty ones.
// - `unsigned reads` is what the gradient reads; everything if not said. An array of two is that of
//   the first input's and that of the others'.
// Needle's own are in namespace `ops`, so that their names stay free for users; the functions that
// apply them are in namespace needle.
//
// Ops with any number of inputs take spans in place of `x...`, and their gradient gives a vector.
// Ops with several results give a std::array of shapes, dtypes and arrays, and the g and y of their
// gradient are arrays too: an absent g is not `defined()`. Their results are nodes of their own,
// parts of the op's.
#pragma once

#include <algorithm>
#include <array>

#include "needle/graph/parts.hpp"
#include "needle/graph/tensor.hpp"

namespace needle {

namespace detail {

template <class O>
concept ScalarOp = requires {
  typename O::Function;
};
template <class O>
concept ReductionOp = requires {
  O::monoid;
};
template <class O>
concept ReadsSome = requires {
  O::reads;
};

/// The name of a struct in snake case, from a signature that says "O = needle::LogSoftmax".
NEEDLE_NOINLINE inline std::string snake_case(std::string_view signature) {
  const std::size_t begin = signature.find("O = ") + 4;
  std::string_view type = signature.substr(begin, signature.find_first_of(";],<", begin) - begin);
  type.remove_prefix(type.rfind(':') + 1);
  std::string name;
  for (char c : type) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && !name.empty()) name += '_';
    name += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return name;
}

/// The name of an op: `LogSoftmax` is "log_softmax". Made once, and there even while statics end.
template <class O>
std::string_view op_name() {
  static const std::string& name = *new std::string(snake_case(__PRETTY_FUNCTION__));
  return name;
}

/// The dtype of arithmetic on these: real if any is a float, else int32.
template <Device D>
Dtype promote(std::span<const Ref<Expression<D>>> inputs) {
  for (const auto& input : inputs) {
    if (is_float(input->dtype)) return real<D>;
  }
  return Dtype::int32;
}

/// The shape that inputs broadcast to.
template <Device D>
NEEDLE_NOINLINE Shape common_shape(std::span<const Ref<Expression<D>>> inputs,
                                   std::string_view (*name)()) {
  Shape shape = inputs[0]->shape;
  for (const auto& input : inputs.subspan(1)) {
    if (shape == input->shape || input->shape.ndim() == 0) continue;
    shape = shape.ndim() == 0 ? input->shape : broadcast_shapes(shape, input->shape, name());
  }
  return shape;
}

template <class O>
constexpr OpTraits traits_of() {
  OpTraits traits{.kind = Kind::other, .name = op_name<typename Written<O>::Op>};
  if constexpr (ScalarOp<O>) {
    using F = typename O::Function;
    traits.kind = Kind::scalar, traits.function = scalar::code<F>,
    traits.real = scalar::real_only<F>;
  } else if constexpr (ReductionOp<O>) {
    traits.kind = Kind::reduction, traits.function = static_cast<std::uint8_t>(O::monoid);
    traits.real = false;
  }
  if constexpr (!ReadsSome<O>) traits.reads = {reads_everything, reads_everything};
  else if constexpr (std::integral<decltype(O::reads)>) traits.reads = {O::reads, O::reads};
  else traits.reads = O::reads;
  return traits;
}
template <class O>
inline constexpr OpTraits op_traits = traits_of<O>();

template <class O, Device D>
Shape result_shape(const O& op, std::span<const Ref<Expression<D>>> inputs, const auto&... shapes) {
  if constexpr (ScalarOp<O>) return common_shape<D>(inputs, op_name<O>);
  else if constexpr (ReductionOp<O>) return reduced_shape(shapes..., op.mask, op.keepdims);
  else return op.shape(shapes...);
}
template <class O, Device D>
Dtype result_dtype(const O& op, std::span<const Ref<Expression<D>>> inputs, const auto&... dtypes) {
  if constexpr (requires { op.dtype(dtypes...); }) return op.dtype(dtypes...);
  else if constexpr (requires { op.template dtype<D>(dtypes...); })
    return op.template dtype<D>(dtypes...);
  else if constexpr (ScalarOp<O> || ReductionOp<O>)
    return op_traits<O>.real ? real<D> : promote<D>(inputs);
  else return real<D>;
}

template <class O, Device D, std::same_as<Tensor<D>>... Inputs>
auto parts(const O& op, const Tensor<D>& whole, const Inputs&... x);

/// An op as an expression of N inputs, or of any number where N is 0.
template <class O, Device D, std::size_t N>
class Node final : public Expression<D> {
  using Each = std::make_index_sequence<N>;

 public:
  Node(const O& op, const Shape& shape, Dtype dtype, std::span<Ref<Expression<D>>> inputs)
      : Expression<D>(op_traits<O>, shape, dtype), op_(op) {
    if constexpr (ReductionOp<O>) this->axes = op_.mask;
    if constexpr (!std::same_as<O, typename Written<O>::Op>) this->part = op_.index;
    this->connect(inputs);
  }

  Ref<Expression<D>> clone(std::span<Ref<Expression<D>>> inputs) const override {
    return Ref<Expression<D>>(new Node(op_, this->shape, this->dtype, inputs));
  }
  Array<D> compute(std::span<const Array<D>> x) const override {
    if constexpr (op_traits<O>.kind != Kind::other) return {};
    else if constexpr (N == 0) return op_.compute(x);
    else return computed(x, Each());
  }
  void gradient(std::span<const Tensor<D>> g, const Tensor<D>& y, std::span<const Tensor<D>> x,
                std::span<Tensor<D>> to) const override {
    if constexpr (N == 0) differentiate(op_, to, g[0], y, x);
    else differentiate_each(g, y, x, to, Each());
  }

 private:
  template <std::size_t... i>
  Array<D> computed(std::span<const Array<D>> x, std::index_sequence<i...>) const {
    if constexpr (results<O, N> != 0) return bundle(op_.compute(x[i]...));
    else return op_.compute(x[i]...);
  }
  template <std::size_t... i>
  void differentiate_each(std::span<const Tensor<D>> g, const Tensor<D>& y,
                          std::span<const Tensor<D>> x, std::span<Tensor<D>> to,
                          std::index_sequence<i...>) const {
    if constexpr (results<O, N> != 0) {
      std::array<Tensor<D>, results<O, N>> gs;
      std::copy(g.begin(), g.end(), gs.begin());
      differentiate(op_, to, gs, parts(op_, y, x[i]...), x[i]...);
    } else {
      differentiate(op_, to, g[0], y, x[i]...);
    }
  }
  // The op is an argument: of a member, nvcc asks already here, where it is no template any more.
  static void differentiate(const auto& op, std::span<Tensor<D>> to, const auto&... arguments) {
    if constexpr (requires { op.gradient(arguments...); }) {
      auto gradients = op.gradient(arguments...);
      if (gradients.size() != to.size()) {
        fail("backward: ", op_name<O>(), " gives ", gradients.size(), " gradients for ", to.size(),
             " inputs; an input that has none is given an empty tensor");
      }
      for (std::size_t k = 0; k < gradients.size(); ++k) to[k] = std::move(gradients[k]);
    } else {
      fail("backward: ", op_name<O>(), " has no gradient");
    }
  }

  [[no_unique_address]] O op_;
};

template <Device D>
bool exceeds_pending_limits(Expression<D>& node);

/// The tensor of a new node, evaluated in eager mode and where a limit on laziness is reached.
template <Device D>
NEEDLE_NOINLINE Tensor<D> finish(Expression<D>* node) {
  Tensor<D> y{Ref<Expression<D>>(node)};
  const bool over = node->pending_depth > settings.max_pending_depth ||
                    node->pending_bytes > settings.max_pending_bytes;
  if (settings.eager || (over && thread_mode.bounded && exceeds_pending_limits(*node))) y.realize();
  return y;
}

}  // namespace detail

/// A new expression: `op` on these inputs. Shapes and dtypes are checked here; nothing is
/// calculated. Of an op with several results, an array of tensors.
template <class O, Device D, std::same_as<Tensor<D>>... More>
NEEDLE_NOINLINE auto apply(const O& op, const Tensor<D>& first, const More&... more) {
  constexpr std::size_t n = 1 + sizeof...(More);
  Ref<Expression<D>> inputs[] = {Ref(&first.node()), Ref(&more.node())...};
  if constexpr (detail::results<O, n> != 0) {
    const Tensor<D> whole = detail::finish<D>(new detail::Node<O, D, n>(op, {0}, real<D>, inputs));
    return detail::parts(op, whole, first, more...);
  } else {
    const Shape shape =
        detail::result_shape<O, D>(op, inputs, first.node().shape, more.node().shape...);
    const Dtype dtype = detail::result_dtype<O, D>(op, inputs, first.dtype(), more.dtype()...);
    return detail::finish<D>(new detail::Node<O, D, n>(op, shape, dtype, inputs));
  }
}

namespace detail {
/// The results of an op that has several, as tensors.
template <class O, Device D, std::same_as<Tensor<D>>... Inputs>
auto parts(const O& op, const Tensor<D>& whole, const Inputs&... x) {
  constexpr std::size_t n = results<O, sizeof...(Inputs)>;
  const std::array<Shape, n> shapes = op.shape(x.shape()...);
  std::array<Dtype, n> dtypes;
  if constexpr (requires { op.dtype(x.dtype()...); }) dtypes = op.dtype(x.dtype()...);
  else if constexpr (requires { op.template dtype<D>(x.dtype()...); })
    dtypes = op.template dtype<D>(x.dtype()...);
  else dtypes.fill(real<D>);
  std::array<Tensor<D>, n> results;
  for (std::size_t k = 0; k < n; ++k) {
    results[k] = apply(Part<O>{static_cast<std::int16_t>(k), shapes[k], dtypes[k]}, whole);
  }
  return results;
}
}  // namespace detail

/// A new expression of an op that takes any number of inputs.
template <class O, Device D>
Tensor<D> apply_all(const O& op, const std::vector<Tensor<D>>& inputs) {
  std::vector<Shape> shapes;
  std::vector<Dtype> dtypes;
  std::vector<Ref<Expression<D>>> nodes;
  for (const Tensor<D>& input : inputs) {
    shapes.push_back(input.shape());
    dtypes.push_back(input.dtype());
    nodes.push_back(input.expression());
  }
  const Shape shape = op.shape(std::span<const Shape>(shapes));
  const Dtype dtype = detail::result_dtype<O, D>(op, nodes, std::span<const Dtype>(dtypes));
  return detail::finish<D>(new detail::Node<O, D, 0>(op, shape, dtype, nodes));
}

namespace detail {
/// Refuses the float types that a device neither calculates in nor stores.
template <Device D>
void check_stored(Dtype dtype, std::string_view op) {
  if (is_float(dtype) && dtype != real<D> && !is_half(dtype)) {
    fail(op, ": device ", D::name, " has no ", dtype, "; its real numbers are ", real<D>);
  }
}
}  // namespace detail

/// A tensor of one value everywhere; it takes no memory. A value out of an integer dtype's range is
/// refused, and a fraction dropped; one of a float of 16 bits is rounded. Refusals name `op`.
template <Device D>
Tensor<D> constant(double value, const Shape& shape, Dtype dtype = real<D>,
                   std::string_view op = "constant") {
  if (dtype != real<D>) {
    detail::check_stored<D>(dtype, op);
    check_holds(dtype, value, op);
  }
  auto* node = new Expression<D>(detail::constant_traits, checked(shape, op), dtype);
  node->constant = rounded_to(value, dtype);
  return Tensor<D>(Ref<Expression<D>>(node));
}

}  // namespace needle

// From an op, a plain struct, to a node of the graph.
//
// An op has some of these members, static or not:
//   using Function = scalar::Exp;              a scalar op: no shape, no compute; inputs broadcast
//   static constexpr Monoid monoid; unsigned mask; bool keepdims;          a reduction
//   Shape shape(const Shape&...) const;        checks, and says what would have fitted
//   Dtype dtype(Dtype...) const;               where it is not the device's arithmetic
//   Array<D> compute(const Array<D>&...) const;
//   auto gradient(g, y, x...) const;           an array of tensors, one an input; empty ones are absent
//   static constexpr unsigned reads;           what the gradient reads; everything if not said
// Ops with any number of inputs take spans in place of `x...`, and their gradient gives a vector.
#pragma once

#include <array>
#include <cctype>

#include "needle/graph/tensor.hpp"

namespace needle {

namespace detail {

template <class O>
concept ScalarOp = requires { typename O::Function; };
template <class O>
concept ReductionOp = requires { O::monoid; };
template <class O>
concept ReadsSome = requires { O::reads; };

/// The name of a struct in snake case, from a function's signature that says "O = needle::LogSoftmax".
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

/// The name of an op: `LogSoftmax` is "log_softmax".
template <class O>
std::string op_name() {
  return snake_case(__PRETTY_FUNCTION__);
}

/// The dtype of arithmetic on these: real if any is a float, else int32.
template <Device D>
Dtype promote(std::initializer_list<Dtype> dtypes) {
  for (Dtype dtype : dtypes) {
    if (is_float(dtype)) return real<D>;
  }
  return Dtype::int32;
}

template <Device D, class O, class... Dtypes>
Dtype result_dtype(const O& op, Dtypes... dtypes) {
  if constexpr (requires { op.dtype(dtypes...); }) {
    return op.dtype(dtypes...);
  } else if constexpr (ScalarOp<O>) {
    if constexpr (scalar::real_only<typename O::Function>) return real<D>;
    else return promote<D>({dtypes...});
  } else {
    return real<D>;
  }
}

NEEDLE_NOINLINE inline Shape broadcast_for(const Shape& a, const Shape& b, std::string (*name)()) {
  if (a.ndim() == 0) return b;
  if (b.ndim() == 0) return a;
  return broadcast_shapes(a, b, name());
}

template <class O, class... Shapes>
Shape result_shape(const O& op, const Shape& first, const Shapes&... rest) {
  if constexpr (ScalarOp<O>) {
    Shape shape = first;
    (static_cast<void>(shape == rest || (shape = broadcast_for(shape, rest, op_name<O>), true)), ...);
    return shape;
  } else if constexpr (ReductionOp<O>) {
    return reduced_shape(first, op.mask, op.keepdims);
  } else {
    return op.shape(first, rest...);
  }
}

template <class O>
constexpr Kind kind_of = ScalarOp<O>      ? Kind::scalar
                         : ReductionOp<O> ? Kind::reduction
                                          : Kind::other;

/// What a new node takes over from its inputs.
template <Device D>
NEEDLE_NOINLINE void connect(Expression<D>& node, std::span<const Ref<Expression<D>>> inputs) {
  bool tracked = false;
  for (const auto& input : inputs) {
    tracked |= input->tracked;
    if (input->evaluated()) {
      const auto bytes = static_cast<std::int64_t>(input->value.storage->bytes);
      node.pending_bytes += input->tracked ? 0 : bytes;
    } else {
      node.pending_depth = (std::max)(node.pending_depth, input->pending_depth);
      node.pending_bytes += input->pending_bytes;
    }
    node.pending_bytes = (std::min)(node.pending_bytes, std::int64_t{1} << 60);
  }
  node.pending_depth += 1;
  node.tracked = tracked && thread_mode.recording && is_float(node.dtype);
  node.checkpointed = thread_mode.checkpointing;
}

/// An op as an expression; `Inputs` is a std::array or a std::vector of references.
template <class O, Device D, class Inputs>
class Node final : public Expression<D> {
  static constexpr bool any_number = std::same_as<Inputs, std::vector<Ref<Expression<D>>>>;

 public:
  Node(const O& op, const Shape& shape, Dtype dtype, Inputs inputs)
      : Expression<D>(kind_of<O>, shape, dtype), op_(op), inputs_(std::move(inputs)) {
    if constexpr (ScalarOp<O>) {
      this->function = scalar::code<typename O::Function>;
      bool real = scalar::real_only<typename O::Function>;
      for (const auto& input : inputs_) real |= is_float(input->dtype);
      this->arithmetic = real || is_float(dtype) ? Arithmetic::real : Arithmetic::int32;
    } else if constexpr (ReductionOp<O>) {
      this->function = static_cast<std::uint8_t>(O::monoid);
      this->axes = op_.mask;
      this->arithmetic = is_float(dtype) ? Arithmetic::real : Arithmetic::int32;
    }
    connect<D>(*this, inputs_);
  }

  std::string name() const override { return op_name<O>(); }
  std::span<Ref<Expression<D>>> inputs() override {
    if constexpr (!any_number) {
      if (!inputs_[0]) return {};  // forgotten
    }
    return inputs_;
  }
  void forget_inputs() override {
    if constexpr (any_number) inputs_.clear();
    else inputs_ = {};
  }
  unsigned reads() const override {
    if constexpr (ReadsSome<O>) return O::reads;
    else return reads_everything;
  }
  Ref<Expression<D>> clone(std::span<const Ref<Expression<D>>> inputs) const override {
    Inputs copies = inputs_;
    std::copy(inputs.begin(), inputs.end(), copies.begin());
    return Ref<Expression<D>>(new Node(op_, this->shape, this->dtype, std::move(copies)));
  }

  Array<D> compute(std::span<const Array<D>> x) const override {
    if constexpr (kind_of<O> != Kind::other) {
      return {};
    } else {
      return spread(x, [&](const auto&... each) -> Array<D> { return op_.compute(each...); });
    }
  }

  void gradient(const Tensor<D>& g, const Tensor<D>& y, std::span<const Tensor<D>> x,
                std::span<Tensor<D>> results) const override {
    // The op is an argument: of a member, nvcc asks already here, where it is no template any more.
    const auto differentiate = [&](const auto& op, const auto&... each) {
      if constexpr (requires { op.gradient(g, y, each...); }) {
        auto gradients = op.gradient(g, y, each...);
        std::move(gradients.begin(), gradients.end(), results.begin());
      } else {
        fail("backward: ", op_name<O>(), " has no gradient");
      }
    };
    spread(x, [&](const auto&... each) { differentiate(op_, each...); });
  }

 private:
  /// Calls f with each element of x, or with x itself where the op takes any number of inputs.
  template <class T, class F>
  static decltype(auto) spread(std::span<const T> x, F&& f) {
    if constexpr (!any_number) {
      return [&]<std::size_t... i>(std::index_sequence<i...>) -> decltype(auto) {
        return f(x[i]...);
      }(std::make_index_sequence<std::tuple_size_v<Inputs>>());
    } else {
      return f(x);
    }
  }

  [[no_unique_address]] O op_;
  Inputs inputs_;
};

template <Device D>
bool exceeds_pending_limits(Expression<D>& node);

/// The tensor of a new node, evaluated at once in eager mode or where a limit on laziness is reached.
template <Device D>
NEEDLE_NOINLINE Tensor<D> finish(Expression<D>* node) {
  Tensor<D> y{Ref<Expression<D>>(node)};
  const bool over = node->pending_depth > settings.max_pending_depth ||
                    node->pending_bytes > settings.max_pending_bytes;
  if (settings.eager || (over && thread_mode.bounded && exceeds_pending_limits(*node))) y.realize();
  return y;
}

}  // namespace detail

/// A new expression: `op` on these inputs. Shapes and dtypes are checked here; nothing is calculated.
template <class O, Device D, std::same_as<Tensor<D>>... More>
NEEDLE_NOINLINE Tensor<D> apply(const O& op, const Tensor<D>& first, const More&... more) {
  using Inputs = std::array<Ref<Expression<D>>, 1 + sizeof...(More)>;
  const Shape shape = detail::result_shape(op, first.node().shape, more.node().shape...);
  const Dtype dtype = detail::result_dtype<D>(op, first.node().dtype, more.node().dtype...);
  return detail::finish<D>(new detail::Node<O, D, Inputs>(
      op, shape, dtype, Inputs{first.expression(), more.expression()...}));
}

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
  const Dtype dtype = detail::result_dtype<D>(op, std::span<const Dtype>(dtypes));
  return detail::finish<D>(
      new detail::Node<O, D, std::vector<Ref<Expression<D>>>>(op, shape, dtype, std::move(nodes)));
}

/// A tensor of one value everywhere; it takes no memory. A value that an integer dtype does not hold
/// is refused.
template <Device D>
Tensor<D> constant(double value, const Shape& shape, Dtype dtype = real<D>) {
  if (dtype != real<D>) {
    if (is_float(dtype)) {
      fail("constant: device ", D::name, " has no ", dtype, "; its real numbers are ", real<D>);
    }
    check_holds(dtype, value, "constant");
  }
  auto* node = new Expression<D>(Kind::constant, checked(shape, "constant"), dtype);
  node->constant = value;
  return Tensor<D>(Ref<Expression<D>>(node));
}

}  // namespace needle

// One node of the graph: an op and its inputs, a shape and a dtype, and perhaps a value.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "needle/core/array.hpp"
#include "needle/graph/mode.hpp"
#include "needle/program/program.hpp"

namespace needle {

/// See graph/tensor.hpp.
template <Device D>
class Tensor;
template <Device D>
struct Expression;

/// What the scheduler needs to know of an op.
enum class Kind : std::uint8_t { leaf, constant, scalar, reduction, other, transfer };

/// What the gradient of an op reads, as bits: its output, and input i. Evaluation keeps just that.
inline constexpr unsigned reads_nothing = 0, reads_output = 1, reads_everything = ~0u;
/// The bit of input i.
constexpr unsigned reads_input(int i) { return 2u << i; }

/// Where gradients of a leaf are added up; the leaves that follow each other in a parameter share
/// it.
template <Device D>
struct Gradient : Counted {
  /// What was added up so far; null before the first.
  Ref<Expression<D>> sum;
};
/// Deletes a gradient that has lost its last owner.
template <Device D>
NEEDLE_NOINLINE void destroy(Gradient<D>* gradient) {
  delete gradient;
}

namespace detail {
inline std::atomic<std::uint64_t> next_id = 1;

/// What all expressions of an op have in common.
struct OpTraits {
  Kind kind = Kind::leaf;
  /// A scalar op's function, or a reduction's monoid.
  std::uint8_t function = 0;
  /// Whether the arithmetic is real whatever the inputs are.
  bool real = true;
  /// What the gradient of the first input reads, and what those of the others.
  std::array<unsigned, 2> reads{};
  std::string_view (*name)() = nullptr;
};
inline constexpr OpTraits leaf_traits{Kind::leaf}, constant_traits{Kind::constant};
}  // namespace detail

/// The base of every node. Users see it through `Tensor`; ops are adapted to it by `apply`.
template <Device D>
struct Expression : Counted, Pooled {
  /// A node without inputs; `connect` gives it some.
  NEEDLE_NOINLINE Expression(const detail::OpTraits& traits, const Shape& shape, Dtype dtype)
      : traits(traits), dtype(dtype), shape(shape) {}
  Expression(const Expression&) = delete;
  virtual ~Expression() = default;

  /// The value from the inputs' values; scalar nodes and reductions are run by the scheduler
  /// instead.
  virtual Array<D> compute(std::span<const Array<D>>) const { return {}; }
  /// The inputs' gradients, as graph, from the gradient of each result, the node itself and the
  /// inputs.
  virtual void gradient(std::span<const Tensor<D>>, const Tensor<D>&, std::span<const Tensor<D>>,
                        std::span<Tensor<D>>) const {}
  /// A new expression of the same op on other inputs, which are moved from.
  virtual Ref<Expression> clone(std::span<Ref<Expression>>) const { return {}; }

  /// The op's name as users write it.
  std::string name() const {
    if (traits.name) return std::string(traits.name());
    return kind() == Kind::constant ? "constant" : "leaf";
  }
  /// What the scheduler makes of its op.
  Kind kind() const { return traits.kind; }
  /// Whether it has a value.
  bool evaluated() const { return static_cast<bool>(value); }
  /// What it is calculated from; none for a leaf and once they are forgotten.
  std::span<Ref<Expression>> inputs() {
    return {many_.empty() ? few_ : many_.data(), static_cast<std::size_t>(count_)};
  }
  /// What the gradients of its tracked inputs read.
  unsigned read_by_gradients() {
    if (checkpointed) return reads_everything - reads_output;
    unsigned reads = reads_nothing;
    for (int i = 0; i < count_; ++i) reads |= tracks(i) ? traits.reads[i > 0] : 0;
    return reads;
  }
  /// Whether a gradient flows to input i: it was tracked when this was built, and still is.
  bool tracks(int i) {
    return (tracked_inputs >> (std::min)(i, 31) & 1) != 0 && inputs()[i]->tracked;
  }
  /// Drops the inputs; what has a value needs them no longer.
  void forget_inputs() {
    for (Ref<Expression>& input : inputs()) input.reset();
    count_ = 0;
  }

  /// What it shares with all expressions of its op.
  const detail::OpTraits& traits;
  /// Increases with creation: sorted by it, a graph is in order of evaluation.
  std::uint64_t id = detail::next_id.fetch_add(1, std::memory_order_relaxed);
  /// How the elements of its value are stored.
  const Dtype dtype;
  /// Whether it is calculated in real numbers or in int32.
  Arithmetic arithmetic = Arithmetic::real;
  /// Whether a gradient can be asked for: it leads to a leaf that requires one.
  bool tracked = false;
  /// Whether a `backward` went through and dropped the way to the leaves.
  bool consumed = false;
  /// Whether its value is computed again for the gradient instead of kept.
  bool checkpointed = false;
  /// Which of its input's results it is, where that has several; else -1.
  std::int16_t part = -1;
  /// A reduction's axes.
  unsigned axes = 0;
  /// Bit i: input i was tracked when this was built; the last is that of all from 31 on.
  std::uint32_t tracked_inputs = 0;
  /// The longest chain of ops that are not evaluated, and the bytes of values they hold on to.
  int pending_depth = 0;
  std::int64_t pending_bytes = 0;
  /// Scratch of the scheduler and of differentiation; -1 between their runs.
  int slot = -1, walk = -1;
  /// The value of a constant.
  double constant = 0;
  /// The sizes of its value.
  const Shape shape;
  /// The value; absent until it is evaluated.
  Array<D> value;
  /// Set on leaves that require a gradient.
  Ref<Gradient<D>> grad;
  /// Scratch of `destroy`.
  Expression* next_dead = nullptr;

 protected:
  /// Takes over its inputs.
  void connect(std::span<Ref<Expression>> inputs);
  /// Makes its id larger than this one, as it is already where one program counted both: a shared
  /// library that hides its symbols counts for itself.
  void come_after(std::uint64_t other) {
    if (id > other) return;
    id = other + 1;
    std::uint64_t next = detail::next_id.load(std::memory_order_relaxed);
    while (next <= id && !detail::next_id.compare_exchange_weak(next, id + 1)) {
    }
  }

 private:
  static constexpr int few = 3;
  Ref<Expression> few_[few];
  std::vector<Ref<Expression>> many_;  // all of them, where they are more than a few
  int count_ = 0;
};

/// Takes over the inputs, and what follows from them.
template <Device D>
NEEDLE_NOINLINE void Expression<D>::connect(std::span<Ref<Expression>> inputs) {
  count_ = static_cast<int>(inputs.size());
  if (count_ > few) many_.resize(inputs.size());
  bool real = traits.real || is_float(dtype);
  for (int i = 0; i < count_; ++i) {
    Expression& input = *inputs[i];
    come_after(input.id);
    tracked_inputs |= static_cast<std::uint32_t>(input.tracked) << (std::min)(i, 31);
    real |= is_float(input.dtype) && traits.kind == Kind::scalar;
    if (input.evaluated()) {
      pending_bytes += input.tracked ? 0 : static_cast<std::int64_t>(input.value.storage->bytes);
    } else {
      pending_depth = (std::max)(pending_depth, input.pending_depth);
      pending_bytes += input.pending_bytes;
    }
    pending_bytes = (std::min)(pending_bytes, std::int64_t{1} << 60);
    this->inputs()[i] = std::move(inputs[i]);
  }
  pending_depth += 1;
  arithmetic = real ? Arithmetic::real : Arithmetic::int32;
  tracked = tracked_inputs != 0 && detail::thread_mode.recording && is_float(dtype);
  checkpointed = detail::thread_mode.checkpointing;
}

namespace detail {
/// Puts nodes in order of creation.
template <Device D>
NEEDLE_NOINLINE void sort_by_id(std::vector<Expression<D>*>& nodes) {
  std::sort(nodes.begin(), nodes.end(), [](auto* a, auto* b) { return a->id < b->id; });
}
}  // namespace detail

/// Destroys a node, and all that only it held, without recursion: inputs that lose their last owner
/// while another node is being destroyed wait in a list.
template <Device D>
NEEDLE_NOINLINE void destroy(Expression<D>* dead) {
  static constinit thread_local Expression<D>* waiting = nullptr;
  static constinit thread_local bool running = false;
  dead->next_dead = std::exchange(waiting, dead);
  if (running) return;
  running = true;
  while (waiting) {
    Expression<D>* node = waiting;
    waiting = node->next_dead;
    delete node;
  }
  running = false;
}

}  // namespace needle

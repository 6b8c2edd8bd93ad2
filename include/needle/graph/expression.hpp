// One node of the graph: an op and its inputs, a shape and a dtype, and perhaps a value.
#pragma once

#include <atomic>
#include <span>
#include <string>

#include "needle/core/array.hpp"
#include "needle/graph/mode.hpp"
#include "needle/program/program.hpp"

namespace needle {

template <Device D>
class Tensor;
template <Device D>
struct Expression;

/// What the scheduler needs to know of an op.
enum class Kind : std::uint8_t { leaf, constant, scalar, reduction, other };

/// What the gradient of an op reads, as bits: its output, and input i. Evaluation keeps just that.
inline constexpr unsigned reads_nothing = 0, reads_output = 1, reads_everything = ~0u;
/// The bit of input i.
constexpr unsigned reads_input(int i) { return 2u << i; }

/// Where gradients of a leaf are added up; the leaves that follow each other in a parameter share it.
template <Device D>
struct Gradient : Counted {
  Ref<Expression<D>> sum;
};
template <Device D>
NEEDLE_NOINLINE void destroy(Gradient<D>* gradient) {
  delete gradient;
}

namespace detail {
inline std::atomic<std::uint64_t> next_id = 1;
}

/// The base of every node. Users see it through `Tensor`; ops are adapted to it by `apply`.
template <Device D>
struct Expression : Counted {
  Expression(Kind kind, const Shape& shape, Dtype dtype) : kind(kind), dtype(dtype), shape(shape) {}
  Expression(const Expression&) = delete;
  virtual ~Expression() = default;

  /// The op's name as users write it.
  virtual std::string name() const { return kind == Kind::constant ? "constant" : "leaf"; }
  virtual std::span<Ref<Expression>> inputs() { return {}; }
  /// Drops the inputs; what has a value needs them no longer.
  virtual void forget_inputs() {}
  /// The value from the inputs' values; scalar nodes and reductions are run by the scheduler instead.
  virtual Array<D> compute(std::span<const Array<D>>) const { return {}; }
  /// The inputs' gradients, as graph, from the output's gradient g and the output y.
  virtual void gradient(const Tensor<D>&, const Tensor<D>&, std::span<const Tensor<D>>,
                        std::span<Tensor<D>>) const {}
  /// What `gradient` reads.
  virtual unsigned reads() const { return reads_nothing; }
  /// A new expression of the same op on other inputs.
  virtual Ref<Expression> clone(std::span<const Ref<Expression>>) const { return {}; }

  bool evaluated() const { return static_cast<bool>(value); }

  /// Increases with creation: sorted by it, a graph is in order of evaluation.
  const std::uint64_t id = detail::next_id.fetch_add(1, std::memory_order_relaxed);
  const Kind kind;
  const Dtype dtype;
  Arithmetic arithmetic = Arithmetic::real;
  /// A scalar node's function, or a reduction's monoid.
  std::uint8_t function = 0;
  /// Whether a gradient can be asked for: it leads to a leaf that requires one.
  bool tracked = false;
  /// Whether a `backward` went through and dropped the way to the leaves.
  bool consumed = false;
  /// Whether its value is computed again for the gradient instead of kept.
  bool checkpointed = false;
  /// A reduction's axes.
  unsigned axes = 0;
  /// The longest chain of ops that are not evaluated, and the bytes of values they hold on to.
  int pending_depth = 0;
  std::int64_t pending_bytes = 0;
  /// Scratch of the scheduler and of differentiation; -1 between their runs.
  int slot = -1, walk = -1;
  /// The value of a constant.
  double constant = 0;
  const Shape shape;
  Array<D> value;
  /// Set on leaves that require a gradient.
  Ref<Gradient<D>> grad;
  /// Scratch of `destroy`.
  Expression* next_dead = nullptr;
};

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

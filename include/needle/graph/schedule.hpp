// Evaluation: what has to be calculated, in order of creation, with scalar nodes fused.
//
// A scalar node joins the program of its first consumer, where shapes agree; if anything else wants
// it too (a handle, another program, a gradient), the program stores it on the way. A reduction
// takes a program as its source. Values are dropped after their last use unless somebody still
// holds them, which is so when a node has more owners than edges inside of the schedule.
#pragma once

#include <algorithm>

#include "needle/graph/apply.hpp"
#include "needle/graph/plan.hpp"

namespace needle {

namespace detail {

template <Device D>
class Schedule {
 public:
  /// Plans the evaluation of these nodes. With `consuming`, nodes that a `backward` walked (and
  /// will drop) keep nothing for their gradients.
  Schedule(std::span<Expression<D>* const> roots, bool consuming) {
    collect(roots);
    count_owners(roots, consuming);
    form_groups();
  }
  Schedule(const Schedule&) = delete;
  /// Whether all went well or not: what is evaluated and leads to no tracked leaf forgets its
  /// inputs. In order of creation: a node that this destroys is never looked at again.
  ~Schedule() {
    for (Expression<D>* node : nodes_) node->slot = -1;
    for (Expression<D>* node : nodes_) {
      if (node->evaluated() && !node->tracked) node->forget_inputs();
    }
    if (nodes_.capacity() > 4096) return;
    Lists<D>::give_back(std::move(lists_));
  }

  void run() {
    for (int i = 0; i < count(); ++i) {
      if (plans_[i].group != i) {
        append(plans_[i].group, i);
        continue;
      }
      switch (nodes_[i]->kind()) {
        case Kind::scalar: append(i, i), run_program(i); break;
        case Kind::reduction: run_reduction(i); break;
        default: run_op(i);
      }
      release_inputs(i);
    }
  }

 private:
  int count() const { return static_cast<int>(nodes_.size()); }
  /// Whether a node is of this schedule; the compute of an op may run one inside of another.
  bool mine(const Expression<D>& node) const {
    return node.slot >= 0 && node.slot < count() && nodes_[node.slot] == &node;
  }

  void collect(std::span<Expression<D>* const> roots) {
    auto& stack = lists_->stack;
    const auto visit_node = [&](Expression<D>* node) {
      if (node->evaluated() || node->kind() == Kind::constant) return;
      if (node->slot >= 0) {
        if (mine(*node)) return;
        fail("realize: ", node->name(),
             " is being evaluated already, by another thread or by an op whose compute wants it; "
             "realize() what threads share, and pass an op what it reads");
      }
      if (node->consumed) {
        fail("realize: a value of ", node->name(),
             " was dropped when backward consumed its graph; "
             "hold the tensor before, or pass Graph::keep to backward");
      }
      nodes_.push_back(node);
      node->slot = count() - 1;
      stack.push_back(node);
    };
    try {
      for (Expression<D>* root : roots) {
        visit_node(root);
        while (!stack.empty()) {
          Expression<D>* node = stack.back();
          stack.pop_back();
          for (const auto& input : node->inputs()) visit_node(input.get());
        }
      }
      plans_.resize(nodes_.size());
    } catch (...) {
      for (Expression<D>* node : nodes_) node->slot = -1;
      throw;
    }
    sort_by_id(nodes_);
    for (int i = 0; i < count(); ++i) nodes_[i]->slot = i;
  }

  void count_owners(std::span<Expression<D>* const> roots, bool consuming) {
    for (Expression<D>* node : nodes_) {
      const bool saves = node->tracked && !(consuming && node->walk >= 0);
      const unsigned reads = saves ? node->read_by_gradients() : reads_nothing;
      plans_[node->slot].keep |= (reads & reads_output) != 0;
      int k = 0;
      for (const auto& input : node->inputs()) {
        if (mine(*input)) {
          Plan& plan = plans_[input->slot];
          ++plan.inside;
          ++plan.uses;
          plan.keep |= (reads & reads_input((std::min)(k, 30))) != 0 && !input->checkpointed;
        }
        ++k;
      }
    }
    for (Expression<D>* root : roots) {
      if (mine(*root)) plans_[root->slot].keep = true;
    }
    for (Expression<D>* node : nodes_) {
      Plan& plan = plans_[node->slot];
      plan.keep |= node->owners.load(std::memory_order_relaxed) > plan.inside;
    }
  }

  /// From the last node to the first, so that a node's consumers know their groups before it.
  void form_groups() {
    for (int i = count() - 1; i >= 0; --i) {
      Plan& plan = plans_[i];
      plan.group = i;
      Expression<D>& node = *nodes_[i];
      if (node.kind() == Kind::scalar) {
        plan.stored = true;
        if (settings.fusion && !settings.check_nan && plan.last >= 0) join(i);
        if (plan.group == i) {
          plan.steps = plan.outputs = 1;
          plan.operands = static_cast<int>(node.inputs().size());
        }
      } else {
        plan.operands = 1;
      }
      for (const auto& input : node.inputs()) {
        if (!mine(*input)) continue;
        Plan& source = plans_[input->slot];
        source.first = (std::min)(source.first, plan.group);
        source.last = (std::max)(source.last, plan.group);
      }
    }
  }

  /// Lets scalar node i join the group of its first consumer where that is possible. Storing is
  /// what rounds to a float of 16 bits, so those are read from where they are stored.
  void join(int i) {
    Plan& plan = plans_[i];
    Plan& group = plans_[plan.first];
    const Expression<D>& node = *nodes_[i];
    Expression<D>& root = *nodes_[plan.first];
    const bool reduction = root.kind() == Kind::reduction;
    if (is_half(node.dtype)) return;
    if (root.kind() == Kind::other || node.arithmetic != root.arithmetic) return;
    const bool stored = plan.keep || plan.first != plan.last;
    if (reduction && stored) return;
    if (!(node.shape == (reduction ? root.inputs()[0]->shape : root.shape))) return;
    const int operands = group.operands + static_cast<int>(nodes_[i]->inputs().size()) - 1;
    if (group.steps + 1 > Program::max_steps || operands > Program::max_inputs) return;
    if (group.outputs + stored > Program::max_outputs) return;
    plan.group = plan.first;
    plan.stored = stored;
    group.steps += 1;
    group.operands = operands;
    group.outputs += stored;
  }

  void append(int group, int member) {
    Plan& plan = plans_[group];
    (plan.head < 0 ? plan.head : plans_[plan.tail].next) = member;
    plan.tail = member;
  }

  /// The members of a group as one program, and the arrays it reads and stores.
  Program build(int group, const Shape& shape, Arithmetic arithmetic) {
    Program program;
    program.arithmetic = arithmetic;
    sources_.clear(), arrays_.clear(), results_.clear(), stored_.clear();
    for (int i = plans_[group].head; i >= 0; i = plans_[i].next) {
      Expression<D>& node = *nodes_[i];
      int operand[3] = {}, k = 0;
      for (const auto& input : node.inputs()) {
        operand[k++] = operand_of(program, group, *input, shape);
      }
      while (k < 3) operand[k++] = operand[0];
      plans_[i].value = program.add_step(node.traits.function, operand[0], operand[1], operand[2]);
      if (plans_[i].stored && nodes_[group]->kind() == Kind::scalar) {
        program.add_output(plans_[i].value);
        results_.emplace_back(node.shape, node.dtype);
        stored_.push_back(&node);
      }
    }
    return program;
  }

  int operand_of(Program& program, int group, Expression<D>& input, const Shape& shape) {
    if (mine(input) && plans_[input.slot].group == group && !input.evaluated()) {
      return plans_[input.slot].value;
    }
    if (input.kind() == Kind::constant) return program.add_constant(input.constant);
    for (std::size_t k = 0; k < sources_.size(); ++k) {
      if (sources_[k] == &input) return static_cast<int>(k);
    }
    sources_.push_back(&input);
    const Array<D>& array = value_of(input);
    arrays_.emplace_back(array, broadcasted(array, shape));
    return program.add_input();
  }

  void run_program(int group) {
    Program program = build(group, nodes_[group]->shape, nodes_[group]->arithmetic);
    program.finish();
    execute(program, std::span<const Array<D>>(arrays_), std::span<Array<D>>(results_));
    for (std::size_t k = 0; k < stored_.size(); ++k) set(*stored_[k], std::move(results_[k]));
  }

  void run_reduction(int group) {
    Expression<D>& node = *nodes_[group];
    Expression<D>& source = *node.inputs()[0];
    Program program = build(group, source.shape, node.arithmetic);
    if (plans_[group].head < 0) {
      const int input = operand_of(program, -1, source, source.shape);
      program.add_step(scalar::code<scalar::Identity>, input, input, input);
    }
    program.add_output(Program::first_result + program.steps - 1);
    program.finish();
    Array<D> out(reduced_shape(source.shape, node.axes, false), node.dtype);
    reduce(static_cast<Monoid>(node.traits.function), program, std::span<const Array<D>>(arrays_),
           source.shape, node.axes, out);
    set(node, Array<D>(out, compact_layout(node.shape)));
  }

  void run_op(int i) {
    arrays_.clear();
    for (const auto& input : nodes_[i]->inputs()) arrays_.push_back(array_of(*input));
    Expression<D>& node = *nodes_[i];
    // What a compute builds is its own: it does not matter to it who asked for the value, and how.
    const Restore unaffected(thread_mode, ThreadMode{});
    Array<D> value = node.compute(arrays_);
    if (!value) fail(node.name(), ": its compute gives no array");
    if (!(value.shape == node.shape) || value.dtype != node.dtype) {
      fail(node.name(), ": its compute gives an array of shape ", value.shape, " and ", value.dtype,
           ", expected ", node.shape, " and ", node.dtype);
    }
    set(node, std::move(value));
  }

  void set(Expression<D>& node, Array<D> value) {
    if (settings.check_nan) check_finite(node, value);
    node.value = std::move(value);
    node.pending_depth = 0;
    node.pending_bytes = 0;
  }

  static void check_finite(Expression<D>& node, const Array<D>& value) {
    const double made = not_finite(value);
    if (made == 0) return;
    int k = 0;
    for (const auto& input : node.inputs()) {
      if (const double given = not_finite(array_of(*input)); given != 0) {
        fail(node.name(), ": its input ", k, ", a ", input->name(), " of shape ", input->shape,
             ", holds ", given, " already (NEEDLE_CHECK_NAN)");
      }
      ++k;
    }
    fail(node.name(), ": made ", made, " in its result of shape ", node.shape,
         "; it is the first op that did (NEEDLE_CHECK_NAN)");
  }

  /// Drops what had its last use in this group.
  void release_inputs(int group) {
    const auto release = [&](Expression<D>& node) {
      for (const auto& input : node.inputs()) {
        if (!mine(*input)) continue;
        Plan& plan = plans_[input->slot];
        if (--plan.uses == 0 && !plan.keep) input->value.storage.reset();
      }
    };
    if (nodes_[group]->kind() != Kind::scalar) release(*nodes_[group]);
    for (int i = plans_[group].head; i >= 0; i = plans_[i].next) release(*nodes_[i]);
    arrays_.clear();
  }

  Ref<Lists<D>> lists_ = Lists<D>::take();
  std::vector<Expression<D>*>& nodes_ = lists_->nodes;  // in order of creation
  std::vector<Plan>& plans_ = lists_->plans;
  // Of the program being built: its sources, their arrays, its results and whose they are.
  std::vector<Expression<D>*>&sources_ = lists_->sources, &stored_ = lists_->stored;
  std::vector<Array<D>>&arrays_ = lists_->arrays, &results_ = lists_->results;
};

}  // namespace detail

}  // namespace needle

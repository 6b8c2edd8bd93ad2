// Differentiation: the chain rule over the tracked nodes, from the last one to the first.
//
// Gradients are graph like everything else, so one schedule evaluates them, and `grad` records them
// for the next order.
#pragma once

#include "needle/graph/realize.hpp"

namespace needle {

namespace detail {

/// The tracked nodes below some roots, in order of creation.
template <Device D>
class Tape {
 public:
  Tape(std::span<Expression<D>* const> roots, std::string_view op) {
    const auto visit_node = [&](Expression<D>* node) {
      if (!node->tracked || node->walk >= 0) return;
      node->walk = 0;
      nodes.push_back(node);
    };
    for (Expression<D>* root : roots) visit_node(root);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i]->consumed) {
        const std::string name = nodes[i]->name();
        reset();
        fail(op, ": a backward has gone through ", name, " already and dropped the graph; pass "
             "Graph::keep to the first one (keep_graph), or differentiate losses together");
      }
      for (const auto& input : nodes[i]->inputs()) visit_node(input.get());
    }
    std::sort(nodes.begin(), nodes.end(), [](auto* a, auto* b) { return a->id < b->id; });
    for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i]->walk = static_cast<int>(i);
  }
  Tape(const Tape&) = delete;
  ~Tape() { reset(); }

  /// The nodes through which a gradient reaches one of the targets.
  std::vector<bool> leading_to(std::span<Expression<D>* const> targets) const {
    std::vector<bool> leads(nodes.size());
    for (Expression<D>* target : targets) {
      if (target->walk >= 0) leads[target->walk] = true;
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (const auto& input : nodes[i]->inputs()) {
        if (input->walk >= 0 && leads[input->walk]) leads[i] = true;
      }
    }
    return leads;
  }

  /// The gradient of the sum of the roots with respect to each node that `wanted` marks.
  std::vector<Tensor<D>> differentiate(std::span<Expression<D>* const> roots,
                                       const std::vector<bool>& wanted,
                                       const std::vector<bool>& leads) {
    std::vector<Tensor<D>> grads(nodes.size());
    std::vector<std::vector<Tensor<D>>> parts;  // the same, for each result of those with several
    const std::vector<Ref<Expression<D>>> again = copies();
    for (Expression<D>* root : roots) {
      add(grads[root->walk], constant<D>(1, root->shape));
    }
    std::vector<Tensor<D>> x, results;
    for (std::size_t i = nodes.size(); i-- > 0;) {
      Expression<D>& node = *nodes[i];
      const bool several = !parts.empty() && !parts[i].empty();
      if (!(grads[i] || several) || !leads[i] || node.inputs().empty()) continue;
      if (node.part >= 0) {
        parts.resize(nodes.size());
        std::vector<Tensor<D>>& all = parts[node.inputs()[0]->walk];
        const auto part = static_cast<std::size_t>(node.part);
        if (all.size() <= part) all.resize(part + 1);
        add(all[part], grads[i]);
        if (!wanted[i]) grads[i] = Tensor<D>();
        continue;
      }
      x.clear();
      for (const auto& input : node.inputs()) {
        x.emplace_back(input->walk >= 0 ? again[input->walk] : input);
      }
      results.assign(x.size(), Tensor<D>());
      const std::span<const Tensor<D>> one(&grads[i], 1);
      node.gradient(several ? std::span<const Tensor<D>>(parts[i]) : one, Tensor<D>(again[i]), x,
                    results);
      for (std::size_t k = 0; k < x.size(); ++k) {
        Expression<D>& input = *node.inputs()[k];
        if (input.walk < 0 || !leads[input.walk] || !results[k]) continue;
        if (node.kind() == Kind::scalar) results[k] = sum_to(results[k], input.shape);
        add(grads[input.walk], results[k]);
      }
      if (!wanted[i]) grads[i] = Tensor<D>();
      if (several) parts[i].clear();
    }
    return grads;
  }

  /// Drops the way from the roots to the leaves.
  void consume() {
    std::vector<Expression<D>*> walked;
    reset(&walked);
    for (Expression<D>* node : walked) {
      if (node->inputs().empty()) continue;
      node->consumed = true;
      node->forget_inputs();  // may destroy nodes before this one, never after
    }
  }

  std::vector<Expression<D>*> nodes;

 private:
  static void add(Tensor<D>& sum, const Tensor<D>& term) { sum = sum ? sum + term : term; }

  /// For each node the expression its gradient reads: itself, or for a checkpointed one a copy, which
  /// is calculated again when it is needed.
  std::vector<Ref<Expression<D>>> copies() const {
    std::vector<Ref<Expression<D>>> result;
    std::vector<Ref<Expression<D>>> inputs;
    for (Expression<D>* node : nodes) {
      if (!node->checkpointed) {
        result.emplace_back(node);
        continue;
      }
      inputs.clear();
      for (const auto& input : node->inputs()) {
        inputs.push_back(input->walk >= 0 ? result[input->walk] : input);
      }
      result.push_back(node->clone(inputs));
    }
    return result;
  }

  void reset(std::vector<Expression<D>*>* walked = nullptr) {
    for (Expression<D>* node : nodes) node->walk = -1;
    if (walked) walked->swap(nodes);
    nodes.clear();
  }
};

template <Device D>
void check_differentiable(const Tensor<D>& y, std::string_view op) {
  if (y.size() != 1) {
    fail(op, ": a tensor of shape ", y.shape(), " is not a scalar; take its sum or mean first");
  }
  if (!y.requires_grad()) {
    fail(op, ": ", y.op(), " was built on nothing that requires a gradient; mark leaves with "
         "requires_grad(true) before use, and build it outside of no_grad");
  }
}

}  // namespace detail

/// Differentiates the sum of these scalars, which may share a trunk; see `Tensor::backward`.
template <Device D>
void backward(const std::vector<Tensor<D>>& losses, Graph graph = Graph::consume) {
  std::vector<Expression<D>*> roots, targets;
  for (const Tensor<D>& loss : losses) {
    detail::check_differentiable(loss, "backward");
    roots.push_back(&loss.node());
  }
  detail::Tape<D> tape(roots, "backward");
  std::vector<Tensor<D>> sums;
  std::vector<std::pair<Ref<Gradient<D>>, Ref<Expression<D>>>> before;
  {
    no_grad guard;
    detail::Restore unbounded(detail::thread_mode.bounded, false);
    std::vector<bool> leaves, all(tape.nodes.size(), true);
    for (Expression<D>* node : tape.nodes) leaves.push_back(static_cast<bool>(node->grad));
    const std::vector<Tensor<D>> grads = tape.differentiate(roots, leaves, all);
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!leaves[i] || !grads[i]) continue;
      Gradient<D>& gradient = *tape.nodes[i]->grad;
      const Tensor<D> sum = gradient.sum ? Tensor<D>(gradient.sum) + grads[i] : grads[i];
      before.emplace_back(tape.nodes[i]->grad, std::exchange(gradient.sum, sum.expression()));
      sums.push_back(sum);
    }
  }
  targets = roots;
  for (const Tensor<D>& sum : sums) targets.push_back(&sum.node());
  try {
    detail::evaluate<D>(targets, graph == Graph::consume);
  } catch (...) {
    for (std::size_t i = before.size(); i-- > 0;) before[i].first->sum = before[i].second;
    throw;
  }
  if (graph == Graph::consume) tape.consume();
}

template <Device D>
void Tensor<D>::backward(Graph graph) const {
  needle::backward<D>({*this}, graph);
}

/// The gradients of a scalar y with respect to tensors it was built on, as expressions: they can be
/// differentiated again. Nothing is evaluated, kept or dropped, and no `.grad()` changes.
template <Device D>
std::vector<Tensor<D>> grad(const Tensor<D>& y, const std::vector<Tensor<D>>& targets) {
  detail::check_differentiable(y, "grad");
  std::vector<Expression<D>*> roots{&y.node()}, nodes;
  detail::Tape<D> tape(roots, "grad");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    nodes.push_back(&targets[i].node());
    if (nodes.back()->walk < 0) {
      fail("grad: ", y.op(), " of shape ", y.shape(), " was not built on target ", i, ", ",
           targets[i].op(), " of shape ", targets[i].shape(),
           targets[i].requires_grad() ? "" : ", which does not require a gradient");
    }
  }
  std::vector<bool> wanted(tape.nodes.size());
  for (Expression<D>* node : nodes) wanted[node->walk] = true;
  const std::vector<Tensor<D>> grads = tape.differentiate(roots, wanted, tape.leading_to(nodes));
  std::vector<Tensor<D>> results;
  for (Expression<D>* node : nodes) {
    results.push_back(grads[node->walk] ? grads[node->walk] : constant<D>(0, node->shape));
  }
  return results;
}

/// f(x...), whose inner values are not kept for the gradient but calculated again when it is; f is
/// called once. Trades time for memory (Chen et al. 2016, "Training deep nets with sublinear memory").
template <class F, Device D, std::same_as<Tensor<D>>... More>
Tensor<D> checkpoint(F&& f, const Tensor<D>& first, const More&... more) {
  Tensor<D> y;
  {
    detail::Restore inside(detail::thread_mode.checkpointing, true);
    y = f(first, more...);
  }
  y.node().checkpointed = false;
  return y;
}

}  // namespace needle

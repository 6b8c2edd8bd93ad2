// The tape of one device: its tracked nodes below some roots, and the chain rule along them.
#pragma once

#include "needle/graph/tapes.hpp"

namespace needle::detail {

template <Device D>
class Tape final : public AnyTape {
 public:
  ~Tape() override {
    for (Expression<D>* node : nodes_) node->walk = -1;
    for (const auto& [node, walk] : others_) node->walk = walk;
  }

  /// Whether a node is on this tape. An op's gradient may differentiate too: then nodes are on that
  /// tape for a while, and on this one again.
  bool holds(const Expression<D>& node) const {
    return node.walk >= 0 && static_cast<std::size_t>(node.walk) < nodes_.size() &&
           nodes_[static_cast<std::size_t>(node.walk)] == &node;
  }
  /// Puts a node on the tape.
  void visit(Expression<D>& node) {
    if (!node.tracked || holds(node)) return;
    if (node.walk >= 0) others_.emplace_back(&node, node.walk);
    nodes_.push_back(&node);
    node.walk = static_cast<int>(nodes_.size()) - 1;
  }
  /// Puts a node on the tape whose gradient is 1.
  void start(Expression<D>& root) {
    visit(root);
    roots_.push_back(&root);
  }
  /// Marks a target.
  void want(const Expression<D>& node) {
    Step& step = steps_[node.walk];
    step.wanted = step.leads = true;
  }
  /// Whether a gradient reaches a target through a node.
  bool leads(const Expression<D>& node) const { return holds(node) && steps_[node.walk].leads; }
  /// Adds to the gradient of a node.
  void give(const Expression<D>& node, const Tensor<D>& g) { add(steps_[node.walk].grad, g); }
  /// The gradient of a target; absent where nothing flows.
  const Tensor<D>& gradient(const Expression<D>& node) const { return steps_[node.walk].grad; }

  bool collect(Tapes& tapes) override {
    const std::size_t before = collected_;
    for (; collected_ < nodes_.size(); ++collected_) {
      Expression<D>& node = *nodes_[collected_];
      if (node.consumed) {
        fail(tapes.op, ": a backward has gone through ", node.name(),
             " already and dropped the graph; "
             "pass Graph::keep to the first one (keep_graph), or differentiate losses together");
      }
      if (const Transfer<D>* transfer = as_transfer(node)) transfer->collect(tapes);
      for (int k = 0; k < std::ssize(node.inputs()); ++k) {
        if (node.tracks(k)) visit(*node.inputs()[k]);
      }
    }
    return collected_ > before;
  }

  void number(bool all) override {
    sort_by_id(nodes_);
    ids.resize(nodes_.size()), steps_.resize(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i]->walk = static_cast<int>(i);
      ids[i] = nodes_[i]->id;
      steps_[i].wanted = static_cast<bool>(nodes_[i]->grad), steps_[i].leads = all;
    }
  }

  void lead(Tapes& tapes, std::size_t begin, std::size_t end) override {
    for (std::size_t i = begin; i < end; ++i) {
      Expression<D>& node = *nodes_[i];
      const Transfer<D>* transfer = as_transfer(node);
      bool& leading = steps_[i].leads;
      leading |= transfer && transfer->leads(tapes);
      for (int k = 0; k < std::ssize(node.inputs()); ++k) {
        leading |= node.tracks(k) && leads(*node.inputs()[k]);
      }
    }
  }

  void differentiate(Tapes& tapes, std::size_t begin, std::size_t end) override {
    if (end == nodes_.size()) {
      copy_checkpointed();
      for (Expression<D>* root : roots_) give(*root, constant<D>(1, root->shape));
    }
    std::vector<Tensor<D>> x, results;
    for (std::size_t i = end; i-- > begin;) {
      Expression<D>& node = *nodes_[i];
      Tensor<D>& g = steps_[i].grad;
      const bool several = !parts_.empty() && !parts_[i].empty();
      if (!(g.defined() || several) || !steps_[i].leads) continue;
      if (const Transfer<D>* transfer = as_transfer(node)) {
        if (transfer->leads(tapes)) transfer->give(tapes, g);
      } else if (node.part >= 0) {
        parts_.resize(nodes_.size());
        std::vector<Tensor<D>>& all = parts_[node.inputs()[0]->walk];
        const auto part = static_cast<std::size_t>(node.part);
        if (all.size() <= part) all.resize(part + 1);
        add(all[part], g);
      } else if (!node.inputs().empty()) {
        for (const auto& input : node.inputs()) x.push_back(read(*input));
        const Tensor<D> y = result(node, x);
        results.resize(x.size());
        const std::span<const Tensor<D>> one(&g, 1);
        node.gradient(several ? std::span<const Tensor<D>>(parts_[i]) : one, y, x, results);
        for (std::size_t k = 0; k < x.size(); ++k) {
          const Expression<D>& input = *node.inputs()[k];
          if (!node.tracks(static_cast<int>(k)) || !leads(input) || !results[k].defined()) continue;
          // What an op's gradient recorded for itself (enable_grad) is no history of its result.
          if (!thread_mode.recording && results[k].requires_grad())
            results[k] = results[k].detach();
          if (node.kind() == Kind::scalar) results[k] = sum_to(results[k], input.shape);
          if (!(results[k].shape() == input.shape)) {
            fail(tapes.op, ": ", node.name(), " gives a gradient of shape ", results[k].shape(),
                 " for an input of shape ", input.shape);
          }
          give(input, results[k]);
        }
        x.clear(), results.clear();  // a value that these hold would be kept
        if (several) parts_[i].clear();
      }
      if (!steps_[i].wanted) g = Tensor<D>();
    }
  }

  void accumulate() override {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const Tensor<D>& g = steps_[i].grad;
      if (!nodes_[i]->grad || !g.defined()) continue;
      Gradient<D>& gradient = *nodes_[i]->grad;
      const Tensor<D> sum = gradient.sum ? Tensor<D>(gradient.sum) + g : g;
      roots_.push_back(&sum.node());
      before_.emplace_back(nodes_[i]->grad, sum.expression());
      std::swap(gradient.sum, before_.back().second);  // once it is known how to restore it
    }
    steps_.clear(), parts_.clear(), copies_.clear();
  }

  void evaluate(bool consuming) override { detail::evaluate<D>(roots_, consuming); }

  void restore() override {
    for (; !before_.empty(); before_.pop_back()) before_.back().first->sum = before_.back().second;
  }

  void consume(std::size_t begin, std::size_t end) override {
    for (std::size_t i = begin; i < end; ++i) {
      Expression<D>& node = *nodes_[i];
      Transfer<D>* transfer = as_transfer(node);
      node.walk = -1;
      node.consumed = transfer || !node.inputs().empty();
      transfer ? transfer->forget() : node.forget_inputs();
    }
    if (end == nodes_.size()) nodes_.clear();
  }

 private:
  /// What there is for each node.
  struct Step {
    Tensor<D> grad;
    bool wanted = false;  // a leaf, or a target
    bool leads = false;   // through it a gradient reaches a target
  };

  static void add(Tensor<D>& sum, const Tensor<D>& term) {
    sum = sum.defined() ? sum + term : term;
  }

  static Transfer<D>* as_transfer(Expression<D>& node) {
    return node.kind() == Kind::transfer ? static_cast<Transfer<D>*>(&node) : nullptr;
  }

  /// What the gradient reads of a node: itself, or where that is checkpointed a copy, which is
  /// calculated again when it is needed.
  Tensor<D> read(Expression<D>& node) const {
    const bool copied = !copies_.empty() && holds(node) && copies_[node.walk];
    return Tensor<D>(copied ? copies_[node.walk] : Ref(&node));
  }
  /// What the gradient of a node reads as its result: with inputs that are calculated again, so is
  /// this, or `x == max(x)` might compare what was rounded in different ways.
  Tensor<D> result(Expression<D>& node, const std::vector<Tensor<D>>& x) const {
    const unsigned reads = node.checkpointed || copies_.empty() ? 0 : node.read_by_gradients();
    if (!(reads & reads_output)) return read(node);
    std::vector<Ref<Expression<D>>> inputs;
    bool again = false;
    for (std::size_t k = 0; k < x.size(); ++k) {
      inputs.push_back(x[k].expression());
      again |= (reads & reads_input((std::min)(static_cast<int>(k), 30))) != 0 &&
               inputs[k].get() != node.inputs()[k].get();
    }
    return again ? Tensor<D>(node.clone(inputs)) : read(node);
  }
  void copy_checkpointed() {
    std::vector<Ref<Expression<D>>> inputs;
    for (Expression<D>* node : nodes_) {
      if (!node->checkpointed) continue;
      inputs.clear();
      for (const auto& input : node->inputs()) inputs.push_back(read(*input).expression());
      copies_.resize(nodes_.size());
      copies_[node->walk] = node->clone(inputs);
    }
  }

  std::vector<Expression<D>*> nodes_, roots_;
  std::vector<std::pair<Expression<D>*, int>>
      others_;  // nodes of tapes that wait, and their places
  std::size_t collected_ = 0;
  std::vector<Step> steps_;
  std::vector<std::vector<Tensor<D>>> parts_;  // gradients of each result of nodes with several
  std::vector<Ref<Expression<D>>> copies_;
  std::vector<std::pair<Ref<Gradient<D>>, Ref<Expression<D>>>> before_;  // sums that were replaced
};

}  // namespace needle::detail

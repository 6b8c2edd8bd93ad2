// Evaluation on demand: of what is asked for, of what has waited for the next one, and of what has
// waited too long.
#pragma once

#include <algorithm>

#include "needle/core/per_thread.hpp"
#include "needle/graph/schedule.hpp"

namespace needle {

namespace detail {

/// Expressions that wait to be evaluated together with the next evaluation on this thread, or null;
/// see `per_thread`.
template <Device D>
std::vector<Tensor<D>>* waiting_assignments() {
  return per_thread<std::vector<Tensor<D>>>();
}

/// Lets an expression wait for the next evaluation on this thread. What was evaluated meanwhile, or
/// nobody else holds, waits no longer.
template <Device D>
void evaluate_later(const Tensor<D>& value) {
  std::vector<Tensor<D>>* waiting = waiting_assignments<D>();
  if (!waiting || value.node().evaluated()) return;
  if (waiting->size() % 64 == 63) {
    std::erase_if(*waiting, [](const Tensor<D>& each) {
      return each.node().evaluated() || each.expression().owners() == 1;
    });
  }
  waiting->push_back(value);
}

/// Whether the limits of laziness are really passed; shared parts are counted once here.
template <Device D>
bool exceeds_pending_limits(Expression<D>& node) {
  if (node.pending_depth > settings.max_pending_depth) return true;
  struct Marked : std::vector<Expression<D>*> {
    ~Marked() {
      for (Expression<D>* each : *this) each->slot = -1;
    }
    void add(Expression<D>* node) { this->push_back(node), node->slot = 0; }
  } seen;
  std::vector<Expression<D>*> leaves;
  seen.add(&node);
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (const auto& input : seen[i]->inputs()) {
      if (!input->evaluated()) {
        if (input->kind() != Kind::constant && input->slot < 0) seen.add(input.get());
      } else if (!input->tracked) {
        leaves.push_back(input.get());
      }
    }
  }
  std::sort(leaves.begin(), leaves.end());
  leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
  for (Expression<D>* leaf : leaves) {
    bytes += static_cast<std::int64_t>(leaf->value.storage->bytes);
  }
  node.pending_bytes = bytes;
  return bytes > settings.max_pending_bytes;
}

/// Evaluates nodes together with the assignments that wait.
template <Device D>
void evaluate(std::span<Expression<D>* const> roots, bool consuming = false) {
  std::vector<Tensor<D>>* waiting = waiting_assignments<D>();
  if (!waiting || waiting->empty()) return Schedule<D>(roots, consuming).run();
  const std::vector<Tensor<D>> assignments = std::move(*waiting);
  waiting->clear();
  std::vector<Expression<D>*> all(roots.begin(), roots.end());
  for (const Tensor<D>& value : assignments) all.push_back(&value.node());
  Schedule<D>(all, consuming).run();
}

}  // namespace detail

template <Device D, std::same_as<Tensor<D>>... More>
void realize(const Tensor<D>& first, const More&... more) {
  const std::vector<Tensor<D>>* waiting = detail::waiting_assignments<D>();
  if ((first.node().evaluated() && ... && more.node().evaluated()) &&
      (!waiting || waiting->empty())) {
    return;
  }
  Expression<D>* const roots[] = {&first.node(), &more.node()...};
  detail::evaluate<D>(roots);
}

}  // namespace needle

// Evaluation on demand: of what is asked for, of what has waited for the next one, and of what has
// waited too long.
#pragma once

#include <algorithm>

#include "needle/graph/cell.hpp"

namespace needle {

namespace detail {

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
  Waiting<D>* here = Waiting<D>::here();
  if (!here || here->cells.empty()) return Schedule<D>(roots, consuming).run();
  std::vector<Expression<D>*> all(roots.begin(), roots.end());
  std::vector<Tensor<D>> assigned;
  for (const auto& cell : here->cells) {
    if (cell.owners() == 1) continue;  // its module is gone
    assigned.push_back(cell->value);
    all.push_back(&cell->value.node());
  }
  const Waiting<D> waiting = std::move(*here);
  try {
    Schedule<D>(all, consuming).run();
  } catch (...) {
    for (const auto& cell : waiting.cells) cell->settle();
    throw;
  }
}

}  // namespace detail

template <Device D, std::same_as<Tensor<D>>... More>
void realize(const Tensor<D>& first, const More&... more) {
  const detail::Waiting<D>* waiting = detail::Waiting<D>::here();
  if ((first.node().evaluated() && ... && more.node().evaluated()) &&
      (!waiting || waiting->cells.empty())) {
    return;
  }
  Expression<D>* const roots[] = {&first.node(), &more.node()...};
  detail::evaluate<D>(roots);
}

}  // namespace needle

// What a schedule writes down about its nodes.
#pragma once

#include <climits>

#include "needle/core/per_thread.hpp"
#include "needle/graph/expression.hpp"

namespace needle::detail {

/// When a node is calculated, and how long its value is needed.
struct Plan {
  int inside = 0;                       // edges from nodes of this schedule
  int uses = 0;                         // of them, those whose program has not run yet
  int group = 0;                        // the node at whose turn this one is calculated
  int first = INT_MAX, last = -1;       // first and last group that consumes it
  int head = -1, tail = -1, next = -1;  // a group's members, in order
  int steps = 0, operands = 0, outputs = 0;
  int value = 0;  // its number in the program being built
  bool keep = false, stored = false;
};

/// The lists of a schedule. A thread keeps those of its last one for the next, so that small graphs
/// are evaluated without asking the system for memory.
template <Device D>
struct Lists : Counted {
  std::vector<Expression<D>*> nodes, stack, sources, stored;
  std::vector<Plan> plans;
  std::vector<Array<D>> arrays, results;

  static Ref<Lists> take() {
    Ref<Lists>* spare = per_thread<Ref<Lists>>();
    return spare && *spare ? std::move(*spare) : Ref(new Lists);
  }
  static void give_back(Ref<Lists> lists) {
    lists->nodes.clear(), lists->stack.clear(), lists->sources.clear(), lists->stored.clear();
    lists->plans.clear(), lists->arrays.clear(), lists->results.clear();
    if (Ref<Lists>* spare = per_thread<Ref<Lists>>()) *spare = std::move(lists);
  }

 private:
  friend void destroy(Lists* lists) { delete lists; }
};

}  // namespace needle::detail

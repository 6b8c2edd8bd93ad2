// What holds the current value of a parameter or a buffer, and assignments that wait for the next
// evaluation.
#pragma once

#include <algorithm>

#include "needle/core/per_thread.hpp"
#include "needle/graph/schedule.hpp"

namespace needle {

template <Device D>
struct Cell;

namespace detail {

/// Cells with assignments that wait for the next evaluation on this thread.
template <Device D>
struct Waiting {
  std::vector<Ref<Cell<D>>> cells;

  Waiting() = default;
  Waiting(Waiting&&) = default;
  Waiting& operator=(Waiting&&) = delete;
  ~Waiting() {
    for (const auto& cell : cells) cell->before = Tensor<D>();
  }
  /// This thread's; null while the thread ends, see `per_thread`.
  static Waiting* here() { return per_thread<Waiting>(); }

  void add(Cell<D>& cell) {
    if (cells.size() % 64 == 63) {
      std::erase_if(cells, [](const Ref<Cell<D>>& each) {
        const bool waits = each.owners() > 1 && !each->value.node().evaluated();
        if (!waits) each->before = Tensor<D>();
        return !waits;
      });
    }
    cells.emplace_back(&cell);
  }
};

}  // namespace detail

/// What a parameter or a buffer, and those that are tied to it, hold: the current value.
template <Device D>
struct Cell : Counted {
  /// The current leaf, or an assignment that waits.
  Tensor<D> value;
  /// The value before the assignment that waits; absent if none does.
  Tensor<D> before;
  /// Where the gradients of its leaves are added up, kept while it is frozen.
  Ref<Gradient<D>> gradient;

  /// The sizes of the value.
  const Shape& shape() const { return value.shape(); }
  /// The gradient added up by `backward`; an absent tensor before.
  Tensor<D> grad() const { return value.grad(); }
  /// Forgets the gradient.
  void zero_grad() const {
    if (gradient) gradient->sum.reset();
    value.zero_grad();
  }
  /// Whether it is left out of training: no gradient is tracked.
  bool frozen() const { return !value.requires_grad(); }

  /// A new leaf; gradients go on being added up where they were.
  void set(Array<D> array, bool trained) {
    if (value.defined() && value.node().grad) gradient = value.node().grad;
    Tensor<D> leaf(std::move(array));
    if (trained) {
      leaf.requires_grad(true);
      if (gradient) leaf.node().grad = gradient;
    }
    value = std::move(leaf);
    before = Tensor<D>();
  }

  /// The value's memory, to be written: the old buffer if nobody else sees it, a copy of it
  /// otherwise, so the past does not change.
  Array<D> own() {
    const Array<D> old = value.data();
    if (value.expression().owners() == 1 && old.storage.owners() == 2) return old;  // and `old`
    Array<D> array(old.shape, old.dtype);
    copy(old, array);
    set(array, value.requires_grad());
    return array;
  }

  /// A value that is calculated with the next evaluation on this thread.
  void assign(const Tensor<D>& next) {
    detail::Waiting<D>* waiting = detail::Waiting<D>::here();
    if (waiting && !before.defined() && !next.node().evaluated()) {
      waiting->add(*this);
      before = value;
    }
    value = next;
  }

  /// Makes the assignment that waits after an evaluation that failed; if it is what cannot be
  /// calculated, the value is the one before.
  void settle() {
    if (!before.defined() || value.node().evaluated()) return;
    try {
      Expression<D>* const root[] = {&value.node()};
      detail::Schedule<D>(root, false).run();
    } catch (...) {
      value = std::move(before);
    }
  }
};
/// Deletes a cell that has lost its last owner.
template <Device D>
void destroy(Cell<D>* cell) {
  delete cell;
}

}  // namespace needle

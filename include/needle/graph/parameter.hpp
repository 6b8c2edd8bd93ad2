// Names for values that change: a cell holds the current leaf, and expressions capture the leaf.
#pragma once

#include "needle/graph/backward.hpp"

namespace needle {

/// What `Parameter`s and `Buffer`s that are tied share.
template <Device D>
struct Cell : Counted {
  Tensor<D> value;
};
template <Device D>
void destroy(Cell<D>* cell) {
  delete cell;
}

namespace detail {

/// The array of a tensor in memory of its own, compact, so that it can be updated in place.
template <Device D>
Array<D> own_array(const Tensor<D>& x) {
  const Array<D>& array = x.data();
  const auto whole = static_cast<std::size_t>(array.size()) * item_bytes(array.dtype);
  if (array.is_compact() && array.storage->owned && array.storage->bytes == whole) return array;
  Array<D> own(array.shape, array.dtype);
  copy(array, own);
  return own;
}

/// A name for a leaf; copies of it copy the value (which is shared until one of them is updated).
template <Device D>
class Named {
 public:
  Named() = default;
  Named(const Named& other) : cell_(other.cell_ ? new Cell<D> : nullptr) {
    if (cell_) set(other.cell_->value.data(), other.tracked());
  }
  Named(Named&&) noexcept = default;
  Named& operator=(Named other) noexcept {
    cell_ = std::move(other.cell_);
    return *this;
  }

  /// The current value: an evaluated leaf, or an assignment that waits.
  const Tensor<D>& operator*() const {
    if (!cell_) fail("parameter: it has no value yet; construct it with one");
    return cell_->value;
  }
  const Tensor<D>* operator->() const { return &**this; }
  explicit operator bool() const { return static_cast<bool>(cell_); }
  const Shape& shape() const { return (**this).shape(); }

  /// Makes both names one: the same value from now on, updated once.
  friend void tie(Named& a, const Named& b) { a.cell_ = b.cell_; }
  /// The same cell, and so the same name for optimizers.
  friend bool same_cell(const Named& a, const Named& b) { return a.cell_ == b.cell_; }
  const Ref<Cell<D>>& cell() const { return cell_; }

 protected:
  Named(const Tensor<D>& value, bool tracked) : cell_(new Cell<D>) { set(own_array(value), tracked); }
  bool tracked() const { return cell_->value.node().tracked; }
  /// A new leaf; gradients go on being added up where they were.
  void set(Array<D> array, bool tracked) {
    Ref<Gradient<D>> grad = cell_->value ? cell_->value.node().grad : Ref<Gradient<D>>();
    cell_->value = Tensor<D>(std::move(array));
    if (!tracked) return;
    cell_->value.requires_grad(true);
    if (grad) cell_->value.node().grad = std::move(grad);
  }

  Ref<Cell<D>> cell_;
};

}  // namespace detail

namespace nn {

/// A trained value. `*p` is its current leaf. Evaluated on construction.
template <Device D = DefaultDevice>
class Parameter : public detail::Named<D> {
 public:
  Parameter() = default;
  explicit Parameter(const Tensor<D>& value) : detail::Named<D>(value.detach(), true) {}
  explicit Parameter(const Ref<Cell<D>>& cell) { this->cell_ = cell; }

  /// The gradient added up by `backward`; an absent tensor before.
  Tensor<D> grad() const { return (**this).grad(); }
  void zero_grad() const { (**this).zero_grad(); }
  /// Whether optimizers and `backward` leave it alone.
  bool frozen() const { return !this->tracked(); }
  /// Freezes or thaws it, for expressions built from now on.
  void freeze(bool frozen = true) { this->set((**this).data(), !frozen); }
  /// Replaces the value; the shape must stay. What was built before keeps the old one.
  void assign(const Tensor<D>& value) {
    if (!(value.shape() == this->shape())) {
      fail("parameter: a value of shape ", value.shape(), " does not fit one of shape ", this->shape());
    }
    Array<D> own(value.shape(), real<D>);
    copy(value.data(), own);
    this->set(std::move(own), this->tracked());
  }
  /// Lets `update(array)` write a new value: into the old buffer if nobody else sees it, into a copy
  /// of it otherwise, so the past does not change.
  template <class F>
  void update(F&& update) {
    Tensor<D>& value = this->cell_->value;
    const bool alone = value.expression().owners() == 1 && value.data().storage.owners() == 1;
    Array<D> array = value.data();
    if (!alone) copy(value.data(), array = Array<D>(array.shape, array.dtype));
    update(array);
    if (!alone) this->set(std::move(array), this->tracked());
  }
};

/// A value that is saved but not trained, such as a running mean.
template <Device D = DefaultDevice>
class Buffer : public detail::Named<D> {
 public:
  Buffer() = default;
  explicit Buffer(const Tensor<D>& value) : detail::Named<D>(value.detach(), false) {}

  /// Gives it a new value, which is calculated with the next evaluation on this thread, a backward or a
  /// step included. A buffer never holds a graph.
  void assign(const Tensor<D>& value) {
    if (!(value.shape() == this->shape())) {
      fail("buffer: a value of shape ", value.shape(), " does not fit one of shape ", this->shape());
    }
    this->cell_->value = value.detach();
    detail::waiting_assignments<D>().push_back(this->cell_->value);
  }
};

}  // namespace nn
}  // namespace needle

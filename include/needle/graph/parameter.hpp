// Names for values that change: a cell holds the current leaf, and expressions capture the leaf.
#pragma once

#include "needle/graph/backward.hpp"

namespace needle {

namespace detail {

/// The array of a tensor in memory of its own, compact, so that it can be updated in place.
template <Device D>
Array<D> own_array(const Tensor<D>& x) {
  Array<D> array = x.data();
  const auto whole = static_cast<std::size_t>(array.size()) * item_bytes(array.dtype);
  if (array.is_compact() && array.storage->owned && array.storage->bytes == whole) return array;
  Array<D> own(array.shape, array.dtype);
  copy(array, own);
  return own;
}

}  // namespace detail

namespace detail {

/// A name for a leaf; copies of it copy the value (which is shared until one of them is updated).
template <Device D>
class Named {
 public:
  Named() = default;
  Named(const Named& other) : cell_(other.cell_ ? new Cell<D> : nullptr) {
    if (cell_) cell_->set(other->data(), !other.cell_->frozen());
  }
  Named(Named&&) noexcept = default;
  /// Takes over a value. Where it fits the one that is here, optimizers and ties follow: a snapshot
  /// that is copied back goes on being trained.
  Named& operator=(const Named& other) {
    if (this == &other) return *this;
    const bool fits =
        cell_ && other.cell_ && shape() == other.shape() && (**this).dtype() == (*other).dtype();
    if (fits) cell_->set(other->data(), !other.cell_->frozen());
    else *this = Named(other);
    return *this;
  }
  Named& operator=(Named&&) noexcept = default;

  /// The current value: an evaluated leaf, or an assignment that waits.
  const Tensor<D>& operator*() const {
    if (!cell_) fail("parameter: it has no value; construct it with one");
    return cell_->value;
  }
  /// The current value; one without a value is refused.
  const Tensor<D>* operator->() const { return &**this; }
  /// Whether it has a value.
  explicit operator bool() const { return static_cast<bool>(cell_); }
  /// The sizes of the value.
  const Shape& shape() const { return (**this).shape(); }
  /// What it shares with the names that are tied to it.
  const Ref<Cell<D>>& cell() const { return cell_; }
  /// Makes this and another one name: the same value from now on, updated once.
  void tie_to(const Named& other) { cell_ = other.cell_; }

 protected:
  Named(const Tensor<D>& value, bool trained) : cell_(new Cell<D>) {
    cell_->set(own_array(value), trained);
  }
  void check_shape(const Tensor<D>& value, std::string_view what) const {
    if (!(value.shape() == shape())) {
      fail(what, ": a value of shape ", value.shape(), " does not fit one of shape ", shape());
    }
  }

  Ref<Cell<D>> cell_;
};

}  // namespace detail

namespace nn {

/// A trained value: `*p` is its current leaf. Evaluated on construction; a copy has a value of its
/// own. One of 16 bits stays so: an update is calculated in real numbers and rounded.
template <Device D = DefaultDevice>
class Parameter : public needle::detail::Named<D> {
 public:
  /// Without a value; what is asked of it is refused.
  Parameter() = default;
  /// Trains this value, of any shape and a float type; another dtype is refused.
  explicit Parameter(const Tensor<D>& value)
      : needle::detail::Named<D>(stop_gradient(checked_real(value)), true) {}

  /// The gradient added up by `backward`; an absent tensor before.
  Tensor<D> grad() const { return (**this).grad(); }
  /// Forgets the gradient.
  void zero_grad() const {
    (**this).zero_grad();
    this->cell_->zero_grad();
  }
  /// Stops (or resumes) its training, for expressions built from now on.
  void freeze(bool frozen = true) const { this->cell_->set((**this).data(), !frozen); }
  /// Replaces the value; shape and dtype stay. What was built before keeps the old one.
  void assign(const Tensor<D>& value) const {
    this->check_shape(value, "parameter");
    Array<D> own(value.shape(), (**this).dtype());
    copy(value.data(), own);
    this->cell_->set(std::move(own), !this->cell_->frozen());
  }

 private:
  static const Tensor<D>& checked_real(const Tensor<D>& value) {
    if (!is_float(value.dtype()))
      fail("parameter: a value of ", value.dtype(), "; it must be real");
    return value;
  }
};

/// A value that is saved but not trained, such as a running mean.
template <Device D = DefaultDevice>
class Buffer : public needle::detail::Named<D> {
 public:
  /// Without a value; what is asked of it is refused.
  Buffer() = default;
  /// Holds this value, of any shape and dtype.
  explicit Buffer(const Tensor<D>& value) : needle::detail::Named<D>(stop_gradient(value), false) {}

  /// Gives it a new value, which is calculated with the next evaluation on this thread, a backward
  /// or a step included (at once if it is of another dtype, which is converted). A buffer never
  /// holds a graph: where the value cannot be calculated, the evaluation fails, and the buffer has
  /// its old value again.
  void assign(const Tensor<D>& value) const {
    this->check_shape(value, "buffer");
    if (value.dtype() == (**this).dtype()) {
      return this->cell_->assign(stop_gradient(value));
    }
    this->cell_->set(converted(value.data(), (**this).dtype()), false);
  }
};

}  // namespace nn
}  // namespace needle

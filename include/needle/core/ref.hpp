// An object that counts its owners, and a pointer that is one of them.
#pragma once

#include <atomic>
#include <concepts>
#include <utility>

namespace needle {

/// Base of what several owners share. Who drops the last reference calls `destroy(object)`, by ADL.
struct Counted {
  /// How many `Ref` there are to the object; 0 before the first.
  std::atomic<int> owners = 0;
};

/// An owner of a `Counted` object: 8 bytes, one atomic increment for a copy, nothing for a move.
template <class T>
class Ref {
 public:
  /// No object.
  constexpr Ref() = default;
  /// One more owner of an object, or of none; the first takes it over.
  explicit Ref(T* object) : object_(object) { retain(); }
  /// A copy is one more owner; what is moved from has no object.
  Ref(const Ref& other) : object_(other.object_) { retain(); }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  /// An owner of an object of a derived class.
  template <class U>
  requires std::derived_from<U, T> Ref(Ref<U> other) : object_(other.release()) {}
  /// Drops what it owned before.
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  /// The last owner destroys the object.
  ~Ref() { reset(); }

  /// The object, or null; `->` and `*` take one that is there.
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  /// Whether there is an object.
  explicit operator bool() const { return object_ != nullptr; }
  /// Whether two own the same object.
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }

  /// How many owners there are now, this one counted in.
  int owners() const { return object_ ? object_->owners.load(std::memory_order_acquire) : 0; }
  /// Hands the ownership to the caller, who must drop it.
  T* release() { return std::exchange(object_, nullptr); }
  /// Drops the ownership: afterwards there is no object.
  void reset() {
    T* object = release();
    if (object && object->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(object);
  }

 private:
  void retain() const {
    if (object_) object_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  T* object_ = nullptr;
};

}  // namespace needle

// Memory for small objects that come and go by the hundred, such as the nodes of a graph.
#pragma once

#include <cstddef>
#include <new>

#include "needle/core/config.hpp"
#include "needle/core/per_thread.hpp"

namespace needle {

namespace detail {

/// The blocks that a thread has freed, by size. The C library keeps seven of a size at hand and
/// searches for the rest: a graph of hundreds of nodes spends a tenth of its time there.
class Pool {
 public:
  static constexpr std::size_t step = 64, classes = 16;

  Pool() = default;
  Pool(const Pool&) = delete;
  ~Pool() {
    for (Free*& list : free_) {
      while (list) ::operator delete(take(list));
    }
  }

  /// How many blocks it keeps.
  long size() const {
    long sum = 0;
    for (int count : count_) sum += count;
    return sum;
  }
  /// A block of class `k`, or null; and such a block back, if there are not too many.
  void* take(std::size_t k) {
    if (!free_[k]) return nullptr;
    --count_[k];
    return take(free_[k]);
  }
  bool keep(void* block, std::size_t k) {
    if (count_[k] == most) return false;
    ++count_[k];
    free_[k] = new (block) Free{free_[k]};
    return true;
  }

 private:
  static constexpr int most = 1024;
  struct Free {
    Free* next;
  };
  static void* take(Free*& list) {
    void* block = list;
    list = list->next;
    return block;
  }
  Free* free_[classes] = {};
  int count_[classes] = {};
};

}  // namespace detail

/// Base of objects of up to 1 KB whose memory a thread keeps, for its next ones.
struct Pooled {
  /// A block of this many bytes: one that was freed on this thread, or a new one.
  static void* operator new(std::size_t bytes) {
    const std::size_t k = (bytes - 1) / detail::Pool::step;
    if (!NEEDLE_ADDRESS_SANITIZER && k < detail::Pool::classes) {
      bytes = (k + 1) * detail::Pool::step;
      if (auto* pool = detail::per_thread<detail::Pool>()) {
        if (void* block = pool->take(k)) return block;
      }
    }
    return ::operator new(bytes);
  }
  /// Takes back a block of this many bytes.
  static void operator delete(void* block, std::size_t bytes) {
    const std::size_t k = (bytes - 1) / detail::Pool::step;
    if (!NEEDLE_ADDRESS_SANITIZER && k < detail::Pool::classes) {
      auto* pool = detail::per_thread<detail::Pool>();
      if (pool && pool->keep(block, k)) return;
    }
    ::operator delete(block);
  }
};

}  // namespace needle

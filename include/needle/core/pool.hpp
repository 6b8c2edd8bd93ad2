// Memory for small objects that come and go by the hundred, such as the nodes of a graph.
#pragma once

#include <cstddef>
#include <new>

#include "needle/core/config.hpp"
#include "needle/core/per_thread.hpp"

namespace needle {

namespace detail {

/// The blocks that a thread has freed, by size, for its next ones. The C library keeps seven of a
/// size at hand and searches for the rest: a graph of hundreds of nodes spends a tenth of its time
/// there.
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  ~Pool() { give_back(); }

  /// A block of at least this many bytes.
  static void* allocate(std::size_t bytes) {
    const std::size_t k = class_of(bytes);
    if (k >= classes) return ::operator new(bytes);
    Pool* pool = per_thread<Pool>();
    void* block = pool ? pool->take(k) : nullptr;
    return block ? block : ::operator new((k + 1) * step);
  }
  /// Takes back a block that was allocated, by whatever thread, with this number of bytes.
  static void release(void* block, std::size_t bytes) {
    const std::size_t k = class_of(bytes);
    Pool* pool = k < classes ? per_thread<Pool>() : nullptr;
    if (!pool || !pool->keep(block, k)) ::operator delete(block);
  }
  /// Gives the system back what this thread keeps.
  static void empty() {
    if (Pool* pool = per_thread<Pool>()) pool->give_back();
  }
  /// How many blocks this thread keeps.
  static long kept() {
    const Pool* pool = per_thread<Pool>();
    long sum = 0;
    for (std::size_t k = 0; pool && k < classes; ++k) sum += pool->count_[k];
    return sum;
  }

 private:
  // 64 bytes apart up to 1 KB, and no more of a size than large graphs have nodes of it.
  static constexpr std::size_t step = 64, classes = 16;
  static constexpr int most = 1024;
  struct Free {
    Free* next;
  };

  /// Counted from 0; `classes` or more for what is not kept.
  static std::size_t class_of(std::size_t bytes) {
    return NEEDLE_ADDRESS_SANITIZER ? classes : (bytes - 1) / step;
  }
  void give_back() {
    for (std::size_t k = 0; k < classes; ++k) {
      while (void* block = take(k)) ::operator delete(block);
    }
  }
  void* take(std::size_t k) {
    Free* block = free_[k];
    if (!block) return nullptr;
    free_[k] = block->next;
    --count_[k];
    return block;
  }
  bool keep(void* block, std::size_t k) {
    if (count_[k] == most) return false;
    free_[k] = new (block) Free{free_[k]};
    ++count_[k];
    return true;
  }

  Free* free_[classes] = {};
  int count_[classes] = {};
};

}  // namespace detail

/// Base of objects whose memory a thread keeps for its next ones, if they take up to 1 KB.
struct Pooled {
  /// A block of this many bytes.
  static void* operator new(std::size_t bytes) { return detail::Pool::allocate(bytes); }
  /// Takes back such a block.
  static void operator delete(void* block, std::size_t bytes) {
    detail::Pool::release(block, bytes);
  }
};

}  // namespace needle

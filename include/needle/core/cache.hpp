// A caching allocator for any device: what a step releases, the next step gets back.
//
// Blocks come in size classes (64 bytes apart up to 1 KB, then eight to each power of two, so at
// most an eighth is wasted) and go to a list of their class. Giving large blocks back to the system
// would make every training step pay for page faults again. What is cached never exceeds the peak
// of what was live; beyond that, and when the device has no more memory, blocks do go back.
#pragma once

#include <bit>
#include <mutex>
#include <new>
#include <vector>

#include "needle/core/device.hpp"
#include "needle/core/pool.hpp"

namespace needle {

/// The cache of one device; `D` allocates through `D::system_allocate` and `D::system_release`.
template <class D>
class Cache {
 public:
  /// The one cache of this device. It is never destroyed: arrays may outlive any static object.
  static Cache& instance() {
    static Cache* cache = new Cache;
    return *cache;
  }

  /// A block of at least this many bytes; throws `Error` when the device has no more memory.
  void* allocate(std::size_t bytes) {
    const auto [index, size] = size_class(bytes);
    std::lock_guard lock(mutex_);
    void* block = nullptr;
    if (index < lists_.size() && !lists_[index].empty()) {
      block = lists_[index].back();
      lists_[index].pop_back();
      stats_.cached -= size;
    } else if (!(block = D::system_allocate(size))) {
      empty_locked();
      if (!(block = D::system_allocate(size))) {
        fail("memory: ", D::name, " cannot give ", bytes, " bytes; ", stats_.live, " are in use");
      }
    }
    stats_.live += size;
    stats_.peak = (std::max)(stats_.peak, stats_.live);
    return block;
  }

  /// Takes back a block that was allocated with this number of bytes.
  void release(void* block, std::size_t bytes) {
    const auto [index, size] = size_class(bytes);
    std::lock_guard lock(mutex_);
    stats_.live -= size;
    if (stats_.cached + size > stats_.peak) return D::system_release(block, size);
    try {
      if (index >= lists_.size()) lists_.resize(index + 1);
      lists_[index].push_back(block);
    } catch (const std::bad_alloc&) {  // no memory to remember it in: arrays are freed all the same
      return D::system_release(block, size);
    }
    stats_.cached += size;
  }

  /// Live, peak and cached bytes, each block counted with the size of its class.
  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

  /// Gives every cached block back to the system.
  void empty() {
    std::lock_guard lock(mutex_);
    empty_locked();
  }

 private:
  struct Class {
    std::size_t index, size;
  };
  static Class size_class(std::size_t bytes) {
    if (bytes <= 1024) {
      const std::size_t steps = bytes == 0 ? 1 : (bytes + 63) / 64;
      return {steps, steps * 64};
    }
    const int power =
        static_cast<int>(std::bit_width(bytes - 1)) - 1;  // 2^power < bytes <= 2^(power + 1)
    const std::size_t step = std::size_t{1} << (power - 3);
    const std::size_t steps = (bytes + step - 1) / step;  // 9 to 16
    return {17 + static_cast<std::size_t>(power - 10) * 8 + (steps - 9), steps * step};
  }
  void empty_locked() {
    for (std::size_t index = 0; index < lists_.size(); ++index) {
      for (void* block : lists_[index]) D::system_release(block, class_size(index));
      lists_[index].clear();
    }
    stats_.cached = 0;
  }
  static std::size_t class_size(std::size_t index) {
    if (index < 17) return index * 64;
    return ((index - 17) % 8 + 9) << ((index - 17) / 8 + 7);
  }

  std::mutex mutex_;
  std::vector<std::vector<void*>> lists_;
  MemoryStats stats_;
};

/// Live, peak and cached bytes of a device.
template <Device D>
MemoryStats memory_stats() {
  return Cache<D>::instance().stats();
}

/// Gives every cached block of a device back to the system, and what the calling thread keeps for
/// its next nodes.
template <Device D>
void empty_cache() {
  D::synchronize();
  Cache<D>::instance().empty();
  detail::Pool::empty();
}

}  // namespace needle

// The CPU: its memory is the program's own.
#pragma once

#include <cstdlib>
#include <cstring>

#include "needle/core/array.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace needle {

/// The host's processor, in float: vectorised, multi-core kernels.
struct Cpu : HostCopies {
  using Real = float;                              ///< its arithmetic
  static constexpr std::string_view name = "cpu";  ///< in messages

  /// Memory from the pool, and back to it.
  static void* allocate(std::size_t bytes) { return Cache<Cpu>::instance().allocate(bytes); }
  static void release(void* block, std::size_t bytes) {
    Cache<Cpu>::instance().release(block, bytes);
  }

  /// Large blocks ask for large pages: the first touch of 40 MB then takes 20 page faults, not
  /// 10,000.
  static void* system_allocate(std::size_t bytes) {
    constexpr std::size_t huge = std::size_t{2} << 20;
    if (bytes < 2 * huge) return std::aligned_alloc(64, bytes);
    const std::size_t whole = (bytes + huge - 1) / huge * huge;
    void* block = whole < bytes ? nullptr : std::aligned_alloc(huge, whole);
#if defined(__linux__)
    if (block) madvise(block, whole, MADV_HUGEPAGE);
#endif
    return block;
  }
  static void system_release(void* block, std::size_t) { std::free(block); }
};

static_assert(Device<Cpu>);

}  // namespace needle

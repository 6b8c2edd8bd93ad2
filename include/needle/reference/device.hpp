// The reference device: plain loops in double precision, one thread. It is every test's oracle.
#pragma once

#include <cstdlib>
#include <cstring>

#include "needle/core/array.hpp"

namespace needle {

/// The host again, in double and without cleverness: slow, and right.
struct Reference : HostCopies {
  using Real = double;                                   ///< its arithmetic
  static constexpr std::string_view name = "reference";  ///< in messages

  /// Memory from the pool, and back to it.
  static void* allocate(std::size_t bytes) { return Cache<Reference>::instance().allocate(bytes); }
  static void release(void* block, std::size_t bytes) {
    Cache<Reference>::instance().release(block, bytes);
  }
  /// Memory from the system, or null, and back to it.
  static void* system_allocate(std::size_t bytes) { return std::aligned_alloc(64, bytes); }
  static void system_release(void* block, std::size_t) { std::free(block); }
};

static_assert(Device<Reference>);

}  // namespace needle

// `live_allocations()`: how many objects made with `new` there are. A graph that grows shows in it.
// Include it in one file of a program.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

namespace allocations {
inline std::atomic<long> live = 0;
}
inline long live_allocations() { return allocations::live.load(); }

// nvcc takes a replaced `operator new` for the device's too, so there nothing is counted.
#if !defined(__CUDACC__)
void* operator new(std::size_t bytes) {
  void* block = std::malloc(bytes ? bytes : 1);
  if (!block) throw std::bad_alloc();
  allocations::live.fetch_add(1, std::memory_order_relaxed);
  return block;
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  void* block = std::malloc(bytes ? bytes : 1);
  if (block) allocations::live.fetch_add(1, std::memory_order_relaxed);
  return block;
}
void operator delete(void* block) noexcept {
  if (block) allocations::live.fetch_sub(1, std::memory_order_relaxed);
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }
#endif

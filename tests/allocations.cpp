// `new` and `delete` that count. A file of their own, for nvcc would take them for the device's
// too.
#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<long> live = 0;
static thread_local long others = -1;  // before the one that is refused
static thread_local bool refused = false;

long live_blocks() { return live.load(); }

void refuse_allocation(long n) { others = n, refused = false; }
bool allocation_refused() { return refused; }

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  if (others >= 0 && others-- == 0) {
    refused = true;
    return nullptr;
  }
  void* block = std::malloc(bytes ? bytes : 1);
  if (block) live.fetch_add(1, std::memory_order_relaxed);
  return block;
}
void* operator new(std::size_t bytes) {
  if (void* block = operator new(bytes, std::nothrow)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
  if (block) live.fetch_sub(1, std::memory_order_relaxed);
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

// `parallel_for` over numbered chunks, and how many threads share them.
//
// Policy. What is added to what, and in which order, must follow from shapes alone; then results do
// not depend on who ran what. What else a chunk holds may follow from the number of threads. A
// nested region, a region met while another thread owns the pool, one chunk, or one thread: all of
// these run on their caller and never touch the pool.
#pragma once

#include <cstdint>

#include "needle/core/error.hpp"
#include "needle/cpu/thread_pool.hpp"

namespace needle {

/// The number of threads a parallel region may use, its caller included.
inline int num_threads() { return cpu::thread_pool().threads(); }

/// Sets the number of threads (1 to 4096) once running regions have ended; not from inside a
/// region.
inline void set_num_threads(int n) {
  if (n < 1 || n > cpu::max_num_threads) {
    fail("set_num_threads: got ", n, ", expected 1 to ", cpu::max_num_threads);
  }
  if (cpu::in_parallel_region()) fail("set_num_threads: called inside a parallel region");
  cpu::thread_pool().resize(n);
}

namespace cpu {

/// `parallel_for` of a body whose type is erased: compiled once, whatever the bodies are.
NEEDLE_NOINLINE inline void run_chunks(int64_t chunks, void (*call)(void*, int64_t), void* body) {
  if (chunks > 1 && !in_parallel_region()) {
    ThreadPool& pool = thread_pool();
    if (pool.threads() > 1) {
      struct Inside {
        Inside() { in_parallel_region() = true; }
        ~Inside() { in_parallel_region() = false; }
      } inside;
      if (pool.run(chunks, call, body)) return;
    }
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) call(body, chunk);
}

}  // namespace cpu

/// Calls `body(chunk)` for every chunk in [0, chunks), in any order, on this thread and the pool's.
///
/// The first exception a chunk throws comes out here, and chunks not yet begun are skipped.
template <class F>
void parallel_for(int64_t chunks, F&& body) {
  auto call = [&](int64_t chunk) { body(chunk); };
  cpu::run_chunks(
      chunks, [](void* f, int64_t chunk) { (*static_cast<decltype(call)*>(f))(chunk); }, &call);
}

}  // namespace needle

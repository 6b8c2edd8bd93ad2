// How elements are cut: into tiles that stay in the first cache, and chunks for threads.
#pragma once

#include <algorithm>

#include "needle/cpu/threads.hpp"

namespace needle::cpu {

/// Elements that a program calculates at a time, as a rule.
inline constexpr std::int64_t tile = 1024;
/// Elements that one task of the thread pool handles at least.
inline constexpr std::int64_t chunk = 16 * tile;

/// Below this many element operations the calling thread does the work alone.
inline constexpr std::int64_t parallel_work = std::int64_t{1} << 17;

/// Of n pieces of work, how many make a task: eight tasks a thread, so that all end together.
inline std::int64_t pieces_of_task(std::int64_t n) {
  return (std::max)(n / (8 * num_threads()), std::int64_t{1});
}

/// Runs `body(begin, end)` over [0, n) in whole multiples of `each`, in parallel if that is worth
/// it.
template <class Body>
void for_each_chunk(std::int64_t n, std::int64_t cost, Body&& body, std::int64_t each = chunk) {
  if (n * cost < parallel_work || num_threads() == 1) {
    if (n > 0) body(std::int64_t{0}, n);
    return;
  }
  each *= pieces_of_task(n / each);
  parallel_for((n + each - 1) / each,
               [&](std::int64_t i) { body(i * each, (std::min)(n, (i + 1) * each)); });
}

}  // namespace needle::cpu

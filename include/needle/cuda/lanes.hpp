// How the threads of a block share several lines of numbers.
//
// A block works on `across` lines at once, with `along` threads to each. Threads that are
// neighbours should read neighbours in memory: along a line where its elements are near each other
// ("rows"), from line to line where those are ("columns"). Short lines get few threads, so that a
// block has many lines.
#pragma once

#include <algorithm>
#include <bit>

#include "needle/cuda/launch.hpp"

namespace needle::cuda {

/// The share of a block's threads in its lines; both counts are powers of two.
struct Lanes {
  /// For `lines` lines of `length` elements: about `width` elements a thread at least.
  Lanes(std::int64_t lines, std::int64_t length, bool columns) : columns(columns) {
    const auto power = [](std::int64_t n) {
      return static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(n < 1         ? 1
                                                                       : n > threads ? threads
                                                                                     : n)));
    };
    constexpr int warp = 32;  // columns are read by whole warps if there are as many
    const int most = columns ? threads / (std::min)(power(lines), warp) : threads;
    along = (std::min)(power((length + 3) / 4), most);
    across = threads / along;
  }
  /// Which of the block's lines is thread t's.
  NEEDLE_FN int line(int t) const { return columns ? t % across : t / along; }
  /// Which of the line's threads it is.
  NEEDLE_FN int lane(int t) const { return columns ? t / across : t % along; }

  int along, across;
  bool columns;
};

}  // namespace needle::cuda

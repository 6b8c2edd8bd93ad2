// Changes made to training pictures as they are loaded.
#pragma once

#include <cstdint>
#include <cstring>

#include "needle/core/philox.hpp"
#include "needle/core/shape.hpp"

namespace needle::data {

/// Random numbers for one item of one epoch, whoever loads it and when.
class ItemRandom {
 public:
  /// The numbers of item `item` in epoch `epoch`, up to 2^22 of them before the next item's.
  ItemRandom(std::uint64_t seed, std::uint64_t epoch, std::uint64_t item)
      : seed_(seed), stream_(epoch | first_stream), block_(item << 20) {}
  /// A whole number in [0, count).
  std::uint32_t next(std::uint32_t count) {
    if (used_ == 4) words_ = philox(seed_, stream_, block_++), used_ = 0;
    return below(words_.word[used_++], count);
  }

 private:
  /// Far from the streams of a `Generator` of the same seed, which count from 0.
  static constexpr std::uint64_t first_stream = std::uint64_t{1} << 63;

  std::uint64_t seed_, stream_, block_;
  PhiloxBlock words_{};
  int used_ = 4;
};

/// Moves each picture (rows, columns) of an item (..., rows, columns) by up to `pixels` up or down
/// and left or right, all of them alike; what comes in is 0.
struct RandomShift {
  /// The farthest move each way, at least 0.
  int pixels = 2;

  /// Changes one item of this shape in place.
  void operator()(std::uint8_t* item, const Shape& shape, ItemRandom& random) const {
    const int n = shape.ndim();
    if (n < 2) fail("random_shift: an item of shape ", shape, " has no rows and columns");
    if (pixels < 0) fail("random_shift: ", pixels, " pixels; it takes 0 or more");
    const auto count = 2 * static_cast<std::uint32_t>(pixels) + 1;
    const std::int64_t down = std::int64_t{random.next(count)} - pixels;
    const std::int64_t right = std::int64_t{random.next(count)} - pixels;
    const std::int64_t rows = shape[n - 2], columns = shape[n - 1], items = shape.size();
    for (std::int64_t at = 0; at < items; at += rows * columns) {
      shift(item + at, rows, columns, down, right);
    }
  }

 private:
  /// Goes against the direction of the movement, so that no row is read after it was written.
  static void shift(std::uint8_t* picture, std::int64_t rows, std::int64_t columns,
                    std::int64_t down, std::int64_t right) {
    const std::int64_t left_edge = (std::min)(columns, (std::max)(right, std::int64_t{0}));
    const std::int64_t right_edge = (std::min)(columns, (std::max)(-right, std::int64_t{0}));
    const std::int64_t stays = columns - left_edge - right_edge;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = down > 0 ? rows - 1 - i : i, source = row - down;
      std::uint8_t* to = picture + row * columns;
      if (source < 0 || source >= rows || stays <= 0) {
        std::memset(to, 0, static_cast<std::size_t>(columns));
        continue;
      }
      std::memmove(to + left_edge, picture + source * columns + right_edge,
                   static_cast<std::size_t>(stays));
      std::memset(to, 0, static_cast<std::size_t>(left_edge));
      std::memset(to + columns - right_edge, 0, static_cast<std::size_t>(right_edge));
    }
  }
};

}  // namespace needle::data

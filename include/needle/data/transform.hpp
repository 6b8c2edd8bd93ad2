// Changes made to training pictures as they are loaded.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "needle/core/philox.hpp"
#include "needle/core/shape.hpp"

namespace needle::data {

/// Random numbers for one item of one epoch, whoever loads it and when.
class ItemRandom {
 public:
  ItemRandom(std::uint64_t seed, std::uint64_t epoch, std::uint64_t item)
      : seed_(seed), stream_(epoch), block_(item << 8) {}
  /// A whole number in [0, count).
  std::uint32_t next(std::uint32_t count) {
    if (used_ == 4) words_ = philox(seed_, stream_, block_++), used_ = 0;
    return below(words_.word[used_++], count);
  }

 private:
  std::uint64_t seed_, stream_, block_;
  PhiloxBlock words_{};
  int used_ = 4;
};

/// Moves each picture (rows, columns) by up to `pixels` up or down and left or right; what comes in is 0.
struct RandomShift {
  int pixels = 2;

  /// Changes one item of this shape in place.
  void operator()(std::uint8_t* item, const Shape& shape, ItemRandom& random) const {
    if (shape.ndim() < 2) fail("random_shift: an item of shape ", shape, " has no rows and columns");
    const int n = shape.ndim();
    const std::int64_t rows = shape[n - 2], columns = shape[n - 1];
    const auto steps = static_cast<std::uint32_t>(2 * pixels + 1);
    const std::int64_t down = std::int64_t{random.next(steps)} - pixels;
    const std::int64_t right = std::int64_t{random.next(steps)} - pixels;
    std::vector<std::uint8_t> moved(static_cast<std::size_t>(rows * columns));
    for (std::int64_t plane = 0; plane < shape.size() / (rows * columns); ++plane) {
      std::uint8_t* picture = item + plane * rows * columns;
      std::fill(moved.begin(), moved.end(), std::uint8_t{0});
      const std::int64_t from = (std::max)(std::int64_t{0}, -right);
      const std::int64_t count = columns - (right < 0 ? -right : right);
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t source = row - down;
        if (source < 0 || source >= rows || count <= 0) continue;
        std::memcpy(moved.data() + row * columns + from + right, picture + source * columns + from,
                    static_cast<std::size_t>(count));
      }
      std::memcpy(picture, moved.data(), moved.size());
    }
  }
};

}  // namespace needle::data

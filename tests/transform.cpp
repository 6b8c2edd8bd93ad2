#include "needle/data/transform.hpp"

#include <vector>

#include "check.hpp"

using namespace needle;
using data::ItemRandom;
using data::RandomShift;
using Pixels = std::vector<std::uint8_t>;

namespace {

/// The pixels 1, 2, 3, ... of an item.
Pixels item_of(const Shape& shape) {
  Pixels pixels(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i + 1);
  return pixels;
}

Pixels shifted(const Shape& shape, int pixels, ItemRandom random) {
  Pixels item = item_of(shape);
  RandomShift{pixels}(item.data(), shape, random);
  return item;
}

/// The item moved, one pixel after the other.
Pixels moved(const Shape& shape, std::int64_t down, std::int64_t right) {
  const Pixels from = item_of(shape);
  Pixels to(from.size());
  const std::int64_t rows = shape[shape.ndim() - 2], columns = shape.back();
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    const std::int64_t row = i / columns % rows - down, column = i % columns - right;
    const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
    if (inside)
      to[static_cast<std::size_t>(i)] = from[static_cast<std::size_t>(i - down * columns - right)];
  }
  return to;
}

}  // namespace

TEST_CASE(
    "A random shift moves all planes alike, each way equally often, and fills up with zeros") {
  for (const Shape& shape : {Shape{4, 5}, Shape{2, 3, 4}, Shape{1, 1}, Shape{1, 7}, Shape{6, 1}}) {
    std::vector<int> count(25);
    for (std::uint64_t i = 0; i < 2500; ++i) {
      ItemRandom random(1, 2, i);
      const auto down = std::int64_t{random.next(5)} - 2, right = std::int64_t{random.next(5)} - 2;
      if (shifted(shape, 2, ItemRandom(1, 2, i)) == moved(shape, down, right)) {
        ++count[static_cast<std::size_t>(5 * (down + 2) + right + 2)];
      }
    }
    for (const int n : count) CHECK(n == Approx(100).margin(50));  // 5 standard deviations
  }
}

TEST_CASE("A shift follows from seed, epoch and item, and from nothing else") {
  const Shape shape{8, 8};
  const Pixels once = shifted(shape, 7, ItemRandom(1, 2, 3));
  CHECK(shifted(shape, 7, ItemRandom(1, 2, 3)) == once);
  CHECK(shifted(shape, 7, ItemRandom(0, 2, 3)) != once);
  CHECK(shifted(shape, 7, ItemRandom(1, 0, 3)) != once);
  CHECK(shifted(shape, 7, ItemRandom(1, 2, 0)) != once);
}

TEST_CASE("A shift by nothing keeps a picture, one beyond its edges may leave nothing") {
  const Shape shape{3, 3};
  CHECK(shifted(shape, 0, ItemRandom(1, 2, 3)) == item_of(shape));
  int empty = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    empty += shifted(shape, 1000, ItemRandom(1, 2, i)) == Pixels(9);
  }
  CHECK(empty > 90);
  CHECK(shifted(shape, INT32_MAX, ItemRandom(1, 2, 3)) == Pixels(9));
}

TEST_CASE("A shift of an item without pixels does nothing") {
  for (const Shape& shape : {Shape{0, 3}, Shape{3, 0}, Shape{0, 3, 3}}) {
    CHECK(shifted(shape, 2, ItemRandom(1, 2, 3)).empty());
  }
}

TEST_CASE("A shift refuses what has no rows and columns, and fewer than 0 pixels") {
  CHECK(refusal([] { shifted({5}, 2, ItemRandom(1, 2, 3)); }) ==
        "random_shift: an item of shape (5,) has no rows and columns");
  CHECK(refusal([] {
          shifted({5, 5}, -1, ItemRandom(1, 2, 3));
        }) == "random_shift: -1 pixels; it takes 0 or more");
}

TEST_CASE("An item has random numbers of its own, evenly spread") {
  ItemRandom a(1, 2, 3), b(1, 2, 4);
  int same = 0;
  std::vector<int> count(10);
  for (int i = 0; i < 5000; ++i) {
    const std::uint32_t x = a.next(10), y = b.next(10);
    REQUIRE(x < 10);
    ++count[x];
    same += x == y;
  }
  for (const int n : count) CHECK(n == Approx(500).margin(110));
  CHECK(same == Approx(500).margin(110));
}

TEST_CASE("The numbers of one item are not those of the next, nor of a tensor") {
  data::ItemRandom a(1, 2, 3), b(1, 2, 4);
  std::vector<std::uint32_t> one, next;
  for (int i = 0; i < 64; ++i) one.push_back(a.next(1u << 31)), next.push_back(b.next(1u << 31));
  for (const std::uint32_t number : next) CHECK(std::count(one.begin(), one.end(), number) == 0);
  data::ItemRandom first(1, 0, 0);
  CHECK(first.next(1u << 31) != below(philox(1, 0, 0).word[0], 1u << 31));
}

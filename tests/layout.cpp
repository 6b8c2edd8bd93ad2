#include "needle/core/layout.hpp"

#include <vector>

#include "catch.hpp"
#include "needle/cpu/device.hpp"
#include "needle/program/loop.hpp"

using namespace needle;

namespace {

/// The places of a view's elements in storage, in row-major order.
std::vector<std::int64_t> places(const Layout& x) {
  std::vector<std::int64_t> result;
  for (std::int64_t n = 0; n < x.size(); ++n) {
    std::int64_t rest = n, at = x.offset;
    for (int i = x.ndim() - 1; i >= 0; --i) {
      at += rest % x.shape[i] * x.strides[i];
      rest /= x.shape[i];
    }
    result.push_back(at);
  }
  return result;
}
using Places = std::vector<std::int64_t>;

/// Views of every kind that ops make, of 24 elements or fewer.
std::vector<Layout> views() {
  const Layout x = compact_layout({2, 3, 4});
  return {x,
          permuted(x, {2, 0, 1}),
          permuted(x, {0, 2, 1}),
          sliced(x, 2, 3, 4, -1),
          sliced(sliced(x, 1, 2, 3, -1), 2, 3, 4, -1),
          sliced(sliced(sliced(x, 0, 1, 2, -1), 1, 2, 3, -1), 2, 3, 4, -1),
          sliced(x, 2, 0, 2, 2),
          sliced(x, 1, 1, 2, 1),
          sliced(x, 0, 1, 1, 1),
          selected(x, 1, 2),
          broadcasted(compact_layout({4}), {2, 3, 4}),
          broadcasted(compact_layout({3, 1}), {2, 3, 4}),
          broadcasted(compact_layout({}), {2, 3, 4}),
          compact_layout({1, 1, 1}),
          compact_layout({}),
          sliced(x, 1, 0, 0, 1)};
}

}  // namespace

TEST_CASE("Slices, flips and selections keep the offset of the view they start from") {
  const Layout x = compact_layout({3, 4});
  CHECK(places(sliced(x, 1, 1, 3, 1)) == Places{1, 2, 3, 5, 6, 7, 9, 10, 11});
  CHECK(places(sliced(sliced(x, 1, 1, 3, 1), 1, 2, 2, -2)) == Places{3, 1, 7, 5, 11, 9});
  CHECK(places(selected(sliced(x, 0, 2, 3, -1), 0, 1)) == Places{4, 5, 6, 7});
  CHECK(places(permuted(sliced(x, 0, 1, 2, 1), {1, 0})) == Places{4, 8, 5, 9, 6, 10, 7, 11});
  CHECK(places(broadcasted(selected(x, 1, 3), {2, 3})) == Places{3, 7, 11, 3, 7, 11});
}

TEST_CASE("A view is compact when it is row-major without gaps, whatever lies under sizes of 1") {
  CHECK(compact_layout({2, 3}).is_compact());
  CHECK_FALSE(permuted(compact_layout({2, 3}), {1, 0}).is_compact());
  CHECK(permuted(compact_layout({1, 3}), {1, 0}).is_compact());
  CHECK(sliced(compact_layout({4, 3}), 0, 1, 2, 1).is_compact());
  CHECK_FALSE(sliced(compact_layout({4, 3}), 1, 0, 2, 1).is_compact());
  CHECK(sliced(compact_layout({4, 3}), 1, 0, 0, 2).is_compact());
  CHECK(Layout{{1, 1}, {-7, 5}, 3}.is_compact());
}

TEST_CASE("A reshape without a copy sees the same elements in the same order") {
  for (const Layout& x : views()) {
    std::vector<Shape> shapes = {x.shape, {x.size()}, {1, x.size(), 1}};
    for (std::int64_t a = 1; a <= x.size(); ++a) {
      for (std::int64_t b = 1; a * b <= x.size(); ++b) {
        if (x.size() % (a * b) == 0) shapes.push_back({a, b, x.size() / (a * b)});
      }
    }
    for (const Shape& shape : shapes) {
      Layout y;
      const bool found = try_reshape(x, shape, y);
      INFO(str(x.shape) << " with strides " << str(x.strides) << " as " << str(shape));
      if (found) {
        CHECK(y.shape == shape);
        CHECK(places(y) == places(x));
      }
      if (x.is_compact() || shape == x.shape) CHECK(found);
    }
  }
}

TEST_CASE("A reshape finds strides where there are some, and says where there are none") {
  const auto reshapes = [](const Layout& x, const Shape& shape) {
    Layout y;
    return try_reshape(x, shape, y);
  };
  const Layout x = compact_layout({2, 3, 4});
  CHECK(reshapes(sliced(x, 2, 0, 2, 2), {6, 2}));
  CHECK_FALSE(reshapes(sliced(x, 2, 0, 3, 1), {18}));
  CHECK_FALSE(reshapes(permuted(x, {0, 2, 1}), {2, 12}));
  CHECK(reshapes(permuted(x, {2, 0, 1}), {4, 6}));
  CHECK(reshapes(broadcasted(compact_layout({4}), {2, 3, 4}), {6, 2, 2}));
  CHECK_FALSE(reshapes(broadcasted(compact_layout({4}), {2, 3, 4}), {24}));
  CHECK(reshapes(broadcasted(compact_layout({}), {2, 3, 4}), {24}));
  CHECK(reshapes(sliced(sliced(x, 1, 2, 3, -1), 2, 3, 4, -1), {2, 12}));
}

TEST_CASE("A loop joins dimensions where every operand allows it, and visits the same places") {
  for (const Layout& a : views()) {
    for (const Layout& b : views()) {
      if (!(a.shape == b.shape)) continue;
      const Loop loop = collapse({a.shape, {a.strides, b.strides}});
      CHECK(loop.size() == a.size());
      CHECK(places({loop.shape, loop.strides[0], a.offset}) == places(a));
      CHECK(places({loop.shape, loop.strides[1], b.offset}) == places(b));
      if (loop.size() == 0) continue;
      Places walked;
      const std::int64_t begin = loop.size() / 3, length = loop.size() - begin;
      for_each_run(loop, loop.strides[0], begin, length,
                   [&](std::int64_t offset, std::int64_t count, std::int64_t stride) {
                     for (std::int64_t i = 0; i < count; ++i) {
                       walked.push_back(a.offset + offset + i * stride);
                     }
                   });
      const Places all = places(a);
      CHECK(walked == Places(all.begin() + begin, all.end()));
    }
  }
  const Layout x = compact_layout({2, 3, 4});
  CHECK(collapse({x.shape, {x.strides, x.strides}}).shape == Shape{24});
  CHECK(collapse({x.shape, {x.strides, broadcasted(compact_layout({4}), x.shape).strides}}).shape ==
        Shape{6, 4});
}

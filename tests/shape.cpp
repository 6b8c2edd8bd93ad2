#include "needle/core/shape.hpp"

#include "catch.hpp"

using namespace needle;

namespace {

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("Shapes print as Python's tuples") {
  CHECK(str(Shape{}) == "()");
  CHECK(str(Shape{3}) == "(3,)");
  CHECK(str(Shape{8, 3, 32}) == "(8, 3, 32)");
}

TEST_CASE("A list of dimensions grows and shrinks in place") {
  Shape shape = {2, 3};
  shape.insert(0, 7);
  shape.insert(3, 9);
  CHECK(shape == Shape{7, 2, 3, 9});
  shape.erase(1);
  CHECK(shape == Shape{7, 3, 9});
  CHECK(shape.back() == 9);
  CHECK_FALSE(shape == Shape{7, 3});
  CHECK(refusal([] { Shape{1, 1, 1, 1, 1, 1, 1, 1}.push_back(1); }) ==
        "shape: more than 8 dimensions");
  const char* nine =
      "shape: (1, 2, 3, 4, 5, 6, 7, 8, 9) names 9 dimensions; a tensor has at most 8";
  CHECK(refusal([] { Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}; }) == nine);
  CHECK(refusal([] { Axes{1, 2, 3, 4, 5, 6, 7, 8, 9}; }) == nine);
  CHECK(refusal([] { Shape(std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}); }) == nine);
  CHECK(Shape(std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8}).ndim() == 8);
}

TEST_CASE("The size of a scalar is 1, of an empty shape 0") {
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{3, 0, 5}.size() == 0);
  CHECK(Shape{1 << 20, 1 << 20}.size() == std::int64_t{1} << 40);
}

TEST_CASE("Row-major strides end in 1") {
  CHECK(row_major({2, 3, 4}) == Strides{12, 4, 1});
  CHECK(row_major({5}) == Strides{1});
  CHECK(row_major({}) == Strides{});
}

TEST_CASE("Axes count from either end, once each") {
  CHECK(normal_axis(-1, 3, "op") == 2);
  CHECK(normal_axis(0, 3, "op") == 0);
  CHECK(refusal([] { normal_axis(3, 3, "op"); }) ==
        "op: axis 3 of a tensor of 3 dimensions; axes run from -3 to 2");
  CHECK(refusal([] { normal_axis(-1, 0, "op"); }) == "op: axis -1, but a scalar has no axes");
  CHECK(axis_mask({}, 3, "op") == 0b111);
  CHECK(axis_mask({0, -1}, 3, "op") == 0b101);
  CHECK(axis_mask({}, 0, "op") == 0);
  CHECK(refusal([] { axis_mask({1, -2}, 3, "op"); }) == "op: axis -2 is named twice in (1, -2)");
}

TEST_CASE("Shapes broadcast from the last dimension on") {
  const auto joined = [](const Shape& a, const Shape& b) {
    const Shape ab = broadcast_shapes(a, b, "op");
    CHECK(ab == broadcast_shapes(b, a, "op"));
    return ab;
  };
  CHECK(joined({2, 3}, {2, 3}) == Shape{2, 3});
  CHECK(joined({3}, {2, 1}) == Shape{2, 3});
  CHECK(joined({}, {2, 0}) == Shape{2, 0});
  CHECK(joined({1, 4}, {0, 1}) == Shape{0, 4});
  CHECK(joined({5, 1, 3}, {4, 1}) == Shape{5, 4, 3});
  CHECK(refusal([] {
          broadcast_shapes({2, 3}, {2}, "op");
        }) ==
        "op: shapes (2, 3) and (2,) do not broadcast: 3 against 2; sizes must be equal, or one of "
        "them "
        "1");
  CHECK(refusal([] {
          broadcast_shapes({2}, {2, 3}, "op");
        }) ==
        "op: shapes (2,) and (2, 3) do not broadcast: 2 against 3; sizes must be equal, or one of "
        "them "
        "1");
}

TEST_CASE("A shape is reduced by a mask of its axes") {
  CHECK(reduced_shape({2, 3, 4}, 0b101, false) == Shape{3});
  CHECK(reduced_shape({2, 3, 4}, 0b101, true) == Shape{1, 3, 1});
  CHECK(reduced_shape({2}, 0, false) == Shape{2});
}

TEST_CASE("Shapes whose bytes cannot be counted are refused, empty or not") {
  CHECK(checked({3, 0}, "op") == Shape{3, 0});
  CHECK(checked({std::int64_t{1} << 59}, "op").size() == std::int64_t{1} << 59);
  const char* too_many = " has more elements than memory has addresses";
  CHECK(refusal([] { checked({std::int64_t{1} << 61}, "op"); }) ==
        text("op: shape (2305843009213693952,)", too_many));
  CHECK(refusal([] {
          checked({1ll << 32, 1ll << 32}, "op");
        }) == text("op: shape (4294967296, 4294967296)", too_many));
  CHECK(refusal([] {
          checked({0, 1ll << 32, 1ll << 32}, "op");
        }) == text("op: shape (0, 4294967296, 4294967296)", too_many));
  CHECK(refusal([] { checked({2, -3}, "op"); }) == "op: shape (2, -3) has a negative size");
}

#include "needle/ops/slice.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"

using namespace needle;

namespace {

using Bound = std::optional<std::int64_t>;
constexpr Bound none = std::nullopt;

/// What Python's list(range(n))[start:stop:step] is, by the language reference: positions counted
/// from the end if negative, moved to the nearest end, then walked one step at a time.
List python_slice(std::int64_t n, Bound start, Bound stop, std::int64_t step) {
  const auto bound = [&](Bound at, std::int64_t otherwise) {
    if (!at) return otherwise;
    std::int64_t i = *at;
    if (i < 0) i += n;
    if (step > 0) return i < 0 ? 0 : i > n ? n : i;
    return i < 0 ? -1 : i > n - 1 ? n - 1 : i;
  };
  List positions;
  std::int64_t i = bound(start, step > 0 ? 0 : n - 1);
  const std::int64_t end = bound(stop, step > 0 ? n : -1);
  for (; step > 0 ? i < end : i > end; i += step) positions.push_back(static_cast<double>(i));
  return positions;
}

}  // namespace

DEVICE_TEST_CASE("Tensors of the most dimensions are not stacked") {
  CHECK(refusal([] {
          stack({ones<D>({1, 1, 1, 1, 1, 1, 1, 2})});
        }) == "stack: shape (1, 1, 1, 1, 1, 1, 1, 2) has 8 dimensions, the most there are");
}

DEVICE_TEST_CASE("A range means what it means in Python, for every start, stop and step") {
  std::vector<Bound> bounds{none};
  for (std::int64_t at = -7; at <= 7; ++at) bounds.push_back(at);
  for (const std::int64_t n : {0, 1, 2, 5}) {
    const Tensor<D> x = arange<D>(n);
    for (const Bound& start : bounds) {
      for (const Bound& stop : bounds) {
        for (const std::int64_t step : {-6, -3, -2, -1, 1, 2, 3, 6}) {
          const List expected = python_slice(n, start, stop, step);
          if (list(x[{range(start, stop, step)}]) == expected) continue;
          FAIL_CHECK("[" << start.value_or(99) << ":" << stop.value_or(99) << ":" << step << "] of "
                         << n);
        }
      }
    }
  }
}

DEVICE_TEST_CASE("Starts, stops and steps as large as they get end at the axis") {
  const Tensor<D> x = arange<D>(5);
  CHECK(list(x[{range(INT64_MIN, INT64_MAX, INT64_MAX)}]) == List{0});
  CHECK(list(x[{range(INT64_MAX, INT64_MIN, INT64_MIN)}]) == List{4});
  CHECK(list(x[{range(1, none, INT64_MAX)}][{range(none, none, -1)}]) == List{1});
}

DEVICE_TEST_CASE("Positions, runs, ellipsis and new axes, mixed as in NumPy") {
  const Tensor<D> x = reshape(arange<D>(24), {2, 3, 4});
  CHECK(list(x[1]) == List{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23});
  CHECK(list(x[-1][-2]) == List{16, 17, 18, 19});
  CHECK(list(x[{0, range(1, 3), needle::all}]) == List{4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(list(x[{ellipsis, 0}]) == List{0, 4, 8, 12, 16, 20});
  CHECK(list(x[{1, ellipsis, -1}]) == List{15, 19, 23});
  CHECK(list(x[{1, 2, 3, ellipsis}]) == List{23});
  CHECK(str(x[{1, 2, 3}].shape()) == "()");
  CHECK(str(x[{new_axis, 0, new_axis, ellipsis, new_axis}].shape()) == "(1, 1, 3, 4, 1)");
  CHECK(str(x[{range(0, 0)}].shape()) == "(0, 3, 4)");
  CHECK(str(x[{needle::all, range(2, none, -1), range(1, -1, 2)}].shape()) == "(2, 3, 1)");
}

DEVICE_TEST_CASE("Slices of any kind have gradients that go back to where they came from") {
  check_op<D>([](auto x) { return x[{range(1, 3), needle::all}]; }, numbers({4, 3}));
  check_op<D>([](auto x) { return x[{range(none, none, -2), 1}]; }, numbers({4, 3}));
  check_op<D>([](auto x) { return x[{ellipsis, range(3, 0, -2)}]; }, numbers({2, 2, 4}));
  check_op<D>([](auto x) { return x[{range(1, 6)}][{range(1, 4, 2)}]; }, numbers({7, 2}));
  check_op<D>([](auto x) { return flip(flip(x, 0)[{range(1, none)}], {0, 1}); }, numbers({3, 4}));
  check_op<D>([](auto x) { return x[{range(2, 2)}]; }, numbers({4, 3}));
  check_op<D>([](auto x) { return x[0] * x[1]; }, numbers({2, 3}));
  check_op<D>([](auto x) { return narrow(x, -1, 1, 2); }, numbers({2, 4}));
  check_op<D>([](auto x) { return flip(x); }, numbers({2, 3}));
  check_op<D>([](auto x) { return flip(x, -1); }, numbers({2, 3}));
  check_op<D>([](auto x) { return flip(x); }, numbers({}));
}

DEVICE_TEST_CASE("Put makes a new value; who holds the old one keeps it") {
  check_op<D>([](auto x, auto v) { return put(x, {1}, v); }, numbers({3, 4}), numbers({4}));
  check_op<D>(
      [](auto x, auto v) {
        return put(x, {needle::all, range(none, none, -2)}, v);
      },
      numbers({2, 4}), numbers({2, 1}));
  check_op<D>([](auto x) { return put(x, {range(0, 2), 1}, 7) * x; }, numbers({3, 4}));
  check_op<D>([](auto x, auto v) { return put(x, {range(1, 1)}, v); }, numbers({3}), numbers({}));
  Tensor<D> x = {1, 2, 3};
  const Tensor<D> before = x;
  x = put(x, {1}, 9);
  CHECK(list(x) == List{1, 9, 3});
  CHECK(list(before) == List{1, 2, 3});
  CHECK(list(put(ints<D>({1, 2, 3}), {range(none, none, 2)}, ints<D>({7, 8}))) == List{7, 2, 8});
}

DEVICE_TEST_CASE("Concat and stack along any axis") {
  check_op<D>([](auto a, auto b) { return concat({a, b}); }, numbers({2, 3}), numbers({1, 3}));
  check_op<D>(
      [](auto a, auto b) {
        return concat({a, b, a}, -1);
      },
      numbers({2, 3}), numbers({2, 1}));
  check_op<D>([](auto a, auto b) { return concat({a, b}, 1); }, numbers({2, 0}), numbers({2, 3}));
  check_op<D>([](auto a, auto b) { return stack({a, b}); }, numbers({2, 3}), numbers({2, 3}));
  check_op<D>([](auto a, auto b) { return stack({a, b}, 1); }, numbers({2, 3}), numbers({2, 3}));
  check_op<D>([](auto a, auto b) { return stack({a, b}, -1); }, numbers({2}), numbers({2}));
  check_op<D>([](auto a, auto b) { return stack({a, b}); }, numbers({}), numbers({}));
  check_op<D>(
      [](auto a, auto b) {
        return concat({transpose(a), b});
      },
      ids({2, 3}, 9), ids({1, 2}, 9));
}

DEVICE_TEST_CASE("Hundreds of parts are joined and differentiated as two are") {
  const Tensor<D> x = arange<D>(300).requires_grad(true);
  std::vector<Tensor<D>> parts;
  for (int i = 299; i >= 0; --i) parts.push_back(x[{range(i, i + 1)}] * i);
  const Tensor<D> y = concat(parts);
  CHECK(y.shape(0) == 300);
  sum(y * arange<D>(300)).backward();
  List expected;
  for (int i = 0; i < 300; ++i) expected.push_back(i * (299 - i));
  CHECK(list(x.grad()) == expected);
}

DEVICE_TEST_CASE("One index is taken in braces and without") {
  const Tensor<D> x = reshape(arange<D>(6), {3, 2});
  CHECK(list(x[{-1}]) == List{4, 5});
  CHECK(list(x[-1]) == List{4, 5});
  CHECK(list(x[std::size_t{1}]) == List{2, 3});
}

DEVICE_TEST_CASE("An index is an integer of any type, alone and among others") {
  const Tensor<D> x = reshape(arange<D>(6), {3, 2});
  const auto check = [&](auto i) {
    CHECK(list(x[{i, ellipsis}]) == List{2, 3});
    CHECK(list(x[{ellipsis, i}]) == List{1, 3, 5});
    CHECK(list(put(x, {i, i}, 9)) == List{0, 1, 2, 9, 4, 5});
  };
  check(1), check(1u), check(1l), check(1ul), check(1ll), check(1ull);
  check(short{1}), check(std::uint8_t{1});
}

DEVICE_TEST_CASE("Split cuts along the axis that was asked for, also the third") {
  check_op<D>([](auto x) { return split(x, 2, 2)[1]; }, numbers({2, 3, 4}));
  check_op<D>([](auto x) { return split(x, 2, 1)[1] * 2; }, numbers({2, 3, 4}));
  check_op<D>(
      [](auto x) {
        const auto parts = split(x, {1, 0, 3}, -1);
        return parts[0] * sum(parts[2], -1, true) + sum(parts[1]);
      },
      numbers({2, 4}));
  const Tensor<D> x = reshape(arange<D>(12), {1, 2, 6});
  const std::vector<Tensor<D>> parts = split(x, 4, 2);
  CHECK(parts.size() == 2);
  CHECK(list(parts[0]) == List{0, 1, 2, 3, 6, 7, 8, 9});
  CHECK(list(parts[1]) == List{4, 5, 10, 11});
  const std::vector<Tensor<D>> none = split(zeros<D>({2, 0}), 3, 1);
  REQUIRE(none.size() == 1);
  CHECK(none[0].shape() == Shape{2, 0});
}

DEVICE_TEST_CASE("Indices, parts and lists that do not fit are refused") {
  const Tensor<D> x = zeros<D>({2, 3});
  CHECK(refusal([&] { x[2]; }) == "slice: index 2 on axis 0 of shape (2, 3); it has 2 positions");
  CHECK(refusal([&] {
          x[{0, -4}];
        }) == "slice: index -4 on axis 1 of shape (2, 3); it has 3 positions");
  CHECK(refusal([&] { x[{0, 0, 0}]; }) == "slice: 3 indices for shape (2, 3) of 2 dimensions");
  CHECK(refusal([&] { x[{ellipsis, ellipsis}]; }) == "slice: more than one ellipsis");
  CHECK(refusal([&] { x[{range(0, 1, 0)}]; }) ==
        "slice: a step of 0; it must be positive or negative");
  CHECK(refusal([&] {
          x[{0, ellipsis, new_axis, new_axis, new_axis, new_axis, new_axis, new_axis, new_axis,
             new_axis}];
        }) == "slice: shape (2, 3) with new axes would have 9 dimensions; a tensor has at most 8");
  CHECK(refusal([&] { put(x, {5}, 1.0); }) ==
        "put: index 5 on axis 0 of shape (2, 3); it has 2 positions");
  CHECK(refusal([&] {
          put(x, {0, 0, 0}, 1.0);
        }) == "put: 3 indices for shape (2, 3) of 2 dimensions");
  CHECK(refusal([&] { put(x, {ellipsis, ellipsis}, 1.0); }) == "put: more than one ellipsis");
  CHECK(refusal([&] { put(x, {range(0, 1, 0)}, x); }) ==
        "put: a step of 0; it must be positive or negative");
  CHECK(refusal([&] {
          put(x, {0}, ints<D>({1, 2, 3}));
        }) == "put: values of int32 into a tensor of " + str(real<D>) + "; cast them first");
  CHECK(refusal([&] {
          put(x, {0}, Tensor<D>{1, 2});
        }) == "put: values (2,) do not broadcast to the positions (3,) of (2, 3)");
  CHECK(refusal([&] { put(bytes<D>({1}), {0}, 256); }) ==
        "put: 256 does not fit in uint8; it holds 0 to 255");
  CHECK(refusal([&] { narrow(x, 1, 2, 2); }) ==
        "narrow: 2 positions from 2 on axis 1 of shape (2, 3); it has 3");
  CHECK(refusal([&] {
          concat({x, zeros<D>({2, 4})});
        }) == "concat: shapes (2, 3) and (2, 4) differ in more than axis 0");
  CHECK(refusal([&] {
          concat({x, zeros<D>({2})});
        }) == "concat: shapes (2, 3) and (2,) differ in more than axis 0");
  CHECK(refusal([&] {
          concat({ints<D>({1}), bytes<D>({1})});
        }) == "concat: dtypes int32 and uint8 differ; cast one of them");
  const std::vector<Tensor<D>> wide(17, zeros<D>({0, std::int64_t{1} << 59}));
  CHECK(refusal([&] { concat(wide, 1); }) == "concat: sizes add up to more than 64 bits hold");
  CHECK(refusal([&] {
          split(x, {INT64_MAX, 3, INT64_MAX});
        }) == "split: sizes add up to more than 64 bits hold");
  CHECK(refusal([&] { concat(std::vector<Tensor<D>>{}); }) ==
        "concat: no tensors; it takes at least one");
  CHECK(refusal([&] {
          stack({x, zeros<D>({3, 2})});
        }) == "stack: shapes (2, 3) and (3, 2) differ; they must be equal");
  CHECK(refusal([&] {
          stack({x, cast(x, Dtype::int32)});
        }) == "stack: dtypes " + str(real<D>) + " and int32 differ; cast one of them");
  CHECK(refusal([&] { stack({x}, 3); }) ==
        "stack: axis 3 of a tensor of 3 dimensions; axes run from -3 to 2");
  CHECK(refusal([&] {
          split(x, {1, 1}, 1);
        }) == "split: sizes add up to 2, axis 1 of shape (2, 3) has 3");
  CHECK(refusal([&] {
          split(x, {-1, 4}, 1);
        }) == "split: a part of size -1; it must be at least 0");
  CHECK(refusal([&] { split(x, 0, 1); }) == "split: parts of size 0; it must be at least 1");
  CHECK(refusal([&] { split(x, 2, 3); }) ==
        "split: axis 3 of a tensor of 2 dimensions; axes run from -2 to 1");
  CHECK(refusal([&] { flip(x, 2); }) ==
        "flip: axis 2 of a tensor of 2 dimensions; axes run from -2 to 1");
}

#include "needle/ops/gather.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"

using namespace needle;

DEVICE_TEST_CASE(
    "Gather picks along an axis, and its gradient goes back, twice where picked twice") {
  check_op<D>([](auto x, auto at) { return gather(x, 0, at); }, numbers({3, 4}), ids({5, 4}, 3));
  check_op<D>([](auto x, auto at) { return gather(x, 1, at); }, numbers({3, 4}), ids({3, 6}, 4));
  check_op<D>([](auto x, auto at) { return gather(x, -1, at); }, numbers({2, 3, 4}),
              ids({2, 2, 3}, 4));
  check_op<D>([](auto x, auto at) { return gather(x, 1, at); }, numbers({2, 3, 4}),
              ids({1, 5, 4}, 3));
  check_op<D>([](auto x, auto at) { return gather(x, 0, at); }, numbers({5}), ids({7}, 5));
  check_op<D>([](auto x, auto at) { return gather(x, 0, at) * x; }, numbers({2, 3}), mask({2, 3}));
  check_op<D>([](auto x, auto at) { return gather(x, 0, at); }, numbers({3, 4}), ids({0, 4}, 3));
  check_op<D>([](auto x, auto at) { return gather(x, 1, at); }, ids({3, 4}, 100), ids({3, 2}, 4));
  check_op<D>([](auto x, auto at) { return gather(x, 1, at); }, mask({3, 4}), ids({3, 2}, 4));
}

DEVICE_TEST_CASE("Scatter adds up what goes to one place") {
  check_op<D>(
      [](auto x, auto at) {
        return scatter_add({3, 4}, 0, at, x);
      },
      numbers({5, 4}), ids({5, 4}, 3));
  check_op<D>(
      [](auto x, auto at) {
        return scatter_add({3, 4}, -1, at, x);
      },
      numbers({3, 6}), ids({3, 6}, 4));
  check_op<D>([](auto x, auto at) { return scatter_add({5}, 0, at, x); }, numbers({0}),
              ids({0}, 5));
  CHECK(list(scatter_add({4}, 0, ints<D>({1, 3, 1}), Tensor<D>{1, 2, 4})) == List{0, 5, 0, 2});
  CHECK(list(scatter_add({2}, 0, ints<D>({1, 1}), ints<D>({1, 2}))) == List{0, 3});
}

DEVICE_TEST_CASE("Take_along broadcasts the index against the other axes") {
  check_op<D>([](auto x, auto at) { return take_along(x, at, 1); }, numbers({3, 4}),
              ids({1, 2}, 4));
  check_op<D>([](auto x, auto at) { return take_along(x, at, 0); }, numbers({3, 1}),
              ids({2, 4}, 3));
  check_op<D>([](auto x, auto at) { return take_along(x, at, -1); }, numbers({2, 1, 4}),
              ids({1, 3, 2}, 4));
  const Tensor<D> x = {{5, 9, 7}, {4, 1, 6}};
  CHECK(list(take_along(x, argmax(x, 1, true), 1)) == List{9, 6});
}

DEVICE_TEST_CASE("Rows are selected by ids, in their order, as often as they are named") {
  check_op<D>([](auto x, auto at) { return index_select(x, 0, at); }, numbers({4, 3}), ids({6}, 4));
  check_op<D>([](auto x, auto at) { return index_select(x, -1, at); }, numbers({2, 3}),
              ids({5}, 3));
  check_op<D>([](auto x, auto at) { return index_select(x, 1, at); }, numbers({2, 3, 2}),
              mask({4}));
  check_op<D>([](auto x, auto at) { return index_select(x, 0, at); }, numbers({4, 3}), ids({0}, 4));
  const Tensor<D> table = {{1, 2}, {3, 4}, {5, 6}};
  CHECK(list(index_select(table, 0, bytes<D>({2, 0, 2}))) == List{5, 6, 1, 2, 5, 6});
}

DEVICE_TEST_CASE("A large table is read and updated where the ids say") {
  const std::int64_t rows = 5000, columns = 70;
  std::vector<std::int32_t> which;
  for (std::int32_t i = 0; i < 3000; ++i) which.push_back(i * 37 % 5000);
  const Tensor<D> table =
      reshape(arange<D>(rows * columns), {rows, columns}).detach().requires_grad(true);
  const Tensor<D> picked = index_select(table, 0, ints<D>(which));
  sum(picked * 2).backward();
  List value(which.size() * columns), gradient(rows * columns);
  for (std::size_t i = 0; i < which.size(); ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      value[i * columns + j] = which[i] * columns + j;
      gradient[which[i] * columns + j] += 2;
    }
  }
  CHECK((list(picked) == value));
  CHECK((list(table.grad()) == gradient));
}

DEVICE_TEST_CASE("An index out of range is refused when it is used, never followed") {
  const Tensor<D> x = zeros<D>({3, 4});
  CHECK(refusal([&] {
          gather(x, 0, reshape(ints<D>({0, 3, 1, 2}), {1, 4})).realize();
        }) == "gather: index 3 is outside of [0, 3)");
  CHECK(refusal([&] {
          index_select(x, 1, ints<D>({0, -1})).realize();
        }) == "index_select: index -1 is outside of [0, 4)");
  CHECK(refusal([&] {
          index_select(zeros<D>({0, 4}), 0, ints<D>({0})).realize();
        }) == "index_select: index 0 is outside of [0, 0)");
  CHECK(refusal([&] { scatter_add({2}, 0, ints<D>({2}), Tensor<D>{1}).realize(); }) ==
        "scatter_add: index 2 is outside of [0, 2)");
}

DEVICE_TEST_CASE("Indices of another type or shape are refused") {
  const Tensor<D> x = zeros<D>({3, 4}), real_ids = zeros<D>({3});
  const std::string type = str(real<D>);
  CHECK(refusal([&] { index_select(x, 0, real_ids); }) ==
        "index_select: an index of " + type + "; it must be int32 or uint8");
  CHECK(refusal([&] { gather(x, 0, x); }) ==
        "gather: an index of " + type + "; it must be int32 or uint8");
  CHECK(refusal([&] {
          index_select(x, 0, zeros<D>({2, 2}, Dtype::int32));
        }) == "index_select: ids of shape (2, 2); it takes a vector");
  CHECK(refusal([&] {
          gather(x, 0, ints<D>({0, 1, 2}));
        }) ==
        "gather: index (3,) does not fit (3, 4) along axis 0; it needs as many axes, and no other "
        "axis "
        "may be longer");
  CHECK(refusal([&] {
          gather(x, 0, zeros<D>({1, 5}, Dtype::int32));
        }) ==
        "gather: index (1, 5) does not fit (3, 4) along axis 0; it needs as many axes, and no "
        "other axis "
        "may be longer");
  CHECK(refusal([&] { take_along(x, ints<D>({0}), 1); }) ==
        "take_along: index (1,) and (3, 4) differ in the number of axes");
  CHECK(refusal([&] {
          scatter_add({3}, 0, ints<D>({0, 1}), Tensor<D>{1});
        }) == "scatter_add: index (2,) and source (1,) differ in shape");
  CHECK_THAT(refusal([&] {
               scatter_add({3, 1}, 0, ints<D>({0, 1}), Tensor<D>{1, 2});
             }),
             Catch::Matchers::StartsWith("scatter_add: index (2,) does not fit (3, 1) "));
}

DEVICE_TEST_CASE(
    "One-hot rows have a one at each id, which is refused where there is no such place") {
  const Tensor<D> ids = reshape(ints<D>({2, 0, 2, 1}), {2, 2});
  const Tensor<D> rows = one_hot(ids, 3);
  CHECK(str(rows.shape()) == "(2, 2, 3)");
  CHECK(rows.dtype() == real<D>);
  CHECK(list(rows) == List{0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0});
  CHECK(list(one_hot(transpose(ids), 3)) == List{0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0});
  CHECK(list(one_hot(bytes<D>({1}), 2)) == List{0, 1});
  CHECK(one_hot(ints<D>({}), 3).size() == 0);
  CHECK(str(one_hot(ids[{0, 0}], 3).shape()) == "(3,)");

  CHECK(refusal([&] { one_hot(ids, 2).realize(); }) == "one_hot: index 2 is outside of [0, 2)");
  CHECK(refusal([&] { one_hot(ints<D>({-1}), 2).realize(); }) ==
        "one_hot: index -1 is outside of [0, 2)");
  CHECK(refusal([&] { one_hot(ids, 0); }) == "one_hot: 0 classes; it takes at least one");
  CHECK(refusal([&] { one_hot(ones<D>({2}), 3); }) ==
        "one_hot: an index of " + str(real<D>) + "; it must be int32 or uint8");
  CHECK(refusal([&] {
          one_hot(reshape(ids, {2, 2, 1, 1, 1, 1, 1, 1}), 3);
        }) == "one_hot: ids (2, 2, 1, 1, 1, 1, 1, 1) have 8 dimensions; it takes at most 7");
}

// Reductions of every size and shape at which the kernels change their way, on any number of
// threads.
#include <cstdint>

#include "check.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/random.hpp"
#include "needle/ops/reduction.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;

namespace {

/// Whole numbers from 0 to 16 whose sums float holds exactly, at position i.
double number(std::int64_t i) { return static_cast<double>((i * i + 3 * i) % 17); }

template <Device D>
Tensor<D> matrix(std::int64_t rows, std::int64_t columns) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(number(static_cast<std::int64_t>(i)));
  return Tensor<D>(values, {rows, columns});
}

/// Sums, largest and smallest of each row of a matrix of `number`s, and of each column.
struct Expected {
  List row_sum, row_max, column_sum, column_min;
  Expected(std::int64_t rows, std::int64_t columns)
      : row_sum(static_cast<std::size_t>(rows)),
        row_max(static_cast<std::size_t>(rows)),
        column_sum(static_cast<std::size_t>(columns)),
        column_min(static_cast<std::size_t>(columns), 17) {
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      const auto r = static_cast<std::size_t>(i / columns),
                 c = static_cast<std::size_t>(i % columns);
      row_sum[r] += number(i);
      row_max[r] = (std::max)(row_max[r], number(i));
      column_sum[c] += number(i);
      column_min[c] = (std::min)(column_min[c], number(i));
    }
  }
};

/// The devices that are made for large arrays.
template <class D>
constexpr bool fast = !std::is_same_v<D, Reference>;

struct Threads {
  int before = num_threads();
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
};

}  // namespace

DEVICE_TEST_CASE("Rows and columns of every size reduce exactly") {
  const std::int64_t most = fast<D> ? 40000 : 600;
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 33, 511, 512, 513, 16383, 16384, 16385}) {
    for (const std::int64_t columns :
         {1, 2, 3, 15, 16, 17, 31, 64, 79, 100, 256, 257, 511, 512, 513, 1000, 1024, 1025, 16385}) {
      if (rows * columns > most * (rows < 3 || columns < 3 ? 2 : 1)) continue;
      INFO(rows << " rows of " << columns);
      const Tensor<D> x = matrix<D>(rows, columns);
      const Expected expected(rows, columns);
      CHECK(list(sum(x, 1)) == expected.row_sum);
      CHECK(list((max)(x, 1)) == expected.row_max);
      CHECK(list(sum(x, 0)) == expected.column_sum);
      CHECK(list((min)(x, 0)) == expected.column_min);
      CHECK(list(sum(transpose(x), 0)) == expected.row_sum);
      CHECK(list((min)(transpose(x), 1)) == expected.column_min);
      const Tensor<D> whole = cast(x, Dtype::int32);
      CHECK(list(sum(whole, 1)) == expected.row_sum);
      CHECK(list(sum(whole, 0)) == expected.column_sum);
      CHECK(list((max)(whole, 1)) == expected.row_max);
    }
  }
}

DEVICE_TEST_CASE("Outer, middle and inner axes of odd sizes reduce exactly") {
  const Shape shape = fast<D> ? Shape{3, 37, 5, 131} : Shape{3, 5, 2, 7};
  const Tensor<D> x = reshape(matrix<D>(1, shape.size()), shape);
  for (unsigned mask = 1; mask < 16; ++mask) {
    Axes axes;
    Shape kept;
    for (int i = 0; i < 4; ++i) {
      if (mask >> i & 1) axes.push_back(i);
      else kept.push_back(shape[i]);
    }
    List expected(static_cast<std::size_t>(kept.size()));
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      std::int64_t rest = i, to = 0, step = 1;
      for (int d = 3; d >= 0; --d) {
        if (!(mask >> d & 1)) to += rest % shape[d] * step, step *= shape[d];
        rest /= shape[d];
      }
      expected[static_cast<std::size_t>(to)] += number(i);
    }
    INFO("axes " << str(axes));
    CHECK(list(sum(x, axes)) == expected);
    CHECK(list(sum(x * 2 - x, axes)) == expected);
  }
}

DEVICE_TEST_CASE("Ten million elements add up to six digits") {
  if constexpr (fast<D>) {
    const std::int64_t n = 10'000'000;
    const double tenth = 0.1f;
    const auto close = [&](const Tensor<D>& x, double expected) {
      for (const double each : list(x)) CHECK(each == Approx(expected).epsilon(1e-6));
    };
    const Tensor<D> x = full<D>({n}, 0.1) + 0;
    close(sum(x), tenth * n);
    close(mean(x), tenth);
    close(sum(reshape(x, {n / 2, 2}), 0), tenth * n / 2);
    close(sum(reshape(x, {2, n / 2}), 1), tenth * n / 2);
    close(sum(reshape(x, {1000, 10000}), 0), tenth * 1000);
    close(sum(reshape(x, {n / 1000, 1000}), 0), tenth * n / 1000);
    close(var(reshape(arange<D>(0, 1000, 1), {1000, 1}) + zeros<D>({1, 1000})), 83333.33 + 0.0833);
  }
}

TEST_CASE("Reductions give the same bits for any number of threads") {
  const auto bits = [] {
    std::vector<float> all;
    for (const Shape& shape :
         {Shape{300007}, Shape{1000, 300}, Shape{3, 100000}, Shape{100000, 3}}) {
      std::vector<float> values(static_cast<std::size_t>(shape.size()));
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(check::spread(-1, 1, static_cast<std::int64_t>(i), 0));
      }
      const Tensor<Cpu> x(values, shape);
      for (const Tensor<Cpu>& y :
           {sum(x), sum(x, 0), sum(x, -1), sum(exp(x) * x, 0), logsumexp(x, -1), var(x, 0),
            flatten(softmax(x, -1)), flatten(softmax(x, 0)), flatten(log_softmax(x, -1)),
            flatten(log_softmax(x, 0)), flatten(tanh(x) * x)}) {
        for (const float each : y.values()) all.push_back(each);
      }
    }
    return all;
  };
  const Threads one(1);
  const std::vector<float> expected = bits();
  for (const int n : {2, 4}) {
    const Threads several(n);
    CHECK((bits() == expected));
  }
}

DEVICE_TEST_CASE("Softmax of rows and columns of any length, wherever they lie") {
  if constexpr (fast<D>) {  // Reference is what is compared with
    for (const Shape& shape :
         {Shape{1}, Shape{50000}, Shape{3, 31}, Shape{2, 112}, Shape{2, 113}, Shape{300, 10},
          Shape{130, 16}, Shape{130, 20}, Shape{98, 33}, Shape{97, 300}, Shape{3, 1040},
          Shape{2, 40000}, Shape{3, 120, 5}, Shape{2, 20, 7, 9}, Shape{130, 1, 3, 1}}) {
      const Input input = numbers(shape, -9, 9);
      const List values = check::elements(input, 0);
      const Array<D> x = check::upload<D>(values, shape, input.kind);
      const Array<Reference> same = check::upload<Reference>(values, shape, input.kind);
      for (const check::View view :
           {check::View::compact, check::View::transposed, check::View::stepped,
            check::View::reversed, check::View::repeated}) {
        const Tensor<D> seen(check::seen(x, view, input.kind));
        const Tensor<Reference> exact(check::seen(same, view, input.kind));
        for (int axis = 0; axis < shape.ndim(); ++axis) {
          INFO(str(shape) << " along " << axis << ", " << check::name(view));
          const double n = static_cast<double>(shape[axis]);
          check::compare("softmax", list(softmax(seen, axis) * n), list(softmax(exact, axis) * n),
                         2e-6);
          check::compare("log_softmax", list(log_softmax(seen, axis)),
                         list(log_softmax(exact, axis)), 2e-6);
        }
      }
    }
  }
}

DEVICE_TEST_CASE("The first extreme has the position in rows and columns of any length") {
  for (const auto& [rows, columns] : {std::pair<int, int>{3, 127},
                                      {2, 128},
                                      {5, 129},
                                      {3, 1000},
                                      {40, 33},
                                      {1000, 17},
                                      {2, 4097},
                                      {1, 20000}}) {
    for (const bool with_nan : {false, true}) {
      INFO(rows << " x " << columns << (with_nan ? " with NaN" : ""));
      List values(static_cast<std::size_t>(rows * columns));
      for (std::size_t i = 0; i < values.size(); ++i) {  // many ties
        values[i] = number(static_cast<std::int64_t>(i)) - 8;
        if (with_nan && i % 577 == 300) values[i] = NAN;
      }
      const Tensor<D> x(values, {rows, columns});
      const Tensor<Reference> expected(values, {rows, columns});
      for (const int axis : {0, 1}) {
        CHECK(list(argmax(x, axis)) == list(argmax(expected, axis)));
        CHECK(list(argmin(x, axis)) == list(argmin(expected, axis)));
        CHECK(list(argmax(transpose(x), axis)) == list(argmax(transpose(expected), axis)));
        CHECK(list(argmin(flip(x, axis), 1)) == list(argmin(flip(expected, axis), 1)));
      }
    }
  }
}

DEVICE_TEST_CASE("Columns of what is repeated add up, and what is added up stays as it was") {
  for (const std::int64_t columns : {3, 50, 64, 100, 130, 600}) {
    for (const std::int64_t rows : {1, 2, 31, 33, 200}) {
      INFO(rows << " x " << columns);
      const Tensor<D> row = arange<D>(columns).realize(), one = full<D>({}, 3).realize();
      const double n = static_cast<double>(rows);
      CHECK(list(sum(broadcast_to(row, {rows, columns}), 0)) == list(row * n));
      CHECK(list(sum(broadcast_to(one, {rows, columns}), 0)) ==
            List(static_cast<std::size_t>(columns), 3 * n));
      const Tensor<D> x = matrix<D>(rows, columns).realize();
      const List before = list(x);
      CHECK(list(sum(x, 0)) == Expected(rows, columns).column_sum);
      CHECK(list(x) == before);
    }
  }
}

DEVICE_TEST_CASE(
    "A sum has the same bits whether what is added up was calculated before or on the way") {
  for (const auto& [rows, columns] :
       {std::pair<int, int>{1000, 100}, {70, 50}, {33, 64}, {40, 600}, {500, 700}, {3, 20000}}) {
    const Tensor<D> x = rand<D>({rows, columns}).realize(), twice = (x * 2 - 1).realize();
    const Tensor<D> across = (transpose(x) * 2 - 1).realize();
    for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}}) {
      INFO(rows << " x " << columns << " over " << axes.ndim() << " axes");
      CHECK(list(sum(x * 2 - 1, axes)) == list(sum(twice, axes)));
      CHECK(list(sum(transpose(x) * 2 - 1, axes)) == list(sum(across, axes)));
    }
  }
}

// Ops that a user writes, outside of the library: with a gradient, a kernel for each device,
// options, several inputs, any number of inputs.

#include "check.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/matmul.hpp"
#include "needle/ops/slice.hpp"

namespace mine {

using needle::Array;
using needle::Cpu;
using needle::Device;
using needle::Reference;
using needle::Shape;
using needle::Tensor;

// Kernels: free functions on arrays, one a device.
inline void cube_kernel(const Array<Cpu>& x, Array<Cpu>& y) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const float v = x.data<float>()[i];
    y.data<float>()[i] = v * v * v;
  }
}
inline void cube_kernel(const Array<Reference>& x, Array<Reference>& y) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double v = x.data<double>()[i];
    y.data<double>()[i] = v * v * v;
  }
}

template <Device D>
Tensor<D> cube(const Tensor<D>& x);

/// x^3, elementwise.
struct Cube {
  static inline int calls = 0;
  static constexpr unsigned reads = needle::reads_input(0);
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    ++calls;
    Array<D> compact(x.shape, x.dtype), y(x.shape, x.dtype);
    copy(x, compact);
    cube_kernel(compact, y);
    return y;
  }
  static auto gradient(const auto& g, const auto&, const auto& x) {
    return std::array{g * x * x * 3};
  }
};

template <Device D>
Tensor<D> cube(const Tensor<D>& x) {
  return apply(Cube{}, x);
}

/// The outer product of two vectors times a factor: an op with an option, made of others' kernels.
struct Outer {
  double factor;
  static Shape shape(const Shape& a, const Shape& b) {
    if (a.ndim() != 1 || b.ndim() != 1) {
      needle::fail("outer: shapes ", a, " and ", b, "; it takes two vectors");
    }
    return {a[0], b[0]};
  }
  template <Device D>
  Array<D> compute(const Array<D>& a, const Array<D>& b) const {
    return (reshape(Tensor<D>(a), {-1, 1}) * Tensor<D>(b) * factor).data();
  }
  auto gradient(const auto& g, const auto&, const auto& a, const auto& b) const {
    return std::array{matmul(g, b) * factor, matmul(a, g) * factor};
  }
};

template <Device D>
Tensor<D> outer(const Tensor<D>& a, const Tensor<D>& b, double factor) {
  return apply(Outer{factor}, a, b);
}

/// The sum of any number of vectors of any lengths up to the first one's, each from the left.
struct LeftSum {
  static Shape shape(std::span<const Shape> x) { return x[0]; }
  template <Device D>
  static Array<D> compute(std::span<const Array<D>> x) {
    Tensor<D> sum(x[0]);
    for (const Array<D>& each : x.subspan(1)) {
      const std::int64_t rest = x[0].shape[0] - each.shape[0];
      sum = sum + needle::concat({Tensor<D>(each), needle::zeros<D>({rest})});
    }
    return sum.data();
  }
  template <Device D>
  static std::vector<Tensor<D>> gradient(const Tensor<D>& g, const Tensor<D>&,
                                         std::span<const Tensor<D>> x) {
    std::vector<Tensor<D>> gradients;
    for (const Tensor<D>& each : x) gradients.push_back(narrow(g, 0, 0, each.size()));
    return gradients;
  }
};

template <Device D>
Tensor<D> left_sum(const std::vector<Tensor<D>>& x) {
  return apply_all(LeftSum{}, x);
}

/// Polar coordinates of points (x, y): an op with two results, and a third of another element type
/// that says in which half of the plane they are.
struct Polar {
  static std::array<Shape, 3> shape(const Shape& x, const Shape& y) {
    if (!(x == y)) needle::fail("polar: shapes ", x, " and ", y, "; they must be equal");
    return {x, x, x};
  }
  static std::array<needle::Dtype, 3> dtype(needle::Dtype x, needle::Dtype) {
    return {x, x, needle::Dtype::uint8};
  }
  template <Device D>
  static std::array<Array<D>, 3> compute(const Array<D>& x, const Array<D>& y) {
    ++calls;
    const auto xs = Tensor<D>(x).values(), ys = Tensor<D>(y).values();
    auto radius = xs, angle = xs;
    std::vector<std::uint8_t> upper;
    for (std::size_t i = 0; i < xs.size(); ++i) {
      radius[i] = std::hypot(xs[i], ys[i]);
      angle[i] = std::atan2(ys[i], xs[i]);
      upper.push_back(ys[i] > 0);
    }
    return {needle::upload<D>(radius.data(), x.shape), needle::upload<D>(angle.data(), x.shape),
            needle::upload<D>(upper.data(), x.shape)};
  }
  /// From those of radius and angle, of which one may be absent.
  static auto gradient(const auto& g, const auto& results, const auto& x, const auto& y) {
    std::array<std::remove_cvref_t<decltype(x)>, 2> gradients;
    const auto& radius = results[0];
    const auto add = [](auto& sum, const auto& term) { sum = sum.defined() ? sum + term : term; };
    if (g[0].defined()) add(gradients[0], g[0] * x / radius), add(gradients[1], g[0] * y / radius);
    if (g[1].defined()) {
      add(gradients[0], -g[1] * y / square(radius));
      add(gradients[1], g[1] * x / square(radius));
    }
    return gradients;
  }
  static inline int calls = 0;
};

template <Device D>
std::array<Tensor<D>, 3> polar(const Tensor<D>& x, const Tensor<D>& y) {
  return apply(Polar{}, x, y);
}

/// The parity of whole numbers; no gradient, and an element type of its own.
struct IsOdd {
  static Shape shape(const Shape& x) { return x; }
  static needle::Dtype dtype(needle::Dtype x) {
    if (is_float(x)) needle::fail("is_odd: a tensor of ", x, "; it takes whole numbers");
    return needle::Dtype::uint8;
  }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    std::vector<std::uint8_t> odd;
    for (const std::int32_t value : Tensor<D>(x).template values<std::int32_t>()) {
      odd.push_back(value % 2 != 0);
    }
    return needle::upload<D>(odd.data(), x.shape);
  }
};

template <Device D>
Tensor<D> is_odd(const Tensor<D>& x) {
  return apply(IsOdd{}, x);
}

/// x^3 whose gradient is found by differentiating.
struct Differentiates {
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    return Cube::compute(x);
  }
  template <Device D>
  static std::array<Tensor<D>, 1> gradient(const Tensor<D>& g, const Tensor<D>&,
                                           const Tensor<D>& x) {
    needle::enable_grad guard;  // backward records nothing
    return {g * grad(sum(x * x * x), {x})[0]};
  }
};

/// 3 x^2, found by differentiating x^3 when the value is wanted.
struct OwnGradient {
  static Shape shape(const Shape& x) { return x; }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    Tensor<D> leaf(x);
    leaf.requires_grad(true);
    return grad(sum(cube(leaf)), {leaf})[0].data();
  }
};

/// An op of two inputs that is wrong somewhere.
struct Wrong {
  enum { too_few, wrong_shape, no_array, other_shape, other_dtype } where;
  static Shape shape(const Shape& x, const Shape&) { return x; }
  template <Device D>
  Array<D> compute(const Array<D>& x, const Array<D>&) const {
    if (where == no_array) return {};
    if (where == other_shape) return Array<D>({1}, x.dtype);
    if (where == other_dtype) return Array<D>(x.shape, needle::Dtype::int32);
    return x;
  }
  template <Device D>
  std::vector<Tensor<D>> gradient(const Tensor<D>& g, const Tensor<D>&, const Tensor<D>&,
                                  const Tensor<D>&) const {
    if (where == too_few) return {g};
    return {where == wrong_shape ? sum(g) : g, g};
  }
};

}  // namespace mine

using namespace needle;

TEMPLATE_TEST_CASE("A user's op with a kernel of its own is differentiated twice", "", Cpu,
                   Reference) {
  check_op<TestType>([](auto x) { return mine::cube(x); }, numbers({3, 4}));
  check_op<TestType>([](auto x) { return mine::cube(sin(x)) * x; }, numbers({5}));
  check_op<TestType>([](auto x) { return mine::cube(x); }, numbers({0}));
}

TEMPLATE_TEST_CASE("A user's op may have options and several inputs", "", Cpu, Reference) {
  check_op<TestType>([](auto a, auto b) { return mine::outer(a, b, -0.5); }, numbers({3}),
                     numbers({4}));
}

TEMPLATE_TEST_CASE("A user's op may have any number of inputs", "", Cpu, Reference) {
  check_op<TestType>(
      [](auto a, auto b, auto c) {
        return mine::left_sum<typename decltype(a)::device>({a, b, c});
      },
      numbers({5}), numbers({2}), numbers({3}));
}

TEMPLATE_TEST_CASE("A user's op has a name and is refused in its own words", "", Cpu, Reference) {
  using D = TestType;
  CHECK(mine::cube(Tensor<D>{1}).op() == "cube");
  CHECK(mine::left_sum<D>({Tensor<D>{1}}).op() == "left_sum");
  CHECK(refusal([] {
          mine::outer(Tensor<D>{{1, 2}}, Tensor<D>{1}, 1);
        }) == "outer: shapes (1, 2) and (1,); it takes two vectors");
  CHECK(refusal([] { mine::is_odd(Tensor<D>{1}); }) ==
        "is_odd: a tensor of " + str(real<D>) + "; it takes whole numbers");
  const Tensor<D> odd = mine::is_odd(ints<D>({1, 2, -3}));
  CHECK(odd.dtype() == Dtype::uint8);
  CHECK(list(odd) == List{1, 0, 1});
}

TEMPLATE_TEST_CASE("A user's op is lazy, runs once and is kept or dropped like ours", "", Cpu,
                   Reference) {
  using D = TestType;
  const Tensor<D> x = Tensor<D>{1, 2}.requires_grad(true);
  mine::Cube::calls = 0;
  const Tensor<D> y = mine::cube(x), loss = sum(exp(y * 0.1) * y);
  CHECK(mine::Cube::calls == 0);
  loss.item();
  loss.backward();
  list(y);
  CHECK(mine::Cube::calls == 1);
  const Tensor<D> again = sum(checkpoint([](const auto& in) { return sin(mine::cube(in)); }, x));
  again.backward();
  CHECK(mine::Cube::calls == 3);
}

TEMPLATE_TEST_CASE("A user's op may have several results, each differentiated or not", "", Cpu,
                   Reference) {
  check_op<TestType>(
      [](auto x, auto y) {
        const auto [radius, angle, upper] = mine::polar(x + 3, y);
        return radius * sin(angle) + angle * upper;
      },
      numbers({3, 4}), numbers({3, 4}));
  check_op<TestType>([](auto x, auto y) { return mine::polar(x + 3, y)[0]; }, numbers({5}),
                     numbers({5}));
  check_op<TestType>([](auto x, auto y) { return mine::polar(x + 3, y)[1]; }, numbers({2, 0}),
                     numbers({2, 0}));
  check_op<TestType>(
      [](auto x, auto y) {
        return checkpoint(
            [](const auto& a, const auto& b) {
              const auto [radius, angle, upper] = mine::polar(a + 3, b);
              return radius * angle * radius;
            },
            x, y);
      },
      numbers({4}), numbers({4}));
}

TEMPLATE_TEST_CASE("Several results are calculated together, once, and dropped one by one", "", Cpu,
                   Reference) {
  using D = TestType;
  const Tensor<D> x = ones<D>({1000}).requires_grad(true), y = ones<D>({1000});
  mine::Polar::calls = 0;
  {
    const auto [radius, angle, upper] = mine::polar(x, y);
    CHECK(mine::Polar::calls == 0);
    CHECK(upper.dtype() == Dtype::uint8);
    CHECK(!upper.requires_grad());
    const Tensor<D> loss = sum(radius * radius) + sum(angle);
    loss.backward();
    CHECK(mine::Polar::calls == 1);
    CHECK(x.grad().values()[999] == Approx(2 - 0.5));
    CHECK(list(upper)[0] == 1);
    CHECK(list(radius)[0] == Approx(std::sqrt(2.0)));
    CHECK(mine::Polar::calls == 1);
  }
  const std::size_t before = memory_stats<D>().live;
  {
    no_grad guard;
    Tensor<D> upper = mine::polar(x, y)[2];
    upper.realize();
    CHECK(memory_stats<D>().live < before + 4000);  // one byte each, radius and angle are gone
    CHECK(upper.inputs().empty());
  }
  CHECK(refusal([] {
          mine::polar(Tensor<D>{1, 2}, Tensor<D>{1});
        }) == "polar: shapes (2,) and (1,); they must be equal");
}

TEMPLATE_TEST_CASE("A user's op that is wrong is refused by its name, and nothing is lost", "", Cpu,
                   Reference) {
  using D = TestType;
  Tensor<D> x = {1, 2, 3};
  x.requires_grad(true);
  const auto backward = [&](mine::Wrong op) {
    return refusal([&] { sum(apply(op, x, x * 2)).backward(); });
  };
  const auto value = [&](mine::Wrong op) {
    return refusal([&] { apply(op, x, x * 2).realize(); });
  };
  CHECK(backward({mine::Wrong::too_few}) ==
        "backward: wrong gives 1 gradients for 2 inputs; an input that has none is given an empty "
        "tensor");
  CHECK(backward({mine::Wrong::wrong_shape}) ==
        "backward: wrong gives a gradient of shape () for an input of shape (3,)");
  CHECK(value({mine::Wrong::no_array}) == "wrong: its compute gives no array");
  CHECK(value({mine::Wrong::other_shape}) ==
        "wrong: its compute gives an array of shape (1,) and " + str(real<D>) +
            ", expected (3,) and " + str(real<D>));
  CHECK(value({mine::Wrong::other_dtype}) ==
        "wrong: its compute gives an array of shape (3,) and int32, expected (3,) and " +
            str(real<D>));
  CHECK(!x.grad().defined());
  sum(square(x)).backward();
  CHECK(list(x.grad()) == List{2, 4, 6});
}

TEMPLATE_TEST_CASE("What an op's compute builds does not depend on who asks for its value", "", Cpu,
                   Reference) {
  using D = TestType;
  const Tensor<D> x = {1, 2, 3};
  const Tensor<D> pending = apply(mine::OwnGradient{}, x);
  {
    no_grad guard;
    CHECK(list(pending) == List{3, 12, 27});
  }
  CHECK(list(apply(mine::OwnGradient{}, x)) == List{3, 12, 27});
}

TEMPLATE_TEST_CASE("Errors of one of several results name their op", "", Cpu, Reference) {
  using D = TestType;
  Tensor<D> x = {1, 2, 3};
  x.requires_grad(true);
  const Tensor<D> y = mine::polar(x, x)[1];
  sum(y).backward();
  CHECK_THAT(refusal([&] { sum(y * 2).backward(); }),
             Catch::Matchers::StartsWith("backward: a backward has gone through polar already"));
  CHECK(mine::polar(x, x)[0].op() == "polar");
}

TEMPLATE_TEST_CASE("A user's gradient may differentiate what lies on the way", "", Cpu, Reference) {
  using D = TestType;
  Tensor<D> x = {1, 2, 3};
  x.requires_grad(true);
  const Tensor<D> y = sum(apply(mine::Differentiates{}, x * 2) * square(x));  // 8 x^5
  const Tensor<D> first = grad(y, {x})[0];
  CHECK(list(first) == List{40, 640, 3240});
  CHECK(list(grad(sum(first), {x})[0]) == List{160, 1280, 4320});
  sum(apply(mine::Differentiates{}, x * 2) * square(x)).backward();
  CHECK(list(x.grad()) == List{40, 640, 3240});
  CHECK(x.grad().inputs().empty());
  x.zero_grad();
  sum(apply(mine::Differentiates{}, x)).backward();
  CHECK(list(x.grad()) == List{3, 12, 27});
  CHECK(!x.grad().requires_grad());
  CHECK(x.grad().inputs().empty());
}

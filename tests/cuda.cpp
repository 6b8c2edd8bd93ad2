// The kernels of the GPU against the reference device, and the arithmetic around them. Without a
// CUDA compiler the same kernels run on the host, thread by thread.
#if !defined(__CUDACC__)
#include "emulated_cuda.hpp"
#endif

#include "catch.hpp"
#include "needle/cpu/kernels.hpp"
#include "needle/cuda/kernels.hpp"
#include "needle/graph/backward.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/loss.hpp"
#include "needle/ops/random.hpp"
#include "needle/ops/transfer.hpp"
#include "needle/reference/kernels.hpp"

using namespace needle;

#define NEEDS_GPU() \
  if (!Cuda::available()) SKIP("no CUDA device on this machine")

/// Numbers for tests, the same in every run.
static std::int64_t pick(std::int64_t count) {
  static std::uint64_t state = 88172645463325252u;
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return static_cast<std::int64_t>(state % static_cast<std::uint64_t>(count));
}

/// Elements and a view of them, to be put on several devices.
struct Numbers {
  std::vector<double> values;
  Shape base;
  Dtype dtype;
  Layout layout;

  template <Device D>
  Array<D> on() const {
    const auto up = [&]<class T>(T) {
      return upload<D>(std::vector<T>(values.begin(), values.end()).data(), base);
    };
    const Array<D> array = dtype == Dtype::bfloat16  ? up(BFloat16{})
                           : dtype == Dtype::float16 ? up(Float16{})
                           : is_float(dtype)         ? up(typename D::Real{})
                           : dtype == Dtype::int32   ? up(std::int32_t{})
                                                     : up(std::uint8_t{});
    return Array<D>(array, layout);
  }
};

/// A view of a shape: axes exchanged, reversed, stepped over, repeated; or compact.
static Numbers numbers(const Shape& shape, Dtype dtype = Dtype::float32, bool compact = false) {
  Numbers x{{}, shape, dtype, compact_layout(shape)};
  if (!compact) {
    Axes order, inverse;
    for (int i = 0; i < shape.ndim(); ++i) order.push_back(i), inverse.push_back(0);
    for (int i = shape.ndim() - 1; i > 0; --i) std::swap(order[i], order[int(pick(i + 1))]);
    for (int i = 0; i < shape.ndim(); ++i) inverse[int(order[i])] = i;
    const Shape seen = permuted(compact_layout(shape), order).shape;
    Shape sizes;
    std::vector<std::int64_t>
        kind;  // 0: repeated, 1: as it is, 2: every other one, 3: the same back
    for (int i = 0; i < seen.ndim(); ++i) {
      kind.push_back(pick(4));
      sizes.push_back(kind.back() == 0 ? 1 : kind.back() == 1 ? seen[i] : 2 * seen[i] + 1);
    }
    x.base = sizes;
    x.layout = compact_layout(sizes);
    for (int i = 0; i < seen.ndim(); ++i) {
      if (kind[std::size_t(i)] == 2) x.layout = sliced(x.layout, i, 1, seen[i], 2);
      if (kind[std::size_t(i)] == 3) x.layout = sliced(x.layout, i, 2 * seen[i], seen[i], -2);
    }
    x.layout = permuted(broadcasted(x.layout, seen), inverse);
  }
  // What lies between the elements of the view must not be read: NaN, or 99.
  x.values.assign(std::size_t(x.base.size()), is_float(dtype) ? NAN : 99);
  reference::for_each_position(shape, [&](const Dims& at) {
    x.values[std::size_t(x.layout.offset + reference::offset(x.layout, at))] =
        is_float(dtype) ? double(pick(4001) - 2000) / 256 : double(pick(120));
  });
  return x;
}

/// The elements of an array in row-major order.
template <Device D>
static std::vector<double> list(const Array<D>& x) {
  return Tensor<D>(x).template values<double>();
}

/// The dtypes of elements on a GPU.
constexpr Dtype dtypes[] = {Dtype::float32, Dtype::bfloat16, Dtype::float16, Dtype::int32,
                            Dtype::uint8};

static void check_near(const std::vector<double>& x, const std::vector<double>& expected,
                       double tolerance) {
  REQUIRE(x.size() == expected.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == expected[i] || (x[i] != x[i] && expected[i] != expected[i])) continue;
    INFO("element " << i << " is " << x[i] << " and should be " << expected[i]);
    REQUIRE(std::fabs(x[i] - expected[i]) <= tolerance * (std::fmax)(1, std::fabs(expected[i])));
  }
}

static std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST_CASE("without a GPU the first allocation says so") {
  if (Cuda::available()) SKIP("there is a GPU");
  CHECK(refusal([] { Tensor<Cuda>{1, 2}; }).find("cuda: no device: ") == 0);
}

TEST_CASE("a divider divides") {
  constexpr std::int64_t one = 1, edge = one << 31;
  for (std::int64_t d :
       {one, 2 * one, 3 * one, 7 * one, 64 * one, 1000003 * one, edge - 1, edge, one << 40}) {
    const cuda::Divider divide(d);
    for (std::int64_t n : {0 * one, one, d - 1, d, d + 1, 2 * d - 1, edge - 1, edge, one << 45}) {
      REQUIRE(divide(n) == n / d);
    }
    for (int i = 0; i < 1000; ++i) {
      const std::int64_t n = pick(one << (1 + pick(44)));
      REQUIRE(divide(n) == n / d);
    }
  }
  for (int i = 0; i < 100000; ++i) {
    const std::int64_t d = 1 + pick(edge - 1), n = pick(edge);
    REQUIRE(cuda::Divider(d)(n) == n / d);
  }
}

TEST_CASE("lanes share a block without overlap") {
  for (std::int64_t lines : {1, 2, 5, 31, 33, 1000}) {
    for (std::int64_t length : {0, 1, 3, 10, 64, 100, 100000}) {
      for (bool columns : {false, true}) {
        const cuda::Lanes lanes(lines, length, columns);
        std::vector<int> seen(cuda::threads);
        for (int t = 0; t < cuda::threads; ++t) {
          REQUIRE(lanes.lane(t) < lanes.along);
          REQUIRE(lanes.line(t) < lanes.across);
          ++seen[std::size_t(lanes.lane(t) * lanes.across + lanes.line(t))];
        }
        REQUIRE(seen == std::vector<int>(cuda::threads, 1));
      }
    }
  }
}

/// Whether every device rounds a function to the same bits.
static bool is_exact(int function) {
  using scalar::code;
  const bool transcendental = function >= code<scalar::Exp> && function <= code<scalar::Sigmoid>;
  return !transcendental && function != code<scalar::Divide> && function != code<scalar::Power>;
}

/// A straight-line program of exact functions, or of all functions.
static Program any_program(int inputs, Arithmetic arithmetic, bool exact) {
  Program program;
  program.arithmetic = arithmetic;
  std::vector<int> values;
  for (int i = 0; i < inputs; ++i) values.push_back(program.add_input());
  for (double constant : {0.5, -3.0}) values.push_back(program.add_constant(constant));
  const auto any = [&] { return values[std::size_t(pick(std::int64_t(values.size())))]; };
  const std::int64_t steps = 1 + pick(Program::max_steps);
  for (std::int64_t i = 0; i < steps;) {
    const int function = int(pick(scalar::ScalarFunctions::size));
    if ((exact || arithmetic == Arithmetic::int32) && !is_exact(function)) continue;
    values.push_back(program.add_step(function, any(), any(), any()));
    if (++i < steps && pick(8) == 0 && program.outputs < 15) program.add_output(values.back());
  }
  program.add_output(values.back());
  program.finish();
  return program;
}

TEST_CASE("programs give the bits that the CPU gives") {
  NEEDS_GPU();
  const Shape shapes[] = {{},      {1}, {1023}, {1025}, {3, 5, 7}, {0, 4}, {2, 3, 1, 4, 2, 5, 2, 3},
                          {70, 40}};
  for (int round = 0; round < 300; ++round) {
    const bool exact = round % 3 != 0;
    const Shape shape = shapes[pick(8)];
    const Arithmetic arithmetic = pick(3) == 0 ? Arithmetic::int32 : Arithmetic::real;
    const int inputs = int(pick(round % 10 == 0 ? 33 : 5));
    const Program program = any_program(inputs, arithmetic, exact);
    std::vector<Array<Cuda>> x, y;
    std::vector<Array<Cpu>> cpu_x, cpu_y;
    for (int i = 0; i < inputs; ++i) {
      const Dtype dtype = arithmetic == Arithmetic::int32 || pick(3) == 0
                              ? (pick(2) ? Dtype::int32 : Dtype::uint8)
                              : (pick(2) ? Dtype::float32 : dtypes[pick(3)]);
      const Numbers n = numbers(shape, dtype, pick(3) == 0);
      x.push_back(n.on<Cuda>()), cpu_x.push_back(n.on<Cpu>());
    }
    for (int i = 0; i < program.outputs; ++i) {
      const Dtype dtype =
          arithmetic == Arithmetic::real && exact && pick(2) ? dtypes[pick(3)] : Dtype::uint8;
      y.emplace_back(shape, dtype), cpu_y.emplace_back(shape, dtype);
    }
    execute(program, std::span<const Array<Cuda>>(x), std::span<Array<Cuda>>(y));
    execute(program, std::span<const Array<Cpu>>(cpu_x), std::span<Array<Cpu>>(cpu_y));
    INFO("round " << round << ", shape " << str(shape));
    if (!exact) continue;  // sizes of errors have no bound over many steps: this looks for crashes
    for (std::size_t i = 0; i < y.size(); ++i) check_near(list(y[i]), list(cpu_y[i]), 0);
  }
}

TEST_CASE("each scalar function is the reference's") {
  NEEDS_GPU();
  for (int function = 0; function < scalar::ScalarFunctions::size; ++function) {
    Program program;
    for (int i = 0; i < 3; ++i) program.add_input();
    program.add_output(program.add_step(function, 0, 1, 2));
    program.finish();
    const Numbers in[] = {numbers({37, 41}), numbers({37, 41}), numbers({37, 41})};
    const std::vector<Array<Cuda>> x = {in[0].on<Cuda>(), in[1].on<Cuda>(), in[2].on<Cuda>()};
    const std::vector<Array<Reference>> z = {in[0].on<Reference>(), in[1].on<Reference>(),
                                             in[2].on<Reference>()};
    std::vector<Array<Cuda>> y{Array<Cuda>({37, 41}, Dtype::float32)};
    std::vector<Array<Reference>> w{Array<Reference>({37, 41}, Dtype::float64)};
    execute(program, std::span<const Array<Cuda>>(x), std::span<Array<Cuda>>(y));
    execute(program, std::span<const Array<Reference>>(z), std::span<Array<Reference>>(w));
    INFO("function " << function);
    check_near(list(y[0]), list(w[0]), 1e-6);
  }
}

TEST_CASE("reductions are the reference's, over any axes of any view") {
  NEEDS_GPU();
  const Shape shapes[] = {{7},        {3000},       {100000},      {40, 70}, {300, 5},
                          {5, 300},   {2, 3, 4, 5}, {9, 1, 8, 33}, {0, 3},   {3, 0},
                          {20000, 3}, {3, 20000},   {1500, 33}};
  for (const Shape& shape : shapes) {
    for (unsigned mask = 1; mask < 1u << shape.ndim(); ++mask) {
      const bool integers = pick(3) == 0;
      const Dtype dtype = integers ? Dtype::int32 : Dtype::float32;
      const Numbers x = numbers(shape, dtype, pick(2) == 0),
                    y = numbers(shape, dtype, pick(2) == 0);
      Program program;
      program.arithmetic = integers ? Arithmetic::int32 : Arithmetic::real;
      const int a = program.add_input(), b = program.add_input();
      const int half = program.add_step(scalar::code<scalar::Subtract>, a, b, a);
      program.add_output(
          program.add_step(scalar::code<scalar::Minimum>, half, program.add_constant(5), a));
      program.finish();
      for (Monoid monoid : {Monoid::sum, Monoid::maximum, Monoid::minimum}) {
        if (shape.size() == 0 && monoid != Monoid::sum) continue;
        const Shape kept = reduced_shape(shape, mask, false);
        Array<Cuda> out(kept, dtype);
        Array<Reference> expected(kept, integers ? dtype : Dtype::float64);
        const Array<Cuda> in[] = {x.on<Cuda>(), y.on<Cuda>()};
        const Array<Reference> reference_in[] = {x.on<Reference>(), y.on<Reference>()};
        reduce(monoid, program, std::span<const Array<Cuda>>(in), shape, mask, out);
        reduce(monoid, program, std::span<const Array<Reference>>(reference_in), shape, mask,
               expected);
        INFO(str(shape) << " mask " << mask << " monoid " << int(monoid));
        check_near(list(out), list(expected), integers ? 0 : 2e-6);
      }
    }
  }
}

TEST_CASE("a reduction keeps NaN and refuses integers that do not fit") {
  NEEDS_GPU();
  std::vector<float> x(5000, 1.0f);
  x[4321] = NAN;
  CHECK(std::isnan(max(Tensor<Cuda>(x, {5000})).item()));
  CHECK(std::isnan(sum(Tensor<Cuda>(x, {50, 100})).item()));
  const Tensor<Cuda> big(std::vector<std::int32_t>(3, 2000000000), {3});
  CHECK(refusal([&] { sum(big).item(); }) ==
        "sum: the result 6000000000 does not fit in int32; cast to a float type first");
  CHECK(max(big).item<std::int32_t>() == 2000000000);
}

TEST_CASE("products of every tile are the reference's, for any strides and batches") {
  NEEDS_GPU();
  struct Case {
    Shape batch;
    std::int64_t m, n, k;
  };
  const Case cases[] = {{{}, 1, 1, 1},         {{}, 5, 7, 0},     {{}, 0, 3, 4},
                        {{}, 16, 16, 16},      {{}, 17, 33, 50},  {{}, 64, 64, 32},
                        {{}, 65, 130, 19},     {{}, 129, 260, 9}, {{3, 2}, 20, 21, 22},
                        {{2, 1, 3}, 70, 66, 5}};
  for (const Case& c : cases) {
    for (int view = 0; view < 4; ++view) {
      Shape a = c.batch, b = c.batch, out = c.batch;
      a.push_back(c.m), a.push_back(c.k), b.push_back(c.k), b.push_back(c.n);
      out.push_back(c.m), out.push_back(c.n);
      const Numbers x = numbers(a, Dtype::float32, view == 0),
                    y = numbers(b, Dtype::float32, view < 2);
      Array<Reference> expected(out, Dtype::float64);
      gemm(x.on<Reference>(), y.on<Reference>(), expected);
      const auto agrees = [&](auto&& multiply) {
        Array<Cuda> result(out, Dtype::float32);
        multiply(x.on<Cuda>(), y.on<Cuda>(), result);
        INFO(str(a) << " by " << str(b));
        check_near(list(result), list(expected), 1e-4);
      };
      agrees([](const auto& p, const auto& q, auto& r) { gemm(p, q, r); });
      if (expected.size() == 0) continue;
      agrees([](const auto& p, const auto& q, auto& r) {
        cuda::launch_gemm<16, 16>(cuda::product(p, q, r));
      });
      agrees([](const auto& p, const auto& q, auto& r) {
        cuda::launch_gemm<64, 16>(cuda::product(p, q, r));
      });
      agrees([](const auto& p, const auto& q, auto& r) {
        cuda::launch_gemm<128, 8>(cuda::product(p, q, r));
      });
    }
  }
}

TEST_CASE("copies move and convert between any views") {
  NEEDS_GPU();
  for (Dtype from : dtypes) {
    for (Dtype to : dtypes) {
      for (int i = 0; i < 6; ++i) {
        const Shape shape = i == 0   ? Shape{}
                            : i == 1 ? Shape{0, 2}
                            : i < 4  ? Shape{37, 41}
                                     : Shape{3, 4, 5, 6};
        const Numbers x = numbers(shape, from, i == 2);
        Array<Cuda> base(permuted(compact_layout(shape),
                                  shape.ndim() > 1 && i % 2 ? i == 5 ? Axes{2, 0, 3, 1} : Axes{1, 0}
                                  : shape.ndim() == 4 ? Axes{0, 1, 2, 3}
                                  : shape.ndim()            ? Axes{0, 1}
                                                            : Axes{})
                             .shape,
                         to);
        Array<Cuda> view = base;
        if (shape.ndim() > 1 && i % 2)
          view = Array<Cuda>(base, permuted(base, i == 5 ? Axes{1, 3, 0, 2} : Axes{1, 0}));
        copy(x.on<Cuda>(), view);
        Array<Cpu> expected(shape, to);
        copy(x.on<Cpu>(), expected);
        INFO(str(from) << " to " << str(to) << " " << i);
        check_near(list(view), list(expected), 0);
      }
    }
  }
}

TEST_CASE("the position of an extreme is the first one, and NaN comes before all") {
  NEEDS_GPU();
  const Shape shapes[] = {{1}, {700}, {40, 33}, {33, 40}, {3, 900, 4}, {9000, 2}};
  for (const Shape& shape : shapes) {
    for (Dtype dtype : {Dtype::float32, Dtype::int32, Dtype::uint8}) {
      for (int axis = 0; axis < shape.ndim(); ++axis) {
        Numbers x = numbers(shape, dtype, pick(2) == 0);
        for (double& value : x.values) value = std::floor(value / 4);  // many ties
        if (is_float(dtype)) x.values[x.values.size() / 2] = x.values.back() = NAN;
        Shape kept = shape;
        kept.erase(axis);
        for (bool largest : {false, true}) {
          if (!is_float(dtype) && !largest) continue;
          Array<Cuda> out(kept, Dtype::int32);
          Array<Reference> expected(kept, Dtype::int32);
          arg_extreme(x.on<Cuda>(), axis, largest, out);
          arg_extreme(x.on<Reference>(), axis, largest, expected);
          INFO(str(shape) << " axis " << axis << " " << str(dtype));
          check_near(list(out), list(expected), 0);
        }
      }
    }
  }
}

TEST_CASE("softmax and its logarithm along any axis of any view") {
  NEEDS_GPU();
  const Shape shapes[] = {{0, 3}, {1}, {700}, {40, 33}, {33, 40}, {3, 900, 4}, {9000, 2}};
  for (const Shape& shape : shapes) {
    for (int axis = 0; axis < shape.ndim(); ++axis) {
      if (shape[axis] == 0) continue;
      for (bool log : {false, true}) {
        const Numbers x = numbers(shape, Dtype::float32, pick(2) == 0);
        Array<Cuda> out(shape, Dtype::float32);
        Array<Reference> expected(shape, Dtype::float64);
        softmax(x.on<Cuda>(), axis, log, out);
        softmax(x.on<Reference>(), axis, log, expected);
        INFO(str(shape) << " axis " << axis << (log ? " log" : ""));
        check_near(list(out), list(expected), 2e-6);
      }
    }
  }
}

TEST_CASE("gather and scatter_add follow any index, and refuse the first that is out of range") {
  NEEDS_GPU();
  for (int round = 0; round < 60; ++round) {
    const Shape shape = round % 3 == 0   ? Shape{50, 12}
                        : round % 3 == 1 ? Shape{119, 3}
                                         : Shape{30, 4, 25};
    const int axis = int(pick(shape.ndim()));
    const std::int64_t size = shape[axis];
    Shape where = shape;
    where[axis] = 1 + pick(300);
    Numbers index = numbers(where, Dtype::int32, pick(2) == 0);
    for (double& value : index.values) value = double(pick(size));
    const Numbers x = numbers(shape, dtypes[pick(5)], pick(2) == 0);
    const Numbers source = numbers(where, Dtype::float32, pick(2) == 0);
    INFO("round " << round << ": " << str(where) << " into " << str(shape) << " along " << axis);
    Array<Cuda> out(where, x.dtype), sum(shape, Dtype::float32);
    Array<Cpu> cpu_out(where, x.dtype), cpu_sum(shape, Dtype::float32);
    const Numbers start = numbers(shape, Dtype::float32, true);
    copy(start.on<Cuda>(), sum), copy(start.on<Cpu>(), cpu_sum);
    gather(x.on<Cuda>(), index.on<Cuda>(), axis, out);
    gather(x.on<Cpu>(), index.on<Cpu>(), axis, cpu_out);
    check_near(list(out), list(cpu_out), 0);
    scatter_add(source.on<Cuda>(), index.on<Cuda>(), axis, sum);
    scatter_add(source.on<Cpu>(), index.on<Cpu>(), axis, cpu_sum);
    check_near(list(sum), list(cpu_sum), 0);
    index.values[index.values.size() / 2] = 200, index.values.back() = 201;
    const std::string said = refusal([&] { gather(x.on<Cuda>(), index.on<Cuda>(), axis, out); });
    CHECK(said == refusal([&] { gather(x.on<Cpu>(), index.on<Cpu>(), axis, cpu_out); }));
  }
}

TEST_CASE("random numbers are the CPU's, bit for bit but for normal ones") {
  NEEDS_GPU();
  for (std::uint64_t offset : {0, 4, 5, 7}) {
    for (std::int64_t size : {0, 1, 2, 3, 1022, 1023, 1024, 1025, 5000}) {
      const RandomKey key{42, 7, offset};
      const auto agrees = [&](const Distribution& d, Dtype dtype, double tolerance) {
        Array<Cuda> x({size}, dtype);
        Array<Cpu> y({size}, dtype);
        random(d, key, x), random(d, key, y);
        check_near(list(x), list(y), tolerance);
      };
      agrees({Distribution::uniform, 0, 1}, Dtype::float32, 0);
      agrees({Distribution::uniform, -3, 5.1}, Dtype::float32, 0);
      agrees({Distribution::bernoulli, 0.3, 1}, Dtype::uint8, 0);
      agrees({Distribution::integer, -5, 1000000}, Dtype::int32, 0);
      agrees({Distribution::normal, 1, 2}, Dtype::float32, 1e-6);
    }
  }
}

/// What comes of elements of 16 bits in reductions, products, comparisons and choices.
template <Device D>
static std::vector<double> of_16_bits(const Numbers& numbers) {
  const Tensor<D> x(numbers.on<D>());
  const Tensor<D> rounded = cast(x * 1.01, x.dtype()), part = transpose(x)[{range(3, 20)}];
  std::vector<double> result;
  for (const Tensor<D>& y :
       {sum(x, 0), (max)(rounded, 1), matmul(part, rounded), to_real(argmax(x, 1)),
        where(x > rounded, x, rounded), concat({x, rounded}, 1), to_real(cast(x, Dtype::uint8))}) {
    for (double value : y.template values<double>()) result.push_back(value);
  }
  return result;
}

TEST_CASE("elements of 16 bits give what they give on the CPU") {
  NEEDS_GPU();
  for (Dtype dtype : {Dtype::bfloat16, Dtype::float16}) {
    const Tensor<Cpu> values = randn<Cpu>({37, 41});
    check_near(list(cast(values.to<Cuda>(), dtype).data()), list(cast(values, dtype).data()), 0);
    const Tensor<Cuda> there = cast(values, dtype).to<Cuda>();
    CHECK(there.dtype() == dtype);
    check_near(list(there.data()), list(cast(values, dtype).data()), 0);
    const Numbers numbers = ::numbers({37, 41}, dtype);
    check_near(of_16_bits<Cuda>(numbers), of_16_bits<Cpu>(numbers), 1e-5);
  }
}

/// The losses and the gradient of a network of two layers.
template <Device D>
static std::vector<double> trained() {
  Generator generator{3};
  const Tensor<Cpu> a = randn<Cpu>({40, 30}, 0, 0.2, generator),
                    b = randn<Cpu>({10, 40}, 0, 0.2, generator);
  const Tensor<Cpu> x = randn<Cpu>({64, 30}, 0, 1, generator);
  const Tensor<Cpu> ids = randint<Cpu>({64}, 0, 10, generator);
  Tensor<D> w1 = a.to<D>(), w2 = b.to<D>(), bias = zeros<D>({40});
  bias.requires_grad(true), w1.requires_grad(true), w2.requires_grad(true);
  const Tensor<D> hidden = relu(linear(x.to<D>(), w1, bias));
  const Tensor<D> loss = cross_entropy(linear(hidden, w2), ids.to<D>());
  loss.backward();
  std::vector<double> result{loss.template item<double>()};
  for (const Tensor<D>& each : {w1.grad(), w2.grad(), bias.grad()}) {
    for (double value : each.template values<double>()) result.push_back(value);
  }
  return result;
}

TEST_CASE("a network's gradients are the CPU's, and the same bits in every run") {
  NEEDS_GPU();
  const std::vector<double> first = trained<Cuda>();
  check_near(first, trained<Cpu>(), 1e-5);
  check_near(trained<Cuda>(), first, 0);
}

// Elements of 16 bits, bfloat16 and float16: storage that every op takes, calculated with in real
// numbers.

#include "check.hpp"
#include "needle/io/state.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/gather.hpp"
#include "needle/ops/loss.hpp"
#include "needle/ops/matmul.hpp"
#include "needle/ops/print.hpp"
#include "needle/ops/slice.hpp"
#include "needle/ops/transfer.hpp"
#include "needle/optim/adam.hpp"
#include "needle/optim/sgd.hpp"
#include "temporary_folder.hpp"

using namespace needle;

namespace {

constexpr Dtype halves[] = {Dtype::bfloat16, Dtype::float16};

/// A view of real numbers, stored in another dtype.
template <Device D>
Array<D> stored(const Array<D>& x, Dtype dtype) {
  const auto all = static_cast<std::int64_t>(x.storage->bytes / sizeof(typename D::Real));
  return Array<D>(converted(Array<D>(x, compact_layout({all})), dtype), x);
}

/// Says that an op of elements of 16 bits is the op of the numbers they stand for: value and
/// derivatives, cast inside of the graph or before it, for every way they can lie in memory.
template <Device D, class F, std::same_as<Input>... Inputs>
void check_half(F f, const Inputs&... inputs) {
  const check::Tolerance tolerance = std::same_as<D, Reference>
                                         ? check::Tolerance{1e-13, 1e-12, 1e-11}
                                         : check::Tolerance{2e-6, 1e-5, 5e-5};
  const auto function = check::function_of<D>(f, std::index_sequence_for<Inputs...>());
  const std::vector<Input> all{inputs...};
  for (const Dtype dtype : halves) {
    const check::Function<D> casting = [&](const std::vector<Tensor<D>>& x) {
      std::vector<Tensor<D>> cast_x;
      for (const Tensor<D>& each : x) cast_x.push_back(cast(each, dtype));
      return function(cast_x);
    };
    for (const auto view : {check::View::compact, check::View::transposed, check::View::stepped,
                            check::View::reversed, check::View::repeated}) {
      INFO(str(dtype) << " " << check::name(view));
      std::vector<Array<D>> real, half;
      for (std::size_t k = 0; k < all.size(); ++k) {
        List values = check::elements(all[k], k);
        for (double& value : values) value = rounded_to(value, dtype);
        const Array<D> whole = check::upload<D>(values, all[k].shape, Input::real);
        real.push_back(check::seen(whole, view, Input::real));
        half.push_back(stored(real.back(), dtype));
      }
      const check::Outcome expected = check::outcome<D>(function, real);
      compare("cast", check::outcome<D>(casting, real), expected, tolerance);
      compare("stored", check::outcome<D>(function, half), expected, tolerance);
      const Setting unfused(settings.fusion, false);
      compare("cast, op by op", check::outcome<D>(casting, real), expected, tolerance);
      const Setting eager(settings.eager, true);
      compare("stored, eager", check::outcome<D>(function, half), expected, tolerance);
    }
  }
}

/// One module with a parameter and a buffer of a dtype.
struct Stored {
  Dtype dtype = Dtype::bfloat16;
  nn::Parameter<> weight{cast(Tensor<>{1.5, -2}, dtype)};
  nn::Buffer<> total{cast(Tensor<>{3}, dtype)};
};

}  // namespace

DEVICE_TEST_CASE("A cast to 16 bits rounds to nearest even and takes half the bytes of a float") {
  const Tensor<D> x{1 + 0x1p-8, 1 + 3 * 0x1p-8, -1 - 0x1.8p-8, 1 + 0x1p-11, 65519, 65520, 1e-8};
  CHECK(list(cast(x, Dtype::bfloat16)) == List{1, 1 + 0x1p-6, -1 - 0x1p-7, 1, 65536, 65536,
                                               rounded_to(float(1e-8), Dtype::bfloat16)});
  CHECK(list(cast(x, Dtype::float16)) ==
        List{1 + 0x1p-8, 1 + 3 * 0x1p-8, -1 - 0x1.8p-8, 1, 65504, INFINITY, 0});
  const Tensor<D> odd = cast(Tensor<D>{NAN, -INFINITY, 1e30, -0.0}, Dtype::float16);
  CHECK(std::isnan(list(odd)[0]));
  CHECK(list(odd)[1] == -INFINITY);
  CHECK(list(odd)[2] == INFINITY);
  CHECK(std::signbit(list(odd)[3]));
  for (const Dtype dtype : halves) {
    CHECK(is_float(dtype));
    CHECK(cast(x, dtype).dtype() == dtype);
    CHECK(to_real(cast(x, dtype)).dtype() == real<D>);
    const Tensor<D> many = zeros<D>({1000, 100}) + 1;
    const std::size_t before = memory_stats<D>().live;
    const Tensor<D> y = cast(many, dtype).realize();
    CHECK(y.data().storage->bytes == 200000);
    if (!std::same_as<D, Reference>) {
      const std::size_t both = memory_stats<D>().live - before;  // many, and the cast
      CHECK(both >= 600000);
      CHECK(both < 700000);
    }
    CHECK(cast(y, dtype).expression() == y.expression());
  }
}

DEVICE_TEST_CASE("On the reference device a cast rounds once") {
  const Tensor<D> x = Tensor<D>{1 + 0x1p-11} + 0x1p-40;
  const bool wide = sizeof(typename D::Real) == 8;
  CHECK(list(cast(x, Dtype::float16)) == List{wide ? 1 + 0x1p-10 : 1});
}

DEVICE_TEST_CASE("Integers become elements of 16 bits and back, and one kind the other") {
  const Tensor<D> x = ints<D>({-5, 257, 100000});
  CHECK(list(cast(x, Dtype::bfloat16)) == List{-5, 256, 99840});
  CHECK(list(cast(x, Dtype::float16)) == List{-5, 257, INFINITY});
  CHECK(list(cast(bytes<D>({0, 255}), Dtype::bfloat16)) == List{0, 255});
  const Tensor<D> y = cast(Tensor<D>{-1.75, 300, 2.5, NAN}, Dtype::float16);
  CHECK(list(cast(y, Dtype::int32)) == List{-1, 300, 2, 0});
  CHECK(list(cast(y, Dtype::uint8)) == List{0, 255, 2, 0});
  CHECK(list(cast(cast(Tensor<D>{1 + 0x1p-10}, Dtype::float16), Dtype::bfloat16)) == List{1});
}

DEVICE_TEST_CASE("What is cast is rounded also where programs are fused") {
  const Tensor<D> x{1 + 0x1p-10, 3};
  const auto check = [&] {
    const Tensor<D> y = cast(x * 1.0, Dtype::bfloat16);
    CHECK(list(y * 2 - x * 2) == List{-0x1p-9, 0});
    CHECK(list(sum(cast(x * 1.0, Dtype::bfloat16) - x)) == List{-0x1p-10});
    CHECK(list(sum(cast(x * 1.0, Dtype::bfloat16))) == List{4});
  };
  check();
  const Setting unfused(settings.fusion, false);
  check();
}

DEVICE_TEST_CASE("Arithmetic on elements of 16 bits is real, and so are its gradients") {
  for (const Dtype dtype : halves) {
    Tensor<D> x = cast(Tensor<D>{1, 2, 3}, dtype);
    x.requires_grad(true);
    for (const Tensor<D>& y : {x + x, x * 2, -x, exp(x), sum(x), (max)(x), mean(x), softmax(x),
                               where(x > 2, x, x), matmul(x, x), where(x > 2, x, 0)}) {
      CHECK(y.dtype() == real<D>);
    }
    CHECK((x > 2).dtype() == Dtype::uint8);
    CHECK(argmax(x).dtype() == Dtype::int32);
    const Tensor<D> moved = concat({flip(x), x[{range(0, 1)}]}, 0);
    for (const Tensor<D>& y : {moved, reshape(x, {3, 1}), broadcast_to(x, {2, 3}), x.detach(),
                               stack({x, x}), index_select(x, 0, ints<D>({0, 2})), x[1]}) {
      CHECK(y.dtype() == dtype);
    }
    sum(moved * moved * 1.1).backward();
    CHECK(x.grad().dtype() == real<D>);
    check::compare("gradient", list(x.grad()), {4.4, 4.4, 6.6}, 1e-6);
    x.zero_grad();
    const Tensor<D> one = x[0];
    one.backward();  // from a scalar of 16 bits itself
    CHECK(list(x.grad()) == List{1, 0, 0});
    CHECK(x.grad().dtype() == real<D>);
  }
}

DEVICE_TEST_CASE("Elementwise ops of any view of elements of 16 bits") {
  check_half<D>([](auto x, auto y) { return x * y + exp(x); }, numbers({3, 4}), numbers({4}));
  check_half<D>([](auto x) { return x; }, numbers({17, 33}));
  check_half<D>([](auto x) { return sigmoid(x) * 2; }, numbers({0, 3}));
  check_half<D>([](auto x, auto y) { return where(x > y, x, y * y); }, numbers({3, 4}),
                numbers({3, 4}));
  check_half<D>([](auto x) { return pow(x, 2.5); }, positive({5}));
  check_half<D>([](auto x) { return cast(x * x, Dtype::bfloat16) * 0.0 + x; }, numbers({5}));
}

DEVICE_TEST_CASE("Reductions of any view of elements of 16 bits") {
  check_half<D>([](auto x) { return sum(x, 0); }, numbers({3, 4}));
  check_half<D>([](auto x) { return mean(x * x, -1); }, numbers({3, 40}));
  check_half<D>([](auto x) { return (max)(x, 0) + (min)(x); }, numbers({4, 3}));
  check_half<D>([](auto x) { return log_softmax(x); }, numbers({2, 5}));
  check_half<D>([](auto x) { return softmax(x, 0); }, numbers({3, 4}));
  check_half<D>([](auto x) { return sum(x); }, numbers({2, 0}));
}

DEVICE_TEST_CASE("Movements of any view of elements of 16 bits") {
  check_half<D>([](auto x) { return reshape(transpose(x), {2, 6}); }, numbers({3, 4}));
  check_half<D>([](auto x) { return x[{range(0, 3, 2), needle::all}]; }, numbers({3, 4}));
  check_half<D>(
      [](auto x, auto y) {
        return concat({x, flip(y)}, 1);
      },
      numbers({3, 4}), numbers({3, 2}));
  check_half<D>([](auto x, auto y) { return put(x, {range(1, 3)}, y); }, numbers({3, 4}),
                numbers({4}));
  check_half<D>([](auto x) { return index_select(x, 0, ints<D>({2, 0, 2})); }, numbers({3, 4}));
  check_half<D>([](auto x) { return index_select(x, 1, ints<D>({3, 0, 2})); }, numbers({3, 4}));
  check_half<D>([](auto x) { return broadcast_to(x, {2, 3, 4}); }, numbers({3, 4}));
}

DEVICE_TEST_CASE("Products of elements of 16 bits are those of the numbers they stand for") {
  check_half<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 3}), numbers({3, 4}));
  check_half<D>([](auto a, auto b) { return matmul(a, b); }, numbers({3}), numbers({3}));
  check_half<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 2, 3}), numbers({3, 2}));
  check_half<D>([](auto a, auto b) { return matmul(to_real(a), b); }, numbers({2, 1, 2, 3}),
                numbers({3, 3, 2}));
  check_half<D>([](auto x, auto w, auto b) { return linear(x, w, b); }, numbers({4, 3}),
                numbers({2, 3}), numbers({2}));
  check_half<D>([](auto a, auto b) { return matmul(a, b); }, numbers({2, 0}), numbers({0, 3}));
  check_half<D>([](auto x) { return cross_entropy(x, ints<D>({2, 0})); }, numbers({2, 3}));
}

DEVICE_TEST_CASE("Larger arrays, over chunks and ragged ends, go through the vector loops") {
  for (const Dtype dtype : halves) {
    for (const std::int64_t n : {1, 15, 16, 513, 70001}) {
      const Tensor<D> x = arange<D>(n, Dtype::int32) * 7 - 1000;
      List expected = list(x);
      for (double& value : expected) value = rounded_to(value, dtype);
      const Tensor<D> y = cast(x * 1.0, dtype);
      CHECK((list(y) == expected));
      CHECK((list(flip(y) * 1.0) == List(expected.rbegin(), expected.rend())));
      CHECK(argmax(y).template item<int>() ==
            std::max_element(expected.begin(), expected.end()) - expected.begin());
    }
  }
}

DEVICE_TEST_CASE("Comparisons and positions of extremes see the rounded numbers") {
  const Tensor<D> x = cast(Tensor<D>{1, 1 + 0x1p-10, 3, -2, NAN}, Dtype::bfloat16);
  CHECK(list(x == 1) == List{1, 1, 0, 0, 0});
  CHECK(list(x < 2) == List{1, 1, 0, 1, 0});
  CHECK(list(argmax(reshape(x[{range(0, 4)}], {2, 2}), 1)) == List{0, 0});
  CHECK(argmin(x[{range(0, 4)}]).template item<int>() == 3);
  CHECK(argmax(x).template item<int>() == 4);
}

DEVICE_TEST_CASE("Factories make elements of 16 bits, rounded when they are built") {
  const Tensor<D> x = full<D>({2, 2}, 0.1, Dtype::bfloat16);
  const double tenth = rounded_to(0.1, Dtype::bfloat16);
  CHECK(tenth == 0.10009765625);
  CHECK(list(x) == List(4, tenth));
  CHECK(list(x * 2) == List(4, 2 * tenth));
  CHECK(list(sum(x)) == List{4 * tenth});
  CHECK(x.data().storage->bytes == 2);
  CHECK(list(zeros<D>({2}, Dtype::float16)) == List{0, 0});
  CHECK(list(full<D>({1}, 1e6, Dtype::float16)) == List{INFINITY});
  CHECK(ones_like(x).dtype() == Dtype::bfloat16);
  CHECK(list(ones<D>({3}, Dtype::bfloat16)) == List{1, 1, 1});
  CHECK(list(arange<D>(255, 260, 1, Dtype::bfloat16)) == List{255, 256, 256, 258, 260});
  CHECK(list(put(x, {0, 0}, 0.2)) == List{rounded_to(0.2, Dtype::bfloat16), tenth, tenth, tenth});
  const Tensor<D> given(std::vector<Float16>{Float16(0.5f), Float16(-2.0f)}, {2});
  CHECK(given.dtype() == Dtype::float16);
  CHECK(list(given) == List{0.5, -2});
}

DEVICE_TEST_CASE("Elements of 16 bits are read, printed and moved to other devices") {
  const Tensor<D> x = cast(Tensor<D>{{1, 2.5}, {-3, 0.1}}, Dtype::float16);
  CHECK(x[1].template values<float>() == std::vector<float>{-3, 0.0999755859375f});
  CHECK(x.template values<int>() == std::vector<int>{1, 2, -3, 0});
  CHECK(transpose(x)[{1, 0}].template item<float>() == 2.5);
  CHECK(full<D>({}, 0.1, Dtype::float16).template item<float>() == 0.0999755859375f);
  CHECK(str(x) == "[[       1,      2.5],\n [      -3, 0.099976]]");
  const Tensor<Reference> there = x.template to<Reference>();
  CHECK(there.dtype() == Dtype::float16);
  CHECK(list(there) == list(x));
  CHECK(there.template to<D>().dtype() == Dtype::float16);
  CHECK(list(transpose(there).template to<D>()) == list(transpose(x)));
}

DEVICE_TEST_CASE("The first op that makes an infinity of a number too large is named") {
  const Setting checked(settings.check_nan, true);
  CHECK(refusal([] {
          cast(Tensor<D>{1, 1e6}, Dtype::float16).realize();
        }) ==
        "cast_to_float: made inf in its result of shape (2,); it is the first op that did "
        "(NEEDLE_CHECK_NAN)");
  CHECK(list(cast(Tensor<D>{1, 1e6}, Dtype::bfloat16))[0] == 1);
}

DEVICE_TEST_CASE("What elements of 16 bits do not fit is refused by name") {
  const Tensor<D> x = ones<D>({2, 2}, Dtype::bfloat16);
  const std::string real = str(needle::real<D>);
  CHECK(refusal([&] {
          concat({x, ones<D>({2, 2})});
        }) == "concat: dtypes bfloat16 and " + real + " differ; cast one of them");
  CHECK(refusal([&] { put(x, {0}, ones<D>({2})); }) ==
        "put: values of " + real + " into a tensor of bfloat16; cast them first");
  CHECK(refusal([&] { gather(x, 0, x); }) ==
        "gather: an index of bfloat16; it must be int32 or uint8");
  CHECK(refusal([&] { matmul(x, cast(x, Dtype::int32)); }) ==
        "matmul: dtypes bfloat16 and int32; cast both to a float type");
  CHECK(refusal([&] { visit(x.dtype(), [](auto) {}); }) ==
        "visit: bfloat16 has no arithmetic; convert the array to the device's real numbers first");
}

DEVICE_TEST_CASE("Files keep elements of 16 bits, and give real numbers") {
  const TemporaryFolder folder;
  for (const Dtype dtype : halves) {
    const Tensor<D> x = cast(Tensor<D>{{1, 0.1}, {-1e-7, 3}}, dtype);
    io::save_tensors<D>(folder / "x", {{"x", transpose(x)}});
    const auto file = io::read_safetensors(folder / "x");
    CHECK(str(file.entries[0].type) == (dtype == Dtype::float16 ? "F16" : "BF16"));
    CHECK(file.data(file.entries[0]).size() == 8);
    const Tensor<D> loaded = io::load_tensors<D>(folder / "x").tensors.at("x");
    CHECK(loaded.dtype() == real<D>);
    CHECK(list(loaded) == list(transpose(x)));
  }
}

TEST_CASE("A module's elements of 16 bits come back in their dtype") {
  const TemporaryFolder folder;
  const Stored from;
  Stored to{.dtype = Dtype::float16};
  to.weight.assign(Tensor<>{0, 0});
  CHECK(to.weight->dtype() == Dtype::float16);
  io::save(folder / "m", from);
  io::load(folder / "m", to);
  CHECK(to.weight->dtype() == Dtype::float16);
  CHECK(to.total->dtype() == Dtype::float16);
  CHECK(list(*to.weight) == List{1.5, -2});
  CHECK(list(*to.total) == List{3});
  CHECK(refusal([&] {
          io::load_state(to, {{"weight", ones<Cpu>({2}, Dtype::int32)}, {"total", *to.total}});
        }) == "state: does not fit the module:\n  dtype: weight is int32, expected float16");
}

DEVICE_TEST_CASE("A parameter of 16 bits is trained in real numbers and rounded") {
  for (const Dtype dtype : halves) {
    const nn::Parameter<D> weight(cast(Tensor<D>{1, -2, 0.5}, dtype));
    optim::SGD<D> sgd({weight.cell()}, {.lr = 0.1, .momentum = 0.9});
    sum(*weight * *weight).backward();
    CHECK(weight.grad().dtype() == real<D>);
    sgd.step();
    CHECK(weight->dtype() == dtype);
    List expected{0.8, -1.6, 0.4};
    for (double& value : expected) value = rounded_to(value, dtype);
    CHECK(list(*weight) == expected);
    const Tensor<D> held = *weight;
    optim::Adam<D> adam({weight.cell()}, {.lr = 0.25});
    adam.step();
    CHECK(list(held) == expected);
    for (std::size_t i = 0; i < 3; ++i) {
      expected[i] = rounded_to(expected[i] - (i == 1 ? -0.25 : 0.25), dtype);
    }
    CHECK(list(*weight) == expected);
  }
}

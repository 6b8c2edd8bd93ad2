#include "needle/program/program.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"

using namespace needle;

namespace {

/// Runs a program over vectors.
template <Device D>
std::vector<List> run(Program program, const std::vector<List>& inputs) {
  program.finish();
  const Shape shape{static_cast<std::int64_t>(inputs[0].size())};
  std::vector<Array<D>> arrays, results;
  for (const List& input : inputs) arrays.push_back(check::upload<D>(input, shape, Input::real));
  for (int k = 0; k < program.outputs; ++k) results.emplace_back(shape, real<D>);
  execute(program, std::span<const Array<D>>(arrays), std::span<Array<D>>(results));
  std::vector<List> lists;
  for (const Array<D>& result : results) lists.push_back(list(Tensor<D>(result)));
  return lists;
}

template <class F>
int add(Program& program, F, int a, int b = 0, int c = 0) {
  const int operands = scalar::arity<F>;
  return program.add_step(scalar::code<F>, a, operands > 1 ? b : a, operands > 2 ? c : a);
}

}  // namespace

DEVICE_TEST_CASE("A program calculates its steps in order, and stores what it is told to") {
  Program program;
  const int x = program.add_input(), y = program.add_input(), two = program.add_constant(2);
  const int sum = add(program, scalar::Add{}, x, y);
  const int twice = add(program, scalar::Multiply{}, sum, two);
  const int last = add(program, scalar::Subtract{}, twice, x);
  program.add_output(sum);
  program.add_output(last);
  CHECK(run<D>(program, {{1, 2}, {10, 20}}) == std::vector<List>{{11, 22}, {21, 42}});
}

TEST_CASE("A constant is kept once; 0 and -0 are two") {
  Program program;
  const int half = program.add_constant(0.5), zero = program.add_constant(0);
  CHECK(program.add_constant(0.5) == half);
  CHECK(program.add_constant(-0.0) != zero);
  CHECK(program.constants == 3);
}

TEST_CASE("A long chain needs few registers, an output one of its own") {
  Program program;
  int value = program.add_input();
  for (int i = 0; i < Program::max_steps; ++i) value = add(program, scalar::Negate{}, value);
  program.add_output(value);
  program.finish();
  CHECK(program.steps == Program::max_steps);
  CHECK(program.registers <= 2);
}

DEVICE_TEST_CASE("Registers are shared only after their last reader, in every small program") {
  // All programs of four steps whose operands are any values so far, against plain variables; some
  // on enough elements for a CPU's chains and a rest.
  constexpr int steps = 4;
  int wrong = 0, tried = 0;
  for (int code = 0; code < 2 * 9 * 16 * 25 * 36; code += 7) {
    Program program;
    program.add_input(), program.add_input();
    double value[2 + steps] = {2, 3};
    int place[2 + steps] = {0, 1}, rest = code / 2;
    for (int i = 0; i < steps; ++i) {
      const int a = rest % (2 + i), b = rest / (2 + i) % (2 + i);
      rest /= (2 + i) * (2 + i);
      if ((code + i) % 2 == 0) {
        value[2 + i] = value[a] - value[b];
        place[2 + i] = add(program, scalar::Subtract{}, place[a], place[b]);
      } else {
        value[2 + i] = value[a] * value[b];
        place[2 + i] = add(program, scalar::Multiply{}, place[a], place[b]);
      }
    }
    if (code % 3 == 0) program.add_output(place[3]);
    program.add_output(place[1 + steps]);
    const std::size_t n = code % 5 == 0 ? 129 : 1;
    const std::vector<List> results = run<D>(program, {List(n, 2), List(n, 3)});
    ++tried;
    wrong += results.back() != List(n, value[1 + steps]);
    wrong += code % 3 == 0 && results[0] != List(n, value[3]);
  }
  CHECK(tried > 30000);
  CHECK(wrong == 0);
}

DEVICE_TEST_CASE("A chain longer than a program is cut, not refused") {
  for (const int length : {63, 64, 65, 129, 700}) {
    const Tensor<D> x = Tensor<D>{1, 2, 3}.requires_grad(true);
    Tensor<D> y = x;
    for (int i = 0; i < length; ++i) y = i % 2 ? y + 1 : y * 0.5 - x;
    List expected = {1, 2, 3};
    for (int k = 0; k < 3; ++k) {
      double v = k + 1;
      for (int i = 0; i < length; ++i) v = i % 2 ? v + 1 : v * 0.5 - (k + 1);
      expected[static_cast<std::size_t>(k)] = v;
    }
    INFO(length << " steps");
    check::compare("value", list(y), expected, 1e-6);
    double slope = 1;
    for (int i = 0; i < length; ++i) slope = i % 2 ? slope : slope * 0.5 - 1;
    sum(y).backward();
    check::compare("gradient", list(x.grad()), List(3, slope), 1e-6);
  }
}

DEVICE_TEST_CASE("More inputs than a program takes are taken by several") {
  for (const int count : {31, 32, 33, 64, 65, 200}) {
    std::vector<Tensor<D>> x;
    Tensor<D> total = zeros<D>({3});
    for (int i = 0; i < count; ++i) {
      x.push_back(Tensor<D>(check::upload<D>({i + 0.5, 1, i * 2.0}, {3}, Input::real)));
      x.back().requires_grad(true);
      total = total + x.back() * (i % 5);
    }
    List expected(3);
    for (int i = 0; i < count; ++i) {
      const List each = {i + 0.5, 1, i * 2.0};
      for (std::size_t k = 0; k < 3; ++k) expected[k] += each[k] * (i % 5);
    }
    INFO(count << " inputs");
    CHECK(list(total) == expected);
    sum(total).backward();
    for (int i = 0; i < count; ++i) CHECK(list(x[i].grad()) == List(3, i % 5));
  }
}

DEVICE_TEST_CASE("More constants than a program holds are held by several") {
  Tensor<D> y = Tensor<D>{0, 1};
  double expected = 0;
  for (int i = 0; i < 150; ++i) {
    y = y + (i + 0.25);
    expected += i + 0.25;
  }
  CHECK(list(y) == List{expected, expected + 1});
}

DEVICE_TEST_CASE("More results than a program stores are stored by several") {
  for (const int count : {15, 16, 17, 40}) {
    const Tensor<D> x = {1, 2};
    std::vector<Tensor<D>> held;
    Tensor<D> last = x;
    for (int i = 0; i < count; ++i) held.push_back(last = last + i);
    last.realize();
    double expected = 1;
    for (int i = 0; i < count; ++i) {
      expected += i;
      CHECK(list(held[static_cast<std::size_t>(i)]) == List{expected, expected + 1});
    }
  }
}

DEVICE_TEST_CASE("An input or a constant may be an output of a program") {
  Program program;
  const int x = program.add_input(), y = program.add_input();
  program.add_output(x);
  program.add_output(program.add_constant(2.5));
  program.add_output(program.add_step(scalar::code<scalar::Add>, x, y, x));
  program.finish();
  const Tensor<D> one = {1.5}, many(std::vector<float>(300, 2), {300});
  const Array<D> in[] = {Array<D>(one.data(), broadcasted(one.data(), {300})), many.data()};
  Array<D> out[3];
  for (Array<D>& each : out) each = Array<D>({300}, real<D>);
  execute(program, std::span<const Array<D>>(in), std::span<Array<D>>(out));
  CHECK(list(Tensor<D>(out[0])) == List(300, 1.5));
  CHECK(list(Tensor<D>(out[1])) == List(300, 2.5));
  CHECK(list(Tensor<D>(out[2])) == List(300, 3.5));
}

DEVICE_TEST_CASE("A reduction takes a source of any length, and leaves what others hold alone") {
  for (const int length : {1, 62, 63, 64, 65, 130}) {
    Tensor<D> y = Tensor<D>{1, 2, 3};
    for (int i = 0; i < length; ++i) y = y + 1;
    CHECK(sum(y).template item<double>() == 6 + 3 * length);
    CHECK(list(y) == List{1.0 + length, 2.0 + length, 3.0 + length});
  }
}

DEVICE_TEST_CASE("Real and integer steps that feed each other stay what they are") {
  const Tensor<D> x = ints<D>({16777217, -3, 7}), y = {0.5, 1.5, -2.5};
  const Tensor<D> whole = cast(y * 2, Dtype::int32) + x;
  CHECK(list(whole) == List{16777218, 0, 2});
  CHECK(list(to_real(whole * 2 > x) * y) == List{0.5, 1.5, 0});
  CHECK(list(where(x > 0, y, to_real(x)) + (y > 0)) == List{1.5, -2, -2.5});
  CHECK(sum((x > 0) * (y > 0)).template item<int>() == 1);
}

DEVICE_TEST_CASE("Joined and one by one, eager and lazy, a whole formula gives the same") {
  check_op<D>(
      [](auto x, auto w, auto b) {
        const auto h = tanh(x * w + b);
        const auto n = (h - mean(h, 1, true)) * rsqrt(var(h, 1, 0, true) + 0.01);
        return where(n > 0.2, n * exp(-square(n)), sigmoid(n) - 0.5) / (1 + sum(abs(n), 1, true));
      },
      numbers({3, 5}), numbers({5}), numbers({3, 1}));
}

#include "needle/cpu/chain.hpp"

#include <bit>
#include <cmath>

#include "catch.hpp"
#include "needle/cpu/execute.hpp"

using namespace needle;

namespace {

/// The instruction sets that this processor has, up to the one in use.
std::vector<cpu::Isa> instruction_sets() {
  std::vector<cpu::Isa> sets{cpu::Isa::baseline};
  if (cpu::isa() != cpu::Isa::baseline) sets.push_back(cpu::Isa::avx2);
  if (cpu::isa() == cpu::Isa::avx512) sets.push_back(cpu::Isa::avx512);
  return sets;
}

/// Numbers that functions treat apart.
const std::array<float, 11> special{0,     -0.0f,  1,        -1,        0.3f, -2.5f,
                                    1e30f, 1e-40f, INFINITY, -INFINITY, NAN};

/// Every triple of them, one after the other.
std::array<std::vector<float>, 3> operands() {
  std::array<std::vector<float>, 3> values;
  for (const float x : special) {
    for (const float y : special) {
      for (const float z : special) {
        values[0].push_back(x), values[1].push_back(y), values[2].push_back(z);
      }
    }
  }
  for (auto& each : values) each.resize(1408, 1.0f);  // whole groups
  return values;
}

/// The same bits, or both NaN.
bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (a != a && b != b);
}

}  // namespace

TEST_CASE("Every link gives what the loop of its function gives") {
  const auto varied = operands();
  const auto n = static_cast<std::int64_t>(varied[0].size());
  std::vector<float> expected(varied[0].size()), result(varied[0].size());
  int links = 0;
  for (const cpu::Isa isa : instruction_sets()) {
    const auto loops = cpu::step_table<float>(isa, scalar::ScalarFunctions{});
    const cpu::ChainLoop chain = cpu::chain_loop(isa, n, 0, false);
    for (std::size_t key = 0; key < cpu::link_codes.size(); ++key) {
      if (cpu::link_codes[key] == cpu::no_link) continue;
      ++links;
      const int function = static_cast<int>(key) / 6, at = static_cast<int>(key) / 2 % 3;
      const int y = at == 0 ? 1 : 0, z = at == 2 ? 1 : 2;
      const bool constant = key % 2 != 0;
      for (std::size_t number = 0; number < (constant ? special.size() : 1); ++number) {
        auto values = varied;
        if (constant) values[y].assign(result.size(), special[number]);
        const float *a = values[0].data(), *b = values[1].data(), *c = values[2].data();
        loops[function](expected.data(), a, b, c, n, a);
        float* const value[] = {values[0].data(), values[1].data(), values[2].data(),
                                result.data()};
        const cpu::Link link[] = {
            {cpu::link_codes[key], static_cast<std::uint8_t>(y), static_cast<std::uint8_t>(z)},
            {cpu::store_code, 3, 3}};
        REQUIRE(chain(value, at, std::span(link), n) == n);
        for (std::size_t i = 0; i < result.size(); ++i) {
          INFO("function " << function << " of " << a[i] << ", " << b[i] << ", " << c[i]
                           << ", operand at hand " << at << ", constant " << constant);
          if (!same(result[i], expected[i])) REQUIRE(result[i] == expected[i]);
        }
      }
    }
  }
  CHECK(links == 2 * (28 + NEEDLE_X86) * static_cast<int>(instruction_sets().size()));
}

TEST_CASE("exp as a link gives what its loop gives") {
  const cpu::Isa isa = cpu::isa();
  const std::int64_t n = 1 << 20;
  if (!cpu::links_exp(isa, n)) {
    SUCCEED("AVX-512 alone links exp");
    return;
  }
  std::vector<float> x(n), result(n), expected(n);
  for (std::uint32_t i = 0; i < n; ++i) x[i] = std::bit_cast<float>(i << 12);  // of all floats
  const auto loops = cpu::step_table<float>(isa, scalar::ScalarFunctions{});
  loops[scalar::code<scalar::Exp>](expected.data(), x.data(), x.data(), x.data(), n, x.data());
  float* const value[] = {x.data(), result.data()};
  const cpu::Link links[] = {{cpu::exp_code, 0, 0}, {cpu::store_code, 1, 1}};
  REQUIRE(cpu::chain_loop(isa, n, 2, true)(value, 0, std::span(links), n) == n);
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO("exp(" << x[i] << ")");
    if (!same(result[i], expected[i])) REQUIRE(result[i] == expected[i]);
  }
}

TEST_CASE("A chain stores what is read later, and stops where its value is not read") {
  // Long enough for groups, a rest that goes step by step, and several tiles.
  for (const std::int64_t n : {16, 63, 64, 100, 1040, 5000}) {
    Program program;
    const auto add = [&]<class F>(F, int a, int b) {
      return program.add_step(scalar::code<F>, a, b, a);
    };
    const int x = program.add_input(), y = program.add_input();
    const int sum = add(scalar::Add{}, x, y);              // read at once, and at the end
    const int square = add(scalar::Multiply{}, sum, sum);  // reads the value at hand twice
    const int less = add(scalar::Subtract{}, y, square);   // has it as its second operand
    const int apart = add(scalar::Maximum{}, x, y);        // does not read it
    const int last = add(scalar::Divide{}, apart, sum);
    const int all = add(scalar::Minimum{}, last, less);
    program.add_output(square);
    program.add_output(all);
    program.finish();

    Array<Cpu> in[] = {Array<Cpu>({n}, Dtype::float32), Array<Cpu>({n}, Dtype::float32)};
    Array<Cpu> out[] = {Array<Cpu>({n}, Dtype::float32), Array<Cpu>({n}, Dtype::float32)};
    for (std::int64_t i = 0; i < n; ++i) {
      in[0].data<float>()[i] = static_cast<float>(i % 37) - 18.0f;
      in[1].data<float>()[i] = static_cast<float>(i % 11) + 0.5f;
    }
    execute(program, std::span<const Array<Cpu>>(in), std::span<Array<Cpu>>(out));
    for (std::int64_t i = 0; i < n; ++i) {
      const float a = in[0].data<float>()[i], b = in[1].data<float>()[i], s = a + b;
      INFO("element " << i << " of " << n);
      REQUIRE(out[0].data<float>()[i] == s * s);
      REQUIRE(out[1].data<float>()[i] == std::fmin((a > b ? a : b) / s, b - s * s));
    }
  }
}

TEST_CASE("A chain that writes over what it reads calculates every element once") {
  for (const std::int64_t n : {16, 127, 130, 1000, 5000}) {
    Program program;
    const int x = program.add_input(), half = program.add_constant(0.5);
    const int down = program.add_step(scalar::code<scalar::Subtract>, half, x, half);
    program.add_output(program.add_step(scalar::code<scalar::Multiply>, down, x, down));
    program.finish();

    Array<Cpu> all[] = {Array<Cpu>({n}, Dtype::float32)};
    for (std::int64_t i = 0; i < n; ++i) all[0].data<float>()[i] = static_cast<float>(i % 7);
    execute(program, std::span<const Array<Cpu>>(all), std::span<Array<Cpu>>(all));
    for (std::int64_t i = 0; i < n; ++i) {
      const float v = static_cast<float>(i % 7);
      INFO("element " << i << " of " << n);
      REQUIRE(all[0].data<float>()[i] == (0.5f - v) * v);
    }
  }
}

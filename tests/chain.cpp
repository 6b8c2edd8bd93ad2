#include "needle/cpu/chain.hpp"

#include <bit>
#include <cmath>

#include "catch.hpp"
#include "needle/cpu/interpreter.hpp"

using namespace needle;

namespace {

/// The instruction sets that this processor has, up to the one in use.
std::vector<cpu::Isa> instruction_sets() {
  std::vector<cpu::Isa> sets{cpu::Isa::baseline};
  if (cpu::isa() != cpu::Isa::baseline) sets.push_back(cpu::Isa::avx2);
  if (cpu::isa() == cpu::Isa::avx512) sets.push_back(cpu::Isa::avx512);
  return sets;
}

/// Every triple of numbers that functions treat apart, one after the other.
std::array<std::vector<float>, 3> operands() {
  const float infinity = INFINITY, nan = NAN;
  const float special[] = {0, -0.0f, 1, -1, 0.3f, -2.5f, 1e30f, 1e-40f, infinity, -infinity, nan};
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
  auto values = operands();
  const auto n = static_cast<std::int64_t>(values[0].size());
  std::vector<float> expected(values[0].size()), result(values[0].size());
  int links = 0;
  for (const cpu::Isa isa : instruction_sets()) {
    const auto loops = cpu::step_table<float>(isa, scalar::ScalarFunctions{});
    const cpu::ChainLoop chain = cpu::chain_loop(isa);
    for (int function = 0; function < scalar::ScalarFunctions::size; ++function) {
      const float *a = values[0].data(), *b = values[1].data(), *c = values[2].data();
      loops[function](expected.data(), a, b, c, n, a);
      for (int at = 0; at < 3; ++at) {
        const int code = cpu::link_code(function, at);
        if (!cpu::is_link[static_cast<std::size_t>(code)]) continue;
        ++links;
        float* const value[] = {values[0].data(), values[1].data(), values[2].data(),
                                result.data()};
        const cpu::Link link{static_cast<std::uint8_t>(code), 3, static_cast<std::uint8_t>(at == 0),
                             static_cast<std::uint8_t>(at == 2 ? 1 : 2)};
        REQUIRE(chain(value, at, std::span(&link, 1), n) == n);
        for (std::size_t i = 0; i < result.size(); ++i) {
          INFO("function " << function << " of " << a[i] << ", " << b[i] << ", " << c[i]
                           << ", operand at hand " << at);
          if (!same(result[i], expected[i])) REQUIRE(result[i] == expected[i]);
        }
      }
    }
  }
  CHECK(links == 37 * static_cast<int>(instruction_sets().size()));
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

// Chains of elementwise ops as users write them (build, realize, drop), in turns with one pass
// written by hand on the same functions and instructions, and with libtorch, one thread each.
//
// Each line: microseconds at best, bandwidth as a share of that of a copy (what a hand-written pass
// would read and write, over our time), our time over the pass's (median of neighbouring runs, and
// of the minima; 1 us is granted), and over libtorch's. The budget is 1.25 with a transcendental
// function or beyond the caches, else 2.
#include <cmath>

#include "passes.hpp"
#include "rivals/torch.hpp"

using namespace needle;

namespace {

double copy_speed = 0;

struct Data {
  std::int64_t n, columns;
  std::vector<float> x, y, z, out;
  std::vector<std::uint8_t> mask;
  Tensor<> X, Y, Z;
  explicit Data(std::int64_t n)
      : n(n),
        columns((std::min)(n, std::int64_t{1000})),
        x(bench::made_up(n, 1)),
        y(bench::made_up(n, 2)),
        z(bench::made_up(n, 3)),
        out(x.size()),
        mask(x.size()),
        X(tensor(x)),
        Y(tensor(y)),
        Z(tensor(z)) {}
  Tensor<> tensor(const std::vector<float>& values) const {
    return Tensor<>(std::vector<float>(values.begin(), values.begin() + n), {n / columns, columns});
  }
};

struct ReluOfLine {
  NEEDLE_FN static float apply(float x, float, float) {
    return scalar::Relu::apply(2.0f * x + 0.5f);
  }
};
struct Cheap {
  NEEDLE_FN static float apply(float x, float y, float z) {
    const float t = (((x + y) * 0.5f - z) * x + 1.0f) * y;
    return scalar::Maximum::apply(t, z) - 0.25f;
  }
};
struct Below {
  NEEDLE_FN static std::uint8_t apply(float x, float y, float) { return x < y; }
};
struct Choice {
  NEEDLE_FN static float apply(float x, float y, float z) {
    return math::detail::select(x < y, x, z);
  }
};
struct Gate {
  NEEDLE_FN static float apply(float x, float y, float z) {
    return scalar::Sigmoid::apply(x) * math::tanh(y) + z;
  }
};
struct Bell {
  NEEDLE_FN static float apply(float x, float, float) { return math::exp(-x * x); }
};
struct ExpBelow {
  NEEDLE_FN static float apply(float x, float, float) { return math::exp(x - 1.0f); }
};

/// `arrays` is how many arrays of floats a pass reads and writes.
template <class Ours, class Pass>
void report(const char* name, const Data& data, double arrays, bool transcendental,
            const Ours& ours, const Pass& pass) {
  const bool large = data.n >= 4'000'000;
  bench::Pace pace;
  pace.turns = large ? 9 : 15;
  const bench::Turns turns = bench::in_turns([&] { ours().realize(); }, pass, pace);
  const double budget = transcendental || large ? 1.25 : 2;
  const double granted = 1 - 1e-6 / turns.ours;  // of our time
  const double ratio = (std::min)(turns.median, turns.of_minima()) * granted;
  const double bytes = arrays * 4 * static_cast<double>(data.n);
  std::printf(
      "%-23s %8lld  %9.2f us %6.1f %% of copy  by hand %9.2f us  ratio %5.2f (minima %5.2f)", name,
      static_cast<long long>(data.n), turns.ours * 1e6, 1e-7 * bytes / turns.ours / copy_speed,
      turns.theirs * 1e6, turns.median, turns.of_minima());
#if NEEDLE_BENCH_TORCH
  const auto rival = rival::torch_expression(name, data.x.data(), data.y.data(), data.z.data(),
                                             data.n / data.columns, data.columns);
  if (rival) {
    pace.turns = 7;
    const bench::Turns against = bench::in_turns([&] { ours().realize(); }, [&] { rival(); }, pace);
    std::printf("  libtorch %5.2f (%5.2f)", against.median, against.of_minima());
  }
#endif
  std::printf("%s\n", ratio <= budget ? "" : "  OVER");
  std::fflush(stdout);
}

template <class F, class Ours>
void map(const char* name, Data& data, double arrays, bool transcendental, const Ours& ours) {
  const auto pass = [&] {
    bench::map<F>(data.out.data(), data.x.data(), data.y.data(), data.z.data(), data.n);
  };
  pass();
  bench::require_near(ours().values(), data.out.data(), name);
  report(name, data, arrays, transcendental, ours, pass);
}

}  // namespace

int main() {
  set_num_threads(1);
#if NEEDLE_BENCH_TORCH
  rival::torch_set_num_threads(1);
#endif
  copy_speed = bench::copy_bandwidth();
  std::printf("copy %.1f GB/s\n", copy_speed);
  for (const std::int64_t n : {1'000, 100'000, 1'000'000, 10'000'000}) {
    Data data(n);
    const auto &x = data.X, &y = data.Y, &z = data.Z;
    map<ReluOfLine>("relu(a x + b)", data, 2, false, [&] { return relu(2 * x + 0.5); });
    map<Cheap>("8 cheap ops", data, 4, false,
               [&] { return maximum((((x + y) * 0.5 - z) * x + 1) * y, z) - 0.25; });
    map<Choice>("where(x < y, x, z)", data, 4, false, [&] { return where(x < y, x, z); });
    const auto below = [&] { return x < y; };
    const auto below_pass = [&] {
      bench::map<Below>(data.mask.data(), data.x.data(), data.y.data(), data.z.data(), n);
    };
    below_pass();
    bench::require(std::equal(data.mask.begin(), data.mask.begin() + n,
                              below().values<std::uint8_t>().begin()),
                   "x < y");
    report("x < y", data, 2.25, false, below, below_pass);
    map<Gate>("sigmoid(x) tanh(y) + z", data, 4, true, [&] { return sigmoid(x) * tanh(y) + z; });
    map<Bell>("exp(-x x)", data, 2, true, [&] { return exp(-x * x); });

    const auto normal = [&] { return softmax(x); };
    const auto normal_pass = [&] {
      bench::softmax_rows(data.out.data(), data.x.data(), n / data.columns, data.columns);
    };
    normal_pass();
    bench::require_near(normal().values(), data.out.data(), "softmax(x)");
    report("softmax(x)", data, 2, true, normal, normal_pass);

    volatile double result = 0;
    const auto total = [&] { return sum(exp(x - 1)); };
    const auto total_pass = [&] { result = bench::sum_of<ExpBelow>(data.x.data(), n); };
    total_pass();
    const float expected = static_cast<float>(result);
    bench::require_near(total().values(), &expected, "sum(exp(x - 1))");
    report("sum(exp(x - 1))", data, 1, true, total, total_pass);
  }
}

#include "needle/optim/one_cycle.hpp"

#include <set>

#include "vectors.hpp"

using namespace needle;
using optim::OneCycle;

TEST_CASE("Rates and momenta of one cycle are PyTorch's") {
  using namespace vectors;
  if (!present()) SKIP("no vectors in " << path_of(""));
  const io::SafetensorsFile file = io::read_safetensors(path_of("optim.safetensors"));
  const std::set<std::string> later = {
      "cosine_annealing_lr", "cosine_warm_restarts", "exponential_lr", "lambda_lr",
      "multi_step_lr",       "reduce_lr_on_plateau", "step_lr"};
  int cases = 0;
  for (const Json& entry : manifest()["cases"].array()) {
    const Json* kind = entry.find("kind");
    if (!kind || kind->string() != "scheduler") continue;
    const Case c(entry, file);
    INFO(c.name());
    if (c.op() != "one_cycle_lr") {
      CHECK(later.count(c.op()) == 1);
      continue;
    }
    ++cases;
    const auto option = [&](const char* name) { return c.attr(name).number(); };
    REQUIRE(c.attr("anneal_strategy").string() == "cos");
    const OneCycle cycle{option("max_lr"),           c.attr("total_steps").integer(),
                         option("pct_start"),        option("div_factor"),
                         option("final_div_factor"), option("base_momentum"),
                         option("max_momentum"),     c.attr("three_phase").boolean()};
    const List lr = c.values("lr"), momentum = c.values("momentum");
    REQUIRE(lr.size() == 50);
    for (std::size_t t = 0; t < lr.size(); ++t) {
      const auto step = static_cast<std::int64_t>(t);
      CHECK(std::fabs(cycle.lr(step) - lr[t]) <= 1e-11 * option("max_lr"));
      CHECK(std::fabs(cycle.momentum(step) - momentum[t]) <= 1e-11);
    }
  }
  CHECK(cases == 2);
}

TEST_CASE("In three phases the rate falls to where it began, and then to almost nothing") {
  const OneCycle cycle{.max_lr = 1, .total_steps = 10, .pct_start = 0.5 - 0.1, .three_phase = true};
  CHECK(cycle.lr(0) == Approx(1.0 / 25));
  CHECK(cycle.lr(3) == Approx(1));
  CHECK(cycle.lr(6) == Approx(1.0 / 25));
  CHECK(cycle.lr(9) == Approx(1.0 / 25e4));
  CHECK(cycle.momentum(3) == Approx(0.85));
  CHECK(cycle.momentum(6) == Approx(0.95));
  CHECK(cycle.momentum(9) == Approx(0.95));
}

TEST_CASE("A cycle of any length stays in its bounds and ends where it should") {
  for (const std::int64_t steps : {1, 2, 3, 7, 1000}) {
    for (const double start : {0.0, 0.3, 0.5, 1.0}) {
      const OneCycle cycle{.max_lr = 2, .total_steps = steps, .pct_start = start};
      for (std::int64_t t = 0; t < steps + 3; ++t) {
        INFO(steps << " steps, start " << start << ", step " << t);
        CHECK(cycle.lr(t) >= 2 / 25e4 * (1 - 1e-9));
        CHECK(cycle.lr(t) <= 2 * (1 + 1e-9));
      }
      CHECK(cycle.lr(steps + 5) == cycle.lr(steps - 1));
      if (start < 1) CHECK(cycle.lr(steps - 1) == Approx(2 / 25e4));
    }
  }
}

TEST_CASE("A cycle without steps, before its beginning or with more than its length is refused") {
  CHECK(refusal([] { OneCycle{.max_lr = 1, .total_steps = 0}.lr(0); }) ==
        "one_cycle: 0 total_steps; it takes 1 or more");
  CHECK(refusal([] { OneCycle{.max_lr = 1, .total_steps = 5}.lr(-1); }) ==
        "one_cycle: step -1; steps count from 0");
  CHECK(refusal([] { OneCycle{.max_lr = 1, .total_steps = 5, .pct_start = 1.5}.momentum(0); }) ==
        "one_cycle: a pct_start of 1.5; it must lie in [0, 1]");
  CHECK(refusal([] {
          OneCycle{.max_lr = 1, .total_steps = 5, .pct_start = 0.6, .three_phase = true}.lr(0);
        }) == "one_cycle: a pct_start of 0.6; it must lie in [0, 0.5] with three phases");
  CHECK(refusal([] { OneCycle{.max_lr = 1, .total_steps = 5, .div_factor = 0}.lr(0); }) ==
        "one_cycle: a div_factor of 0 and a final_div_factor of 10000; they must be above 0");
  CHECK(refusal([] { OneCycle{.max_lr = 1, .total_steps = 5, .final_div_factor = NAN}.lr(0); }) ==
        "one_cycle: a div_factor of 25 and a final_div_factor of nan; they must be above 0");
}

// The one-cycle schedule (Smith and Topin 2018).
#pragma once

#include <cmath>
#include <cstdint>

#include "needle/core/error.hpp"

namespace needle::optim {

/// Learning rates that rise to `max_lr` and fall to almost nothing along two half cosines, while
/// momentum does the opposite; names and defaults are PyTorch's OneCycleLR. After `total_steps`
/// they stay as they are. Options out of range are refused when a rate is asked for.
struct OneCycle {
  /// The highest learning rate.
  double max_lr;
  /// The length of the cycle in steps of the optimizer, at least 1.
  std::int64_t total_steps;
  /// The share of the steps in which the rate rises, in [0, 1], or [0, 0.5] with three phases.
  double pct_start = 0.3;
  /// The first rate is max_lr / div_factor; above 0.
  double div_factor = 25;
  /// The last rate is the first one divided by this; above 0.
  double final_div_factor = 1e4;
  /// The momentum when the rate is highest.
  double base_momentum = 0.85;
  /// The momentum at the start and at the end.
  double max_momentum = 0.95;
  /// Whether the rate falls to the first one as long as it rose, and only then to the last.
  bool three_phase = false;

  /// The learning rate during step t, counted from 0; a negative one is refused.
  double lr(std::int64_t t) const {
    const double initial = max_lr / div_factor, last = initial / final_div_factor;
    return value(t, initial, max_lr, three_phase ? initial : last, last);
  }
  /// The momentum (Adam's beta1) during step t.
  double momentum(std::int64_t t) const {
    return value(t, max_momentum, base_momentum, max_momentum, max_momentum);
  }

 private:
  static double between(double from, double to, double part) {
    return to + (from - to) / 2 * (1 + std::cos(3.14159265358979323846 * part));
  }
  double value(std::int64_t t, double first, double top, double second, double last) const {
    if (t < 0) fail("one_cycle: step ", t, "; steps count from 0");
    if (total_steps < 1) fail("one_cycle: ", total_steps, " total_steps; it takes 1 or more");
    if (!(pct_start >= 0 && pct_start <= (three_phase ? 0.5 : 1))) {
      fail("one_cycle: a pct_start of ", pct_start, "; it must lie in [0, ",
           three_phase ? "0.5] with three phases" : "1]");
    }
    if (!(div_factor > 0 && final_div_factor > 0)) {
      fail("one_cycle: a div_factor of ", div_factor, " and a final_div_factor of ",
           final_div_factor, "; they must be above 0");
    }
    const double total = static_cast<double>(total_steps);
    const double step = static_cast<double>((t < total_steps ? t : total_steps - 1));
    const double rise = pct_start * total - 1;
    const double fall = three_phase ? 2 * pct_start * total - 2 : total - 1;
    if (step <= rise) return between(first, top, rise > 0 ? step / rise : 1);
    if (step <= fall) return between(top, second, (step - rise) / (fall - rise));
    return between(second, last, (step - fall) / (total - 1 - fall));
  }
};

}  // namespace needle::optim

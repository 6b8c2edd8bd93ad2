// The one-cycle schedule (Smith and Topin 2018).
#pragma once

#include <cmath>
#include <cstdint>

#include "needle/core/error.hpp"

namespace needle::optim {

/// Learning rates that rise to `max_lr` and fall to almost nothing along two half cosines, while
/// momentum does the opposite; names and defaults are PyTorch's OneCycleLR. After `total_steps`
/// they stay as they are.
struct OneCycle {
  double max_lr;
  std::int64_t total_steps;
  double pct_start = 0.3;
  double div_factor = 25;
  double final_div_factor = 1e4;
  double base_momentum = 0.85;
  double max_momentum = 0.95;
  bool three_phase = false;

  /// The learning rate during step t, counted from 0.
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

// Two ways to do the same, timed in turns: whatever else the machine does meets both alike.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "roofline.hpp"

namespace bench {

/// Ends the program with a message where a result is wrong: what is not right is not timed.
inline void require(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::exit(1);
}

/// A function, how many calls of it fill a run, and a clock.
template <class F>
class Run {
 public:
  Run(const F& f, double least, double (*clock)()) : f_(f), clock_(clock) {
    seconds_per_call(f, least / 4, clock);  // warms up
    calls_ =
        (std::max)(int64_t{1}, static_cast<int64_t>(least / seconds_per_call(f, least / 4, clock)));
  }
  /// Seconds of one call, over one run.
  double seconds() const {
    const double start = clock_();
    for (int64_t i = 0; i < calls_; ++i) f_();
    return (clock_() - start) / static_cast<double>(calls_);
  }

 private:
  const F& f_;
  double (*clock_)();
  int64_t calls_;
};

/// Seconds of a call at best, and the median of the ratios of runs that follow each other.
struct Turns {
  double ours = 1e30, theirs = 1e30, median = 0;
  double of_minima() const { return ours / theirs; }
};

/// How two functions are timed in turns.
struct Pace {
  int turns = 15;
  double least = 4e-3;  ///< seconds of a run
  /// Time of the calling thread for what one thread does, else of the clock on the wall.
  double (*clock)() = thread_now;
  /// Before each run: threads that spin after their work fall asleep, and take no core from the
  /// other side.
  std::chrono::milliseconds pause{0};
};

/// Times two functions in turns.
template <class Ours, class Theirs>
Turns in_turns(const Ours& ours, const Theirs& theirs, const Pace& pace = {}) {
  const Run<Ours> a(ours, pace.least, pace.clock);
  const Run<Theirs> b(theirs, pace.least, pace.clock);
  Turns result;
  std::vector<double> ratios;
  for (int i = 0; i < pace.turns; ++i) {
    if (pace.pause.count() > 0) std::this_thread::sleep_for(pace.pause);
    const double x = a.seconds();
    if (pace.pause.count() > 0) std::this_thread::sleep_for(pace.pause);
    const double y = b.seconds();
    result.ours = (std::min)(result.ours, x);
    result.theirs = (std::min)(result.theirs, y);
    ratios.push_back(x / y);
  }
  std::sort(ratios.begin(), ratios.end());
  result.median = ratios[ratios.size() / 2];
  return result;
}

}  // namespace bench

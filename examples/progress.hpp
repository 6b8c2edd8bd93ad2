// One line about a running epoch: on a terminal it changes in place, in a file it is written once.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace examples {

/// Speed and time left of a run of some epochs; both follow from how many samples were seen.
class Progress {
 public:
  Progress(std::int64_t epochs, std::int64_t samples_an_epoch)
      : total_(epochs * samples_an_epoch), start_(Clock::now()) {}

  void begin_epoch() {
    epoch_start_ = shown_ = Clock::now();
    seen_ = 0;
  }
  /// Counts samples; true where the line is due, so that a program reads its metrics only then.
  bool add(std::int64_t samples) {
    seen_ += samples;
    done_ += samples;
    return terminal_ && seconds(shown_, Clock::now()) > 0.2;
  }
  /// Shows the running epoch: what the program has to say, samples per second, time left.
  void show(const std::string& what) {
    shown_ = Clock::now();
    print(what, "");
  }
  /// Leaves the line of a finished epoch behind; `result` comes last.
  void end_epoch(const std::string& what, const std::string& result) {
    print(what, result);
    std::printf("\n");
    std::fflush(stdout);
  }
  /// Stops the clock of samples per second: what follows is not training.
  void stop_clock() { speed_ = static_cast<double>(seen_) / seconds(epoch_start_, Clock::now()); }
  double seconds() const { return seconds(start_, Clock::now()); }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  }

  void print(const std::string& what, const std::string& result) {
    if (result.empty()) stop_clock();
    const double left =
        seconds() / static_cast<double>(done_) * static_cast<double>(total_ - done_);
    std::printf("%s%s  %6.0f samples/s  %3.0f s left%s", terminal_ ? "\r" : "", what.c_str(),
                speed_, left, result.empty() ? "" : ("  " + result).c_str());
    std::fflush(stdout);
  }

  const bool terminal_ = isatty(STDOUT_FILENO);
  std::int64_t total_, done_ = 0, seen_ = 0;
  double speed_ = 0;
  Clock::time_point start_, epoch_start_, shown_;
};

}  // namespace examples

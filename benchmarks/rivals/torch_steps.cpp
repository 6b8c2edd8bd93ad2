// libtorch's training steps alone, at one and two threads: best and median of many short runs.
//
// libtorch leaves memory to malloc, which hands large blocks back to the system at every step; it
// is at its best with
//   MALLOC_TOP_PAD_=268435456 MALLOC_MMAP_MAX_=0 bench_torch_steps
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "torch.hpp"

namespace {

/// Seconds a step takes, for each of many runs of about 50 ms, in increasing order.
std::vector<double> step_seconds(rival::Trainer& trainer) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int steps) {
    const auto start = Clock::now();
    for (int i = 0; i < steps; ++i) trainer.step();
    return std::chrono::duration<double>(Clock::now() - start).count() / steps;
  };
  time(50);
  const int steps = (std::max)(1, static_cast<int>(0.05 / time(50)));
  std::vector<double> runs;
  for (int i = 0; i < 60; ++i) runs.push_back(time(steps));
  std::sort(runs.begin(), runs.end());
  return runs;
}

void report(const char* name, rival::Trainer& trainer) {
  for (const int threads : {1, 2}) {
    rival::torch_set_num_threads(threads);
    const auto runs = step_seconds(trainer);
    const double best = runs.front(), median = runs[runs.size() / 2];
    std::printf(
        "%-12s %d threads  best %7.1f us (%6.0f steps/s)  median %7.1f us (%6.0f steps/s)  loss "
        "%.2e\n",
        name, threads, best * 1e6, 1 / best, median * 1e6, 1 / median, trainer.loss());
  }
}

}  // namespace

int main() {
  std::vector<float> values(100 * 784);
  std::uint32_t state = 1;
  for (float& x : values) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  std::vector<std::int64_t> classes(100), few(8);
  for (int i = 0; i < 100; ++i) classes[i] = i % 10;
  for (int i = 0; i < 8; ++i) few[i] = i % 4;
  report("MLP-ResNet", *rival::torch_mlp_resnet(values.data(), classes.data()));
  report("tiny MLP", *rival::torch_tiny_mlp(values.data(), few.data()));
}

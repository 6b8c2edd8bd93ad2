#include "needle/cpu/threads.hpp"

#include <atomic>
#include <cfenv>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "catch.hpp"

using needle::num_threads;
using needle::parallel_for;
using needle::set_num_threads;

namespace {

/// Sets the number of threads for one test.
struct Threads {
  int before = num_threads();
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
};

/// Whether every chunk ran exactly once.
bool covers(int64_t chunks) {
  std::vector<std::atomic<int>> runs(static_cast<size_t>(chunks));
  parallel_for(chunks, [&](int64_t i) { runs[static_cast<size_t>(i)].fetch_add(1); });
  for (const auto& count : runs) {
    if (count.load() != 1) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("parallel_for runs every chunk exactly once") {
  for (int threads : {1, 2, 3, 8}) {
    const Threads set(threads);
    REQUIRE(num_threads() == threads);
    for (int64_t chunks : {0, 1, 2, 3, 7, 64, 1000}) REQUIRE(covers(chunks));
  }
}

TEST_CASE("parallel_for survives many short regions in a row") {
  const Threads set(4);
  int64_t total = 0;
  for (int region = 0; region < 5000; ++region) {
    std::atomic<int64_t> sum{0};
    parallel_for(3, [&](int64_t i) { sum.fetch_add(i + 1, std::memory_order_relaxed); });
    total += sum.load();
    if (region % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  REQUIRE(total == 5000 * 6);
}

TEST_CASE("one chunk runs on the caller") {
  const Threads set(4);
  std::thread::id where;
  parallel_for(1, [&](int64_t) { where = std::this_thread::get_id(); });
  REQUIRE(where == std::this_thread::get_id());
}

TEST_CASE("a nested parallel_for runs inside its chunk") {
  const Threads set(4);
  std::atomic<int> elsewhere{0}, runs{0};
  parallel_for(8, [&](int64_t) {
    const std::thread::id self = std::this_thread::get_id();
    parallel_for(10, [&](int64_t) {
      runs.fetch_add(1);
      if (std::this_thread::get_id() != self) elsewhere.fetch_add(1);
    });
  });
  REQUIRE(runs.load() == 80);
  REQUIRE(elsewhere.load() == 0);
}

TEST_CASE("of several exceptions the first chunk's comes out, however late it is") {
  const Threads set(4);
  for (int round = 0; round < 200; ++round) {
    int caught = -1;
    try {
      parallel_for(64, [&](int64_t i) {
        if (i == 3) std::this_thread::sleep_for(std::chrono::microseconds(50));
        if (i >= 3) throw static_cast<int>(i);
      });
    } catch (int chunk) {
      caught = chunk;
    }
    REQUIRE(caught == 3);
  }
}

TEST_CASE("an exception in a chunk comes out of parallel_for, and the pool works on") {
  for (int threads : {1, 4}) {
    const Threads set(threads);
    for (int round = 0; round < 50; ++round) {
      REQUIRE_THROWS_AS(parallel_for(100,
                                     [](int64_t i) {
                                       if (i == 17) throw std::out_of_range("seventeen");
                                     }),
                        std::out_of_range);
      REQUIRE(covers(20));
    }
  }
}

TEST_CASE("several threads may call parallel_for at once") {
  const Threads set(3);
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) good.fetch_add(covers(16) ? 1 : 0);
    });
  }
  for (std::thread& caller : callers) caller.join();
  REQUIRE(good.load() == 800);
}

TEST_CASE("set_num_threads may be called between regions, also while others run") {
  const Threads set(2);
  std::atomic<bool> stop{false}, good{true};
  std::thread other([&] {
    while (!stop.load()) {
      if (!covers(8)) good.store(false);
    }
  });
  for (int round = 0; round < 300; ++round) {
    set_num_threads(1 + round % 4);
    REQUIRE(covers(9));
  }
  stop.store(true);
  other.join();
  REQUIRE(good.load());
}

TEST_CASE("All threads round as their caller does") {
  const Threads set(4);
  const auto rounds_up = [] {  // in how many of four chunks, which at least two threads share
    std::atomic<int> up{0}, inside{0};
    parallel_for(4, [&](int64_t) {
      ++inside;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (inside < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      volatile float one = 1, little = 1e-8f;
      if (one + little > 1) ++up;
    });
    return up.load();
  };
  REQUIRE(rounds_up() == 0);
  std::fesetround(FE_UPWARD);
  const int upward = rounds_up();
  std::fesetround(FE_TONEAREST);
  REQUIRE(upward == 4);
  REQUIRE(rounds_up() == 0);
}

TEST_CASE("set_num_threads refuses what no machine has, and a call from inside a region") {
  const Threads set(2);
  REQUIRE_THROWS_AS(set_num_threads(0), needle::Error);
  REQUIRE_THROWS_AS(set_num_threads(4097), needle::Error);
  try {
    set_num_threads(-3);
    FAIL("not refused");
  } catch (const needle::Error& error) {
    REQUIRE(std::string(error.what()) == "set_num_threads: got -3, expected 1 to 4096");
  }
  REQUIRE_THROWS_AS(parallel_for(4, [](int64_t) { set_num_threads(1); }), needle::Error);
  REQUIRE(num_threads() == 2);
}

#if defined(__unix__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child has a working pool of its own and exits") {
  const Threads set(3);
  REQUIRE(covers(10));
  const pid_t child = fork();
  if (child == 0) {
    const bool good = covers(10) && num_threads() == 3;
    set_num_threads(1);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}
#endif

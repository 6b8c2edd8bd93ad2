// The pool of threads behind `parallel_for`.
//
// Policy. The caller always works too, so a pool of n threads has n - 1 workers. Chunks are handed
// out by one atomic counter. A training step is a row of short kernels, so a worker that ran dry
// spins for about 30 microseconds before it sleeps: long enough to catch the next kernel, too short
// to burn a core between steps. A region never waits for a worker that is still asleep: it closes
// when the chunks are gone and waits only for those who had joined.
#pragma once

#include <atomic>
#include <cfenv>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "needle/core/environment.hpp"

namespace needle::cpu {

/// One pause of a spinning thread: lets the sibling thread run and saves power.
inline void spin_pause() {
#if NEEDLE_X86
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/// Nanoseconds of a clock that does not go back. (<chrono> would be a twentieth of what including
/// needle costs.)
inline std::int64_t nanoseconds() {
  std::timespec now{};
#if defined(CLOCK_MONOTONIC)
  clock_gettime(CLOCK_MONOTONIC, &now);
#else
  std::timespec_get(&now, TIME_UTC);
#endif
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Waits by spinning until `ready()` or about `microseconds` have passed; returns the last answer.
template <class F>
bool spin_until(int microseconds, const F& ready) {
  const std::int64_t deadline = nanoseconds() + 1000 * std::int64_t{microseconds};
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      spin_pause();
    }
  } while (nanoseconds() < deadline);
  return ready();
}

/// How this thread's processor rounds floats and whether it takes denormals for zeros. The program
/// may change that (audio and games do), and results must not depend on who calculates them.
class FloatMode {
 public:
  /// That of the calling thread.
#if NEEDLE_X86
  FloatMode() : control_(__builtin_ia32_stmxcsr() & control) {}
#else
  FloatMode() { std::fegetenv(&environment_); }
#endif
  /// Makes it that of the calling thread.
  void apply() const {
#if NEEDLE_X86
    const unsigned now = __builtin_ia32_stmxcsr();
    if ((now & control) != control_) __builtin_ia32_ldmxcsr((now & ~control) | control_);
#else
    std::fesetenv(&environment_);
#endif
  }

 private:
#if NEEDLE_X86
  static constexpr unsigned control = 0xffc0;  // the rest says what happened
  unsigned control_;
#else
  std::fenv_t environment_;
#endif
};

/// Whether this thread is inside a parallel region, so that a nested one must run inline.
inline bool& in_parallel_region() {
  static thread_local bool inside = false;
  return inside;
}

/// More threads than any machine runs at once: who asks for more is mistaken.
inline constexpr int max_num_threads = 4096;

/// The processors this process may run on; NEEDLE_NUM_THREADS overrides it.
inline int default_num_threads() {
  if (const char* wish = detail::environment("NEEDLE_NUM_THREADS")) {
    char* end = nullptr;
    const long n = std::strtol(wish, &end, 10);
    if (end == wish || *end != '\0' || n < 1 || n > max_num_threads) {
      detail::wrong_setting("NEEDLE_NUM_THREADS", wish,
                            text("a whole number from 1 to ", max_num_threads).c_str());
    }
    return static_cast<int>(n);
  }
#if defined(__linux__) && defined(CPU_COUNT)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
  const unsigned n = std::thread::hardware_concurrency();
  return n > 0 ? static_cast<int>(n) : 1;
}

/// The workers and the one region they may be working on; `parallel_for` is the way to use it.
class ThreadPool {
 public:
  explicit ThreadPool(int threads) : threads_(threads) {}
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void resize(int threads) {
    waiting_.fetch_add(1);  // a stream of regions must not keep this thread out
    std::lock_guard<std::mutex> lock(owner_);
    waiting_.fetch_sub(1);
    if (threads == this->threads()) return;
    stop();
    threads_.store(threads, std::memory_order_relaxed);
  }

  /// Runs the region with the workers' help, or returns false at once when the pool is busy.
  bool run(int64_t chunks, void (*call)(void*, int64_t), void* body) {
    if (waiting_.load(std::memory_order_relaxed) > 0) return false;
    std::unique_lock<std::mutex> lock(owner_, std::try_to_lock);
    if (!lock.owns_lock() || ended_.load()) return false;
    if (workers_.empty()) start();
    chunks_ = chunks;
    call_ = call;
    body_ = body;
    float_mode_ = FloatMode();
    next_.store(0, std::memory_order_relaxed);
    region_.fetch_add(1);  // odd: open
    if (chunks - 1 < static_cast<int64_t>(workers_.size())) {
      for (int64_t i = 1; i < chunks; ++i) region_.notify_one();
    } else {
      region_.notify_all();
    }
    work();
    region_.fetch_add(1);  // even: closed; who has not joined by now will not
    if (!spin_until(50, [&] { return joined_.load() == 0; })) {
      while (const uint32_t now = joined_.load()) joined_.wait(now);
    }
    if (std::exception_ptr error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
    return true;
  }

  /// The program ends: no more regions with helpers. Who is inside of one then, such as a thread
  /// that nobody waits for, is left to it, and so is its pool: it may not be deleted.
  void finish() {
    ended_.store(true);
    if (in_parallel_region()) return;
    if (std::unique_lock<std::mutex> lock(owner_, std::try_to_lock); lock.owns_lock()) stop();
  }

 private:
  void start() {
    stopping_.store(false);
    try {
      for (int i = 1; i < threads(); ++i) {
        workers_.emplace_back([this] {
          in_parallel_region() = true;
          serve();
        });
      }
    } catch (const std::system_error&) {
      // The system gives no more threads: work with those there are.
    }
  }

  void stop() {
    stopping_.store(true);
    region_.fetch_add(2);
    region_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  void serve() {
    uint32_t seen = 0;
    const auto changed = [&] { return region_.load() != seen; };
    while (
        !stopping_.load()) {  // asked whenever `seen` is new: stop() changes both, this one first
      if (!spin_until(30, changed)) region_.wait(seen);
      const uint32_t now = region_.load();
      if (now == seen) continue;
      seen = now;
      if (now % 2 == 0) continue;
      // Join first, look again second: either the owner sees this worker or the worker sees the
      // region closed. All four operations are sequentially consistent.
      joined_.fetch_add(1);
      seen = region_.load();
      if (seen % 2 == 1) float_mode_.apply(), work();
      if (joined_.fetch_sub(1) == 1) joined_.notify_one();
    }
  }

  // Of several errors the first chunk's is thrown, whoever ran it: all chunks before a failing one
  // have been handed out, and they finish.
  void work() {
    int64_t i = 0;
    try {
      while ((i = next_.fetch_add(1, std::memory_order_relaxed)) < chunks_) call_(body_, i);
    } catch (...) {
      next_.store(chunks_, std::memory_order_relaxed);
      std::lock_guard<std::mutex> lock(failing_);
      if (!error_ || i < failed_) error_ = std::current_exception(), failed_ = i;
    }
  }

  std::mutex owner_;
  std::atomic<int> threads_, waiting_{0};
  std::vector<std::thread> workers_;
  std::atomic<bool> stopping_{false}, ended_{false};
  std::mutex failing_;
  std::exception_ptr error_;
  int64_t chunks_ = 0, failed_ = 0;
  void (*call_)(void*, int64_t) = nullptr;
  void* body_ = nullptr;
  FloatMode float_mode_;                         // of the region's caller
  alignas(64) std::atomic<uint32_t> region_{0};  // odd while a region is open
  alignas(64) std::atomic<uint32_t> joined_{0};
  alignas(64) std::atomic<int64_t> next_{0};
};

/// Where the pool is, from its first use on.
inline std::atomic<ThreadPool*>& thread_pool_slot() {
  static std::atomic<ThreadPool*> slot{nullptr};
  return slot;
}

/// The pool of this process. A forked child gets a new one, because threads do not survive a fork.
inline ThreadPool& thread_pool() {
  struct Owner {
    Owner() {
      thread_pool_slot().store(new ThreadPool(default_num_threads()));
#if defined(__unix__) || defined(__APPLE__)
      pthread_atfork(nullptr, nullptr, [] {
        thread_pool_slot().store(new ThreadPool(thread_pool_slot().load()->threads()));
      });
#endif
    }
    ~Owner() { thread_pool_slot().load()->finish(); }
  };
  static Owner owner;
  return *thread_pool_slot().load(std::memory_order_relaxed);
}

}  // namespace needle::cpu

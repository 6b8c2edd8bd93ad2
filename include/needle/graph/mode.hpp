// Switches of the graph: what is recorded, and how evaluation can be made easier to debug.
#pragma once

#include <cstdint>

#include "needle/core/environment.hpp"

namespace needle {

namespace detail {
// Per thread, and constant-initialised, so that reading it costs one load.
struct ThreadMode {
  bool recording = true;       // new expressions on tracked inputs are tracked
  bool bounded = true;         // long pending graphs are evaluated before their op returns
  bool checkpointing = false;  // values are calculated again for the gradient, not kept
};
inline constinit thread_local ThreadMode thread_mode;

template <class T>
class Restore {  // sets a variable for a scope
 public:
  Restore(T& variable, T value) : variable_(variable), before_(variable) { variable = value; }
  Restore(const Restore&) = delete;
  ~Restore() { variable_ = before_; }

 private:
  T& variable_;
  T before_;
};
}  // namespace detail

/// Settings of the whole process; change them while nothing is being evaluated.
struct Settings {
  /// Every op is evaluated before it returns (environment: NEEDLE_EAGER=1).
  bool eager = detail::environment_flag("NEEDLE_EAGER");
  /// Evaluation stops with an `Error` at the op that made the first NaN or infinity
  /// (environment: NEEDLE_CHECK_NAN=1).
  bool check_nan = detail::environment_flag("NEEDLE_CHECK_NAN");
  /// Scalar ops are joined into programs; results agree with and without
  /// (environment: NEEDLE_NO_FUSION=1 switches it off).
  bool fusion = !detail::environment_flag("NEEDLE_NO_FUSION");
  /// An expression with a longer pending chain of ops is evaluated before its op returns.
  int max_pending_depth = 2000;
  /// So is one whose pending graph holds more bytes of evaluated values than this.
  std::int64_t max_pending_bytes = std::int64_t{1} << 30;
};
/// The settings in force.
inline Settings settings;

/// Nothing is recorded for differentiation while a guard lives, on this thread:
/// `no_grad guard;`. It acts on what is built, not on what is evaluated.
class [[nodiscard]] no_grad : detail::Restore<bool> {
 public:
  /// Stops the recording until the guard is destroyed, which restores what was before.
  no_grad() : Restore(detail::thread_mode.recording, false) {}
};

/// Records again while a guard lives, inside of a `no_grad`, or in a gradient that differentiates
/// what it builds: `backward` calculates under `no_grad`.
class [[nodiscard]] enable_grad : detail::Restore<bool> {
 public:
  /// Records until the guard is destroyed, which restores what was before.
  enable_grad() : Restore(detail::thread_mode.recording, true) {}
};

}  // namespace needle

// How a reduction joins values: in vectors of floats, then in double precision (64-bit integers for
// int32).
#pragma once

#include <algorithm>

#include "needle/cpu/fold.hpp"
#include "needle/cpu/steps.hpp"

namespace needle::cpu {

/// How many results of chains are joined as floats before they are widened.
inline constexpr int most_raised = 16;

/// Joins single values, and arrays of them, as a monoid does.
template <class R>
class Joiner {
 public:
  using Wide = std::conditional_t<std::is_integral_v<R>, std::int64_t, double>;

  explicit Joiner(Monoid monoid)
      : monoid(monoid),
        loops(fold_loops(monoid)),
        fold_(with_function(monoid, []<class F>(F) { return steps<R>()[scalar::code<F>]; })) {}

  /// Two values as one.
  Wide operator()(Wide a, Wide b) const {
    return with_function(monoid, [&]<class F>(F) { return F::apply(a, b); });
  }

  /// a[i] = a[i] and b[i] joined, for i < n.
  template <class V>
  void all(Wide* a, const V* b, std::int64_t n) const {
    with_function(monoid, [&]<class F>(F) {
      std::int64_t i = 0;
      for (; i + block <= n; i += block) {
        NEEDLE_INDEPENDENT
        for (int j = 0; j < block; ++j) a[i + j] = F::apply(a[i + j], static_cast<Wide>(b[i + j]));
      }
      for (; i < n; ++i) a[i] = F::apply(a[i], static_cast<Wide>(b[i]));
    });
  }

  /// The same in the arithmetic of the elements.
  void fold(R* a, const R* b, std::int64_t count) const {
    const std::int64_t whole = count / block * block, rest = count - whole;
    if (whole > 0) fold_(a, a, b, b, whole, b);
    if (rest > 0) {
      R x[block] = {}, y[block] = {};
      std::copy_n(a + whole, rest, x);
      std::copy_n(b + whole, rest, y);
      fold_(x, x, y, y, block, y);
      std::copy_n(x, rest, a + whole);
    }
  }

  const Monoid monoid;
  const FoldLoops loops;

 private:
  StepLoop<R> fold_;
};

/// The values of one row, joined as they come.
template <class R>
class Row {
 public:
  using Wide = typename Joiner<R>::Wide;
  /// Elements after which chains are joined to those of a level above, which are widened after 16
  /// of that: an error grows over twice 16 additions, and no further.
  static constexpr std::int64_t most = runs_of_level * chains;

  explicit Row(const Joiner<R>& join) : join_(join) {}
  Row(const Row&) = delete;

  /// More values; but for the last ones, whole runs of chains.
  void add(const R* v, std::int64_t n) {
    if constexpr (!std::is_integral_v<R>) {
      if (n >= block) return add_runs(v, n);
    }
    for (std::int64_t i = 0; i < n; ++i) put(v[i]);
  }

  Wide value() {
    if constexpr (!std::is_integral_v<R>) {
      if (held_ > 0) raise();
      if (raised_ > 0) widen();
    }
    return value_;
  }

 private:
  R identity() const { return static_cast<R>(identity_of(join_.monoid)); }
  void add_runs(const R* v, std::int64_t n) {
    if (held_ == 0) {
      while (n >= most) {
        const std::int64_t levels = (std::min)(n / most, std::int64_t{most_raised - raised_});
        join_.loops.levels(upper_, v, levels, raised_ == 0);
        v += levels * most, n -= levels * most;
        raised_ += static_cast<int>(levels);
        if (raised_ == most_raised) widen();
      }
      if (n == 0) return;
      std::fill_n(chain_, chains, identity());
    }
    const std::int64_t whole = n / block * block;
    join_.loops.row(chain_, v, whole, chains);
    with_function(join_.monoid, [&]<class F>(F) {
      for (std::int64_t j = 0; j < n - whole; ++j) chain_[j] = F::apply(chain_[j], v[whole + j]);
    });
    held_ += n;
    if (held_ >= most) raise();
  }
  void raise() {
    if (raised_++ == 0) std::swap(chain_, upper_);
    else join_.loops.row(upper_, chain_, chains, chains);
    held_ = 0;
    if (raised_ == most_raised) widen();
  }
  void widen() {
    if constexpr (!std::is_integral_v<R>) put(join_.loops.joined(upper_));
    raised_ = 0;
  }
  void put(Wide value) {
    value_ = empty_ ? value : join_(value_, value);
    empty_ = false;
  }

  const Joiner<R>& join_;
  std::int64_t held_ = 0;  // elements in the chains
  int raised_ = 0;         // results of chains in those above
  bool empty_ = true;
  Wide value_{};
  alignas(64) R room_[2][chains];
  R *chain_ = room_[0], *upper_ = room_[1];
};

}  // namespace needle::cpu

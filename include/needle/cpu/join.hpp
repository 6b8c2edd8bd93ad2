// How a reduction joins values: in vectors of floats, then in double precision (64-bit integers for
// int32).
#pragma once

#include <algorithm>

#include "needle/cpu/fold.hpp"
#include "needle/cpu/steps.hpp"

namespace needle::cpu {

/// Joins single values, and arrays of them, as a monoid does.
template <class R>
class Joiner {
 public:
  using Wide = std::conditional_t<std::is_integral_v<R>, std::int64_t, double>;

  explicit Joiner(Monoid monoid)
      : monoid(monoid), fold_row(fold_loop(monoid)), fold_(steps<R>()[scalar_code(monoid)]) {}

  /// What `body` gives for the scalar function that joins.
  template <class Body>
  auto with(const Body& body) const {
    switch (monoid) {
      case Monoid::sum: return body(scalar::Add{});
      case Monoid::maximum: return body(scalar::Maximum{});
      case Monoid::minimum: break;
    }
    return body(scalar::Minimum{});
  }

  /// Two values as one.
  Wide operator()(Wide a, Wide b) const {
    return with([&]<class F>(F) { return F::apply(a, b); });
  }

  /// a[i] = a[i] and b[i] joined, for i < n.
  template <class V>
  void all(Wide* a, const V* b, std::int64_t n) const {
    with([&]<class F>(F) {
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
  /// Joins runs of 64 floats to 64 chains.
  const FoldLoop fold_row;

 private:
  StepLoop<R> fold_;
};

/// The values of one row, joined as they come.
template <class R>
class Row {
 public:
  using Wide = typename Joiner<R>::Wide;
  /// Elements after which chains are widened: 16 to a chain, so far an error grows.
  static constexpr std::int64_t most = 16 * chains;

  explicit Row(const Joiner<R>& join) : join_(join) {}

  /// At most `most` values; but for the last ones, whole runs of chains.
  void add(const R* v, std::int64_t n) {
    std::int64_t i = 0;
    if constexpr (!std::is_integral_v<R>) {
      i = n / block * block;
      if (i > 0) add_blocks(v, i);
      if (i > 0 && i < n) {
        R last[block];
        std::fill_n(last, block, identity());
        std::copy(v + i, v + n, last);
        return add_blocks(last, block);
      }
    }
    for (; i < n; ++i) put(v[i]);
  }

  Wide value() {
    if constexpr (!std::is_integral_v<R>) {
      if (held_ > 0) widen();
    }
    return value_;
  }

 private:
  R identity() const { return static_cast<R>(identity_of(join_.monoid)); }
  void add_blocks(const R* v, std::int64_t n) {
    if (held_ == 0) std::fill_n(chain_, chains, identity());
    join_.fold_row(chain_, v, n, chains);
    held_ += n;
    if (held_ >= most) widen();
  }
  void widen() {
    put(join_.with([&]<class F>(F) {
      const auto halve = [](auto* x, auto half) {
        for (int j = 0; j < half; ++j) x[j] = F::apply(x[j], x[j + half]);
      };
      halve(chain_, std::integral_constant<int, 32>());
      halve(chain_, std::integral_constant<int, 16>());
      Wide wide[block];
      for (int j = 0; j < block; ++j) wide[j] = chain_[j];
      halve(wide, std::integral_constant<int, 8>());
      halve(wide, std::integral_constant<int, 4>());
      return F::apply(F::apply(wide[0], wide[2]), F::apply(wide[1], wide[3]));
    }));
    held_ = 0;
  }
  void put(Wide value) {
    value_ = empty_ ? value : join_(value_, value);
    empty_ = false;
  }

  const Joiner<R>& join_;
  std::int64_t held_ = 0;  // elements in the chains
  bool empty_ = true;
  Wide value_{};
  alignas(64) R chain_[chains];
};

}  // namespace needle::cpu

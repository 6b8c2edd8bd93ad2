// An op that fails on demand, for tests of what a failure leaves behind.
#pragma once

#include <stdexcept>

#include "needle/graph/apply.hpp"

/// Fails when it is calculated while a `Broken` lives.
struct Fragile {
  static inline bool broken = false;
  static constexpr unsigned reads = needle::reads_nothing;
  static needle::Shape shape(const needle::Shape& x) { return x; }
  template <needle::Device D>
  static needle::Array<D> compute(const needle::Array<D>& x) {
    if (broken) throw std::runtime_error("the sensor is off");
    return x;
  }
  static auto gradient(const auto& g, const auto&, const auto&) {
    return std::array{apply(Fragile{}, g)};
  }
};

struct Broken {
  Broken() { Fragile::broken = true; }
  ~Broken() { Fragile::broken = false; }
};

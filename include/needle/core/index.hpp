// What goes between the brackets of `x[{0, range(1, 5), all}]`.
#pragma once

#include <optional>

#include "needle/core/shape.hpp"

namespace needle {

/// A run of positions, as Python's start:stop:step; what is absent goes to the end of the axis.
struct range {
  std::optional<std::int64_t> start, stop;
  std::int64_t step = 1;

  constexpr range(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                  std::int64_t step = 1)
      : start(start), stop(stop), step(step) {}
};

/// Every position of an axis: `all`, without parentheses. It is a function because CUDA declares
/// one of this name, and names of functions overload where that of an object would be ambiguous.
struct All {};
constexpr All all() { return {}; }
/// As many `all` as it takes to reach the last axes.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis;
/// A new axis of size 1.
struct NewAxis {};
inline constexpr NewAxis new_axis;

/// One entry of an index: a position, a range, `all`, `ellipsis` or `new_axis`.
struct Index {
  enum Kind { position, run, fill, added } kind;
  std::int64_t at = 0;
  range positions{std::nullopt, std::nullopt};

  constexpr Index(std::int64_t at) : kind(position), at(at) {}
  constexpr Index(int at) : kind(position), at(at) {}
  constexpr Index(const range& positions) : kind(run), positions(positions) {}
  constexpr Index(All (*)()) : kind(run) {}
  constexpr Index(Ellipsis) : kind(fill) {}
  constexpr Index(NewAxis) : kind(added) {}
};

}  // namespace needle

// What goes between the brackets of `x[{0, range(1, 5), all}]`.
#pragma once

#include <concepts>
#include <optional>

#include "needle/core/shape.hpp"

namespace needle {

/// A run of positions, as Python's start:stop:step; what is absent goes to the end of the axis.
struct range {
  /// Positions, `stop` not included; negative ones count from the end of the axis.
  std::optional<std::int64_t> start, stop;
  /// From one position to the next; a negative one runs back, 0 is refused when it is used.
  std::int64_t step = 1;

  /// `range(1, 5)`, `range(1, {})` to the end, `range({}, {}, -1)` backwards.
  constexpr range(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                  std::int64_t step = 1)
      : start(start), stop(stop), step(step) {}
};

/// Every position of an axis: `all`, without parentheses. It is a function because CUDA declares
/// one of this name, and names of functions overload where that of an object would be ambiguous.
struct All {};
/// Every position of an axis.
constexpr All all() { return {}; }
/// As many `all` as it takes to reach the last axes.
struct Ellipsis {};
/// As many `all` as it takes to reach the last axes; once in an index.
inline constexpr Ellipsis ellipsis;
/// A new axis of size 1.
struct NewAxis {};
/// A new axis of size 1.
inline constexpr NewAxis new_axis;

/// One entry of an index: a position, a range, `all`, `ellipsis` or `new_axis`.
struct Index {
  /// Which entry it is: `at`, `positions`, an ellipsis, or a new axis.
  enum Kind { position, run, fill, added } kind;
  /// The one position; negative counts from the end.
  std::int64_t at = 0;
  /// The run of positions; all of them by default.
  range positions{std::nullopt, std::nullopt};

  /// What may stand between the brackets converts to an entry.
  template <std::integral At>
  constexpr Index(At at) : kind(position), at(static_cast<std::int64_t>(at)) {}
  constexpr Index(const range& positions) : kind(run), positions(positions) {}
  constexpr Index(All (*)()) : kind(run) {}
  constexpr Index(Ellipsis) : kind(fill) {}
  constexpr Index(NewAxis) : kind(added) {}
};

}  // namespace needle

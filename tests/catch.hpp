// Catch2 for the tests: version 3 or version 2 under version 3's names.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
namespace Catch::Matchers {
inline auto ContainsSubstring(const std::string& text,
                              CaseSensitive::Choice c = CaseSensitive::Yes) {
  return Contains(text, c);
}
}  // namespace Catch::Matchers
#endif

/// Ends the test without a failure, for want of data or a device: SKIP("no MNIST in " << folder).
#undef SKIP
#define SKIP(message)             \
  do {                            \
    WARN("skipped: " << message); \
    return;                       \
  } while (false)

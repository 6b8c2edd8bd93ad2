// Environment variables, read in one way: an empty one is none, a wrong one is refused.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "needle/core/error.hpp"

namespace needle::detail {

/// The value of an environment variable; null if it is not set, or empty.
inline const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

/// Ends the program for a wrong environment variable, with a sentence: most are read before main(),
/// where nobody could catch an exception.
[[noreturn]] NEEDLE_NOINLINE inline void wrong_setting(const char* name, const char* value,
                                                       const char* expected) {
  std::fprintf(stderr, "needle: %s is '%s', expected %s\n", name, value, expected);
  std::_Exit(2);
}

/// Whether an environment variable is 1; 0 or none is false, anything else a wrong setting.
inline bool environment_flag(const char* name) {
  const char* value = environment(name);
  if (!value || std::string_view(value) == "0") return false;
  if (std::string_view(value) == "1") return true;
  wrong_setting(name, value, "0 or 1");
}

}  // namespace needle::detail

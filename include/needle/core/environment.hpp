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

/// Whether an environment variable is 1; 0 or none is false. Anything else ends the program: most
/// are read before main(), where nobody could catch an exception.
inline bool environment_flag(const char* name) {
  const char* value = environment(name);
  if (!value || std::string_view(value) == "0") return false;
  if (std::string_view(value) == "1") return true;
  std::fprintf(stderr, "%s is '%s', expected 0 or 1\n", name, value);
  std::_Exit(2);
}

}  // namespace needle::detail

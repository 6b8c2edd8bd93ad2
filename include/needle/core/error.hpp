// How needle refuses: one exception type, and text put together from parts.
#pragma once

#include <charconv>
#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>

#include "needle/core/config.hpp"

namespace needle {

/// Thrown for every refusal: the message names the operation, what came, and what would have fitted.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline std::string str(std::string_view text) { return std::string(text); }
inline std::string str(const char* text) { return text; }
inline std::string str(bool value) { return value ? "true" : "false"; }

/// A number in the shortest form that reads back as the same value.
template <class T>
  requires(std::integral<T> || std::floating_point<T>)
std::string str(T value) {
  char text[48];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

/// Parts as one text; a type joins in by an overload of `str` in its own namespace.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string whole;
  ((whole += str(parts)), ...);
  return whole;
}

/// Throws `Error` with its parts as one text.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(text(parts...));
}

}  // namespace needle

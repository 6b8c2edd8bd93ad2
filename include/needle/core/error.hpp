// How needle refuses: one exception type, and text put together from parts.
#pragma once

#include <charconv>
#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>

#include "needle/core/config.hpp"

namespace needle {

/// Thrown for every refusal: the message names the operation, what came, and what would have
/// fitted.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The text of a part of a message: the text itself, "true" or "false".
inline std::string str(std::string_view text) { return std::string(text); }
inline std::string str(const char* text) { return text; }
inline std::string str(bool value) { return value ? "true" : "false"; }

/// A whole number.
template <std::integral T>
std::string str(T value) {
  return std::to_string(value);
}
/// A number in the shortest form that reads back as the same value.
template <std::floating_point T>
std::string str(T value) {
  if (value != value) return "nan";  // whatever its sign
  char text[48];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

/// A piece of a message: any object that has a `str`, which is called only if the text is needed.
/// So a check costs its caller no more code than a pointer for each part.
class Part {
 public:
  /// Text up to its terminating zero, which must outlive the part as every other object must.
  Part(const char* text)
      : object_(text), append_([](std::string& to, const void* object) {
          to += static_cast<const char*>(object);
        }) {}
  /// An object with a `str`.
  template <class T>
  requires(!std::is_array_v<T>) Part(const T& object)
      : object_(&object), append_([](std::string& to, const void* object) {
          to += str(*static_cast<const T*>(object));
        }) {}
  /// Adds the text of the part to the end of `whole`.
  void append_to(std::string& whole) const { append_(whole, object_); }

 private:
  const void* object_;
  void (*append_)(std::string&, const void*);
};

/// The texts of `count` parts, one after the other.
NEEDLE_NOINLINE inline std::string joined(const Part* parts, std::size_t count) {
  std::string whole;
  for (std::size_t i = 0; i < count; ++i) parts[i].append_to(whole);
  return whole;
}

/// Throws `Error` with the texts of `count` parts: what `fail` does, compiled once.
[[noreturn]] NEEDLE_NOINLINE inline void fail_with(const Part* parts, std::size_t count) {
  throw Error(joined(parts, count));
}

/// Parts as one text; a type joins in by an overload of `str` in its own namespace.
template <class... Parts>
std::string text(const Parts&... parts) {
  const Part list[] = {Part(parts)...};
  return joined(list, sizeof...(parts));
}

/// Throws `Error` with its parts as one text.
template <class... Parts>
[[noreturn, gnu::cold]] void fail(const Parts&... parts) {
  const Part list[] = {Part(parts)...};
  fail_with(list, sizeof...(parts));
}

}  // namespace needle

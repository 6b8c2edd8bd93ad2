// The names of a plain struct's fields, as the compiler spells a pointer to each of them.
//
// The struct need not be constructible, and no object of it is ever made: the pointers lead into a
// union that holds nothing. A program stores the names, not the compiler's spelling around them.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "needle/nn/aggregate.hpp"

namespace needle::nn {

namespace detail {

/// Holds a T that never lives: its fields have addresses, and with them names.
template <class T>
union Unborn {
  char none;
  T object;
  constexpr Unborn() : none() {}
  constexpr ~Unborn() {}
};

#if defined(__clang__)  // clang 14 takes no constexpr object whose fields are not literal types
template <class T>
constinit inline const Unborn<T> unborn{};
#else  // g++ would register a destructor for anything less than constexpr
template <class T>
inline constexpr Unborn<T> unborn;
#endif

struct Pointer {
  const void* address;
};

/// The compiler's spelling of this function; the last word in it is the field's name.
template <Pointer field>
consteval auto spelling() {
  return std::string_view(__PRETTY_FUNCTION__);
}

/// The last word of a text, less one trailing underscore.
consteval std::string_view last_word(std::string_view text) {
  constexpr auto in_word = [](char c) {  // UTF-8's bytes above ASCII are letters too
    return static_cast<unsigned char>(c) >= 0x80 || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::size_t end = text.size();
  while (!in_word(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && in_word(text[begin - 1])) --begin;
  if (text[end - 1] == '_' && end - begin > 1) --end;
  return text.substr(begin, end - begin);
}

template <class T>
inline constexpr auto addresses = unpack(unborn<T>.object, [](const auto&... fields) {
  return std::array<Pointer, sizeof...(fields)>{Pointer{__builtin_addressof(fields)}...};
});

template <class T, std::size_t index>
inline constexpr std::string_view word = last_word(spelling<addresses<T>[index]>());

/// The name alone, so that a program does not carry the compiler's whole spelling.
template <class T, std::size_t index>
inline constexpr auto letters = [] {
  std::array<char, word<T, index>.size()> copy{};
  for (std::size_t i = 0; i < copy.size(); ++i) copy[i] = word<T, index>[i];
  return copy;
}();

}  // namespace detail

/// The names of an aggregate's fields in order, each less a trailing underscore.
template <Aggregate T>
inline constexpr auto field_names = []<std::size_t... index>(std::index_sequence<index...>) {
  return std::array<std::string_view, sizeof...(index)>{
      std::string_view(detail::letters<T, index>.data(), detail::letters<T, index>.size())...};
}
(std::make_index_sequence<field_count<T>>{});

}  // namespace needle::nn

// JSON (RFC 8259) read strictly, value by value: UTF-8 only, and every refusal names the offset.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "needle/core/error.hpp"
#include "needle/io/file.hpp"
#include "needle/io/utf8.hpp"

namespace needle::io {

/// Reads JSON from its first character on; what it reads is built by the caller, or not at all.
class JsonReader {
 public:
  /// `offset` is where the text begins in `file`; both are for errors. Nothing is copied.
  explicit JsonReader(std::string_view text, std::string_view file = "JSON",
                      std::uint64_t offset = 0)
      : text_(text), file_(file), offset_(offset) {}

  /// The first character of the next value or punctuation, or 0 at the end of the text.
  char peek() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  /// Reads an object; `member(key)` is called for each key and reads its value.
  template <class Member>
  void object(Member member) {
    items('{', '}', "an object", [&] {
      if (peek() != '"') refuse("expected a key in quotes");
      std::string key = string();
      expect(':', "expected ':' after the key");
      member(std::move(key));
    });
  }

  /// Reads an array; `element()` is called for each element and reads it.
  template <class Element>
  void array(Element element) {
    items('[', ']', "an array", element);
  }

  /// Reads a string.
  std::string string() {
    expect('"', "expected a string");
    std::string result;
    while (true) {
      if (at_ == text_.size()) refuse("the text ends inside a string");
      const char c = text_[at_];
      if (c == '"') break;
      if (static_cast<unsigned char>(c) < 0x20) refuse("a control character inside a string");
      if (c == '\\') {
        escape(result);
      } else {
        const std::size_t length = utf8_length(text_.substr(at_));
        if (length == 0) refuse("not UTF-8");
        result += text_.substr(at_, length);
        at_ += length;
      }
    }
    ++at_;
    return result;
  }

  /// Reads a number that is written as an integer and fits 64 bits with a sign.
  std::int64_t integer() {
    const std::string_view digits = number();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      at_ -= digits.size();
      refuse("expected an integer of at most 64 bits");
    }
    return value;
  }

  /// Reads a number and returns it as it is written: no leading zeros or plus, digits around the
  /// point.
  std::string_view number() {
    peek();
    const auto is = [&](std::size_t i, std::string_view set) {
      return i < text_.size() && set.find(text_[i]) != set.npos;
    };
    std::size_t i = at_ + (is(at_, "-") ? 1 : 0);
    const std::size_t whole = i;
    i = skip_digits(i);
    bool valid = i > whole && (text_[whole] != '0' || i == whole + 1);
    if (valid && is(i, ".")) {
      const std::size_t fraction = i + 1;
      i = skip_digits(fraction);
      valid = i > fraction;
    }
    if (valid && is(i, "eE")) {
      const std::size_t exponent = i + 1 + (is(i + 1, "+-") ? 1 : 0);
      i = skip_digits(exponent);
      valid = i > exponent;
    }
    if (!valid) refuse("expected a number");
    const std::size_t begin = std::exchange(at_, i);
    return text_.substr(begin, i - begin);
  }

  /// Reads one of `true`, `false` and `null` if it comes next.
  bool literal(std::string_view word) {
    peek();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  /// Refuses anything but space after the value.
  void end() {
    if (peek() != '\0' || at_ != text_.size()) refuse("unexpected text after the end");
  }

  /// Refuses the text at the place the reader has come to.
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... reason) const {
    fail_at(file_, offset_ + at_, reason...);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void expect(char c, std::string_view otherwise) {
    if (peek() != c || at_ == text_.size()) refuse(otherwise);
    ++at_;
  }

  template <class Item>
  void items(char open, char close, std::string_view what, Item item) {
    if (peek() != open) refuse("expected ", what);
    ++at_;
    if (peek() == close) {
      ++at_;
      return;
    }
    while (true) {
      item();
      const char next = peek();
      if (next != ',' && next != close) refuse("expected ',' or the end of ", what);
      ++at_;
      if (next == close) return;
    }
  }

  std::size_t skip_digits(std::size_t i) const {
    while (i < text_.size() && is_digit(text_[i])) ++i;
    return i;
  }

  /// Reads a backslash and what it stands for.
  void escape(std::string& result) {
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (const std::size_t i = letters.find(c); i != letters.npos) {
      result += meanings[i];
      at_ += 2;
      return;
    }
    if (c != 'u') refuse("unknown escape in a string");
    std::uint32_t code = code_unit();
    if (code >= 0xD800 && code < 0xDC00) {
      const std::uint32_t low = text_.substr(at_).starts_with("\\u") ? code_unit() : 0;
      if (low < 0xDC00 || low >= 0xE000) refuse("half of a surrogate pair in a string");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      refuse("half of a surrogate pair in a string");
    }
    append_utf8(result, code);
  }

  /// Reads \uXXXX.
  std::uint32_t code_unit() {
    const std::string_view digits = text_.substr(at_ + 2, 4);
    std::uint32_t value = 0;
    const char* last = digits.data() + digits.size();
    if (digits.size() != 4 || std::from_chars(digits.data(), last, value, 16).ptr != last) {
      refuse("expected four hexadecimal digits after \\u");
    }
    at_ += 6;
    return value;
  }

  std::string_view text_;
  std::string_view file_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
};

}  // namespace needle::io

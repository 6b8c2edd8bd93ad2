// A JSON document as a value, for looking up; the library reads what it needs with JsonReader.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "needle/core/error.hpp"
#include "needle/io/json_reader.hpp"

namespace needle::io {

/// A JSON value; asking it for what it is not is an error that says what it is.
class Json {
 public:
  /// The six types of values that JSON has (RFC 8259, section 3).
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

  /// How deep arrays and objects may be nested in one another.
  static constexpr int max_depth = 64;

  /// Reads a whole document; `file` names it in errors.
  static Json parse(std::string_view text, std::string_view file = "JSON") {
    JsonReader reader(text, file);
    Json value = read(reader, 0);
    reader.end();
    return value;
  }

  /// The type of this value.
  Kind kind() const { return kind_; }
  /// Whether it is null, which an absent member is not.
  bool is_null() const { return kind_ == Kind::null; }

  /// The value as what its name says; any other type is refused.
  bool boolean() const { return as(Kind::boolean).number_ != 0; }
  double number() const { return as(Kind::number).number_; }
  const std::string& string() const { return as(Kind::string).string_; }
  const std::vector<Json>& array() const { return as(Kind::array).items_; }

  /// A number without a fraction, up to 2^53 in size.
  std::int64_t integer() const {
    const double value = number();
    constexpr double most = 9007199254740992.0;
    if (!(value >= -most && value <= most) ||
        static_cast<double>(static_cast<std::int64_t>(value)) != value) {
      fail("JSON: ", value, " is not an integer of at most 53 bits");
    }
    return static_cast<std::int64_t>(value);
  }

  /// Elements of an array, or members of an object.
  std::size_t size() const { return items_.size(); }

  /// The keys of an object, in the order of the text.
  const std::vector<std::string>& keys() const { return as(Kind::object).keys_; }

  /// A member of an object, or null where there is none.
  const Json* find(std::string_view key) const {
    const auto& names = keys();
    const auto found = std::find(names.begin(), names.end(), key);
    return found == names.end() ? nullptr
                                : &items_[static_cast<std::size_t>(found - names.begin())];
  }

  /// A member of an object; its absence is an error.
  const Json& operator[](std::string_view key) const {
    if (const Json* member = find(key)) return *member;
    fail("JSON: the object has no member '", key, "'");
  }

  /// An element of an array.
  const Json& operator[](std::size_t index) const {
    const auto& elements = array();
    if (index >= elements.size()) {
      fail("JSON: no element ", index, " in an array of ", elements.size());
    }
    return elements[index];
  }

 private:
  static Json read(JsonReader& reader, int depth) {
    if (depth > max_depth) reader.refuse("nested deeper than ", max_depth);
    Json value;
    switch (reader.peek()) {
      case '{':
        value.kind_ = Kind::object;
        reader.object([&](std::string key) {
          value.keys_.push_back(std::move(key));
          value.items_.push_back(read(reader, depth + 1));
        });
        value.refuse_repeated_keys(reader);
        break;
      case '[':
        value.kind_ = Kind::array;
        reader.array([&] { value.items_.push_back(read(reader, depth + 1)); });
        break;
      case '"':
        value.kind_ = Kind::string;
        value.string_ = reader.string();
        break;
      case 't':
      case 'f':
      case 'n':
        if (reader.literal("null")) break;
        value.kind_ = Kind::boolean;
        value.number_ = reader.literal("true");
        if (!value.boolean() && !reader.literal("false")) reader.refuse("expected a value");
        break;
      default:
        if (std::string_view("-0123456789").find(reader.peek()) == std::string_view::npos) {
          reader.refuse("expected a value");
        }
        value.kind_ = Kind::number;
        value.number_ = std::strtod(std::string(reader.number()).c_str(), nullptr);
        if (std::isinf(value.number_)) reader.refuse("the number does not fit double precision");
    }
    return value;
  }

  void refuse_repeated_keys(const JsonReader& reader) const {
    std::vector<std::string_view> sorted(keys_.begin(), keys_.end());
    std::sort(sorted.begin(), sorted.end());
    const auto repeated = std::adjacent_find(sorted.begin(), sorted.end());
    if (repeated != sorted.end()) reader.refuse("the object has two members '", *repeated, "'");
  }

  const Json& as(Kind wanted) const {
    constexpr std::string_view names[] = {"null",     "a boolean", "a number",
                                          "a string", "an array",  "an object"};
    if (kind_ != wanted) {
      fail("JSON: expected ", names[static_cast<int>(wanted)], ", found ",
           names[static_cast<int>(kind_)]);
    }
    return *this;
  }

  Kind kind_ = Kind::null;
  double number_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::vector<std::string> keys_;  // as many as items in an object, none otherwise
};

}  // namespace needle::io

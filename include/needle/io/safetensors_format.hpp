// What a safetensors file is made of: 8 bytes with the length of a header, the header in JSON, the
// tensors' data. https://huggingface.co/docs/safetensors
//
// Functions of a header are cold: they need not be fast, and compile in half the time. Those that
// users call are not, because g++ takes what always leads to a cold call for cold, a main included.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "needle/core/error.hpp"

namespace needle::io {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

/// Element types of a file, ordered as the format's own writer orders tensors: the last come first.
enum class ElementType { boolean, u8, i8, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

namespace detail {

struct ElementTypeFacts {
  std::string_view name;
  std::uint64_t bytes;
};

inline constexpr ElementTypeFacts element_types[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2}, {"U16", 2}, {"F16", 2}, {"BF16", 2},
    {"I32", 4},  {"U32", 4}, {"F32", 4}, {"F64", 8}, {"I64", 8}, {"U64", 8}};

}  // namespace detail

/// Bytes of one element.
constexpr std::uint64_t element_bytes(ElementType type) {
  return detail::element_types[static_cast<int>(type)].bytes;
}

/// The name the format has for an element type: F32, BOOL.
inline std::string str(ElementType type) {
  return std::string(detail::element_types[static_cast<int>(type)].name);
}

/// One tensor of a file: `begin` and `end` count bytes from the start of the data.
struct TensorEntry {
  /// The key in the header.
  std::string name;
  /// How the elements are stored, row-major and little-endian.
  ElementType type = ElementType::f32;
  /// The sizes; none for a scalar.
  std::vector<std::int64_t> shape = {};
  /// The first byte, and the one after the last.
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Free text beside the tensors, as keys and texts.
using Metadata = std::vector<std::pair<std::string, std::string>>;

namespace detail {

inline constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit
inline constexpr std::size_t max_dimensions = 64;

/// A name for an error, cut where it is too long to read.
inline std::string quoted(std::string_view name) {
  std::string text(1, '\'');
  text += name.substr(0, 77);
  text += name.size() > 77 ? "...'" : "'";
  return text;
}

/// What a name or an entry is sorted by. One type for every order, so that sorting compiles once.
struct SortKey {
  std::uint64_t first = 0, second = 0;
  std::string_view name = {};
  const TensorEntry* entry = nullptr;

  bool operator<(const SortKey& other) const {
    if (first != other.first) return first < other.first;
    if (second != other.second) return second < other.second;
    return name < other.name;
  }
};

/// Calls `refuse(sentence)` where two tensors have one name, or two texts one key.
template <class Refuse>
[[gnu::cold]] void check_names(const std::vector<TensorEntry>& entries, const Metadata& metadata,
                               Refuse refuse) {
  std::vector<SortKey> keys;
  for (const TensorEntry& entry : entries) keys.push_back({.first = 0, .name = entry.name});
  for (const auto& [key, text] : metadata) keys.push_back({.first = 1, .name = key});
  std::sort(keys.begin(), keys.end());
  for (std::size_t i = 1; i < keys.size(); ++i) {
    if (keys[i - 1] < keys[i]) continue;
    refuse((keys[i].first == 0 ? "two tensors have the name " : "two texts have the key ") +
           quoted(keys[i].name));
  }
}

/// Bytes of a tensor; nothing where a dimension is negative or they do not fit 63 bits.
inline std::optional<std::uint64_t> tensor_bytes(ElementType type,
                                                 const std::vector<std::int64_t>& shape) {
  std::int64_t bytes = static_cast<std::int64_t>(element_bytes(type));
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace detail

}  // namespace needle::io

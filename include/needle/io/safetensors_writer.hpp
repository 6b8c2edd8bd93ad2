// Writes a safetensors file, byte for byte as the format's own library does. Functions are
// templates so that a program without files does not compile them.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "needle/core/error.hpp"
#include "needle/io/file.hpp"
#include "needle/io/safetensors_format.hpp"
#include "needle/io/utf8.hpp"

namespace needle::io {

namespace detail {

/// A text as JSON writes it; what is not UTF-8 is refused.
NEEDLE_ON_DEMAND
[[gnu::cold]] std::string json_string(std::string_view text) {
  if (!is_utf8(text)) fail("safetensors: ", detail::quoted(text), " is not UTF-8");
  constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    if (const std::size_t i = special.find(c); i != special.npos) {
      result += '\\';
      result += letters[i];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += c < 0x10 ? "\\u000" : "\\u001";
      result += digits[c & 0xF];
    } else {
      result += c;
    }
  }
  result += '"';
  return result;
}

/// The entries in the order of the file, largest elements first, and with their offsets.
NEEDLE_ON_DEMAND
[[gnu::cold]] std::vector<TensorEntry> placed(const std::vector<TensorEntry>& entries) {
  std::vector<TensorEntry> result;
  std::vector<SortKey> order;
  for (const TensorEntry& entry : entries) {
    const auto rank = 255 - static_cast<std::uint64_t>(entry.type);
    order.push_back({.first = rank, .name = entry.name, .entry = &entry});
  }
  std::sort(order.begin(), order.end());
  for (const SortKey& key : order) result.push_back(*key.entry);
  std::uint64_t end = 0;
  for (TensorEntry& entry : result) {
    const auto bytes = tensor_bytes(entry.type, entry.shape);
    entry.begin = end;
    if (!bytes || __builtin_add_overflow(end, *bytes, &end)) {
      fail("safetensors: the size of tensor ", detail::quoted(entry.name),
           " is negative or overflows 64 bits");
    }
    entry.end = end;
  }
  return result;
}

}  // namespace detail

/// Everything before the data of a file with these tensors, whose order and offsets it sets.
NEEDLE_ON_DEMAND
std::string safetensors_header(std::vector<TensorEntry>& entries, const Metadata& metadata = {}) {
  detail::check_names(entries, metadata,
                      [](const std::string& reason) { fail("safetensors: ", reason); });
  for (const TensorEntry& entry : entries) {
    if (entry.name == "__metadata__") {
      fail("safetensors: no tensor may have the name '__metadata__'");
    }
  }
  entries = detail::placed(entries);
  std::string header = "{";
  const char* separator = "";  // a std::string assigned here makes g++ 12 warn without reason
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      header += text(separator, detail::json_string(key), ":", detail::json_string(value));
      separator = ",";
    }
    header += "}";
  }
  for (const TensorEntry& entry : entries) {
    header += text(separator, detail::json_string(entry.name), ":{\"dtype\":\"", entry.type,
                   "\",\"shape\":[");
    separator = "";
    for (const std::int64_t extent : entry.shape) {
      header += text(separator, extent);
      separator = ",";
    }
    header += text("],\"data_offsets\":[", entry.begin, ",", entry.end, "]}");
    separator = ",";
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > detail::max_header_bytes) {
    fail("safetensors: the names and shapes take ", header.size(), " bytes; at most ",
         detail::max_header_bytes, " go");
  }
  std::string length;
  for (int shift = 0; shift < 64; shift += 8)
    length += static_cast<char>(std::uint64_t{header.size()} >> shift);
  return length + header;
}

/// Writes a file, or leaves everything as it was. `bytes_of(entry)` gives the data of one tensor,
/// as a span or a vector of bytes; it is called once for each, in the order of the file.
template <std::invocable<const TensorEntry&> BytesOf>
void write_safetensors(const std::string& path, std::vector<TensorEntry> entries,
                       BytesOf&& bytes_of, const Metadata& metadata = {}) {
  const std::string header = safetensors_header(entries, metadata);
  write_file(path, [&](FileWriter& file) {
    file.write(header);
    for (const TensorEntry& entry : entries) {
      const auto& data = bytes_of(entry);
      const std::span<const std::byte> bytes(data);
      if (bytes.size() != entry.end - entry.begin) {
        fail("safetensors: tensor ", detail::quoted(entry.name), " has ", bytes.size(),
             " bytes, its shape and ", entry.type, " make ", entry.end - entry.begin);
      }
      file.write(bytes);
    }
  });
}

}  // namespace needle::io

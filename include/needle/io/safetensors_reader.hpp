// Reads a safetensors file into one buffer, and its header into entries, strictly.
//
// A file is accepted when its tensors cover the data exactly, each with the bytes its shape asks
// for. The header is read in one pass, without recursion; nothing is allocated that is not in the
// file. Functions are templates so that a program without files does not compile them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "needle/io/file.hpp"
#include "needle/io/json_reader.hpp"
#include "needle/io/safetensors_format.hpp"

namespace needle::io {

/// A file in memory.
struct SafetensorsFile {
  std::vector<std::byte> bytes;      ///< all of the file
  std::uint64_t data_begin = 0;      ///< where the tensors' data begin in `bytes`
  std::vector<TensorEntry> entries;  ///< in the order of the header
  Metadata metadata;                 ///< free text of the header

  /// The entry of this name, or null.
  const TensorEntry* find(std::string_view name) const {
    for (const TensorEntry& entry : entries) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }

  /// The text of this key in the metadata, or null.
  const std::string* find_text(std::string_view key) const {
    for (const auto& [name, text] : metadata) {
      if (name == key) return &text;
    }
    return nullptr;
  }

  /// The bytes of a tensor, little-endian and row-major; they need not be aligned to its elements.
  std::span<const std::byte> data(const TensorEntry& entry) const {
    return std::span(bytes).subspan(data_begin + entry.begin, entry.end - entry.begin);
  }
};

namespace detail {

inline std::optional<ElementType> element_type_named(std::string_view name) {
  const auto same = [&](const ElementTypeFacts& facts) { return facts.name == name; };
  const auto found = std::find_if(std::begin(element_types), std::end(element_types), same);
  if (found == std::end(element_types)) return std::nullopt;
  return static_cast<ElementType>(found - std::begin(element_types));
}

NEEDLE_ON_DEMAND
[[gnu::cold]] std::vector<std::int64_t> read_sizes(JsonReader& reader) {
  std::vector<std::int64_t> sizes;
  reader.array([&] {
    sizes.push_back(reader.integer());
    if (sizes.back() < 0) reader.refuse("negative size ", sizes.back());
    if (sizes.size() > max_dimensions) reader.refuse("more than ", max_dimensions, " dimensions");
  });
  return sizes;
}

NEEDLE_ON_DEMAND
[[gnu::cold]] TensorEntry read_entry(JsonReader& reader, std::string name) {
  const auto refuse = [&](const auto&... reason) {
    reader.refuse("tensor ", detail::quoted(name), ": ", reason...);
  };
  std::optional<ElementType> type;
  std::optional<std::vector<std::int64_t>> shape, offsets;
  reader.object([&](const std::string& key) {
    if (key == "dtype" && !type) {
      const std::string type_name = reader.string();
      type = element_type_named(type_name);
      if (!type) refuse("unknown element type ", detail::quoted(type_name));
    } else if (key == "shape" && !shape) {
      shape = read_sizes(reader);
    } else if (key == "data_offsets" && !offsets) {
      offsets = read_sizes(reader);
      if (offsets->size() != 2) refuse("data_offsets has ", offsets->size(), " numbers, not 2");
    } else {
      refuse("unexpected or repeated key ", detail::quoted(key));
    }
  });
  if (!type || !shape || !offsets) refuse("it lacks dtype, shape or data_offsets");
  const std::int64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end) refuse("it ends at ", end, ", before it begins at ", begin);
  const auto size = static_cast<std::uint64_t>(end - begin);
  const std::optional<std::uint64_t> wanted = tensor_bytes(*type, *shape);
  if (!wanted) refuse("its size overflows 64 bits");
  if (size != *wanted) {
    refuse("it has ", size, " bytes, its shape and ", *type, " make ", *wanted);
  }
  return {std::move(name), *type, std::move(*shape), static_cast<std::uint64_t>(begin),
          static_cast<std::uint64_t>(end)};
}

/// Tensors in the order of their offsets leave no byte out and share none.
NEEDLE_ON_DEMAND
[[gnu::cold]] void check_cover(const SafetensorsFile& content, std::string_view file) {
  std::vector<SortKey> order;
  for (const TensorEntry& entry : content.entries) {
    order.push_back({.first = entry.begin, .second = entry.end, .entry = &entry});
  }
  std::sort(order.begin(), order.end());
  const std::uint64_t size = content.bytes.size() - content.data_begin;
  std::uint64_t covered = 0;
  for (const SortKey& key : order) {
    const TensorEntry* entry = key.entry;
    const std::uint64_t place = content.data_begin + (std::min)(covered, size);
    const std::string name = detail::quoted(entry->name);
    if (entry->begin < covered) fail_at(file, place, "tensor ", name, " overlaps the last one");
    if (entry->begin > covered) fail_at(file, place, "unused bytes before tensor ", name);
    if (entry->end > size) {
      fail_at(file, place, "tensor ", name, " has ", entry->end - entry->begin,
              " bytes, the file ends after ", size - covered);
    }
    covered = entry->end;
  }
  if (covered != size) {
    fail_at(file, content.data_begin + covered, size - covered, " bytes after the last tensor");
  }
}

}  // namespace detail

/// Takes a file's bytes apart; `file` names it in errors, which any departure from the format is.
NEEDLE_ON_DEMAND
SafetensorsFile parse_safetensors(std::vector<std::byte> bytes, std::string_view file) {
  if (bytes.size() < 8) fail_at(file, bytes.size(), "the file ends inside the header's length");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > detail::max_header_bytes) {
    fail_at(file, 0, "a header of ", length, " bytes; at most ", detail::max_header_bytes, " go");
  }
  if (length > bytes.size() - 8) {
    fail_at(file, 0, "a header of ", length, " bytes, the file ends after ", bytes.size() - 8);
  }
  SafetensorsFile content;
  content.bytes = std::move(bytes);
  content.data_begin = 8 + length;
  const char* header = reinterpret_cast<const char*>(content.bytes.data()) + 8;
  if (length == 0 || *header != '{') fail_at(file, 8, "the header does not begin with '{'");
  JsonReader reader(std::string_view(header, length), file, 8);
  bool has_metadata = false;
  reader.object([&](std::string name) {
    if (name != "__metadata__") {
      content.entries.push_back(detail::read_entry(reader, std::move(name)));
    } else {
      if (std::exchange(has_metadata, true)) reader.refuse("__metadata__ comes twice");
      reader.object(
          [&](std::string key) { content.metadata.emplace_back(std::move(key), reader.string()); });
    }
  });
  reader.end();
  detail::check_names(content.entries, content.metadata,
                      [&](const std::string& reason) { fail_at(file, 8, reason); });
  detail::check_cover(content, file);
  return content;
}

/// Reads a safetensors file.
NEEDLE_ON_DEMAND
SafetensorsFile read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path), path);
}

}  // namespace needle::io

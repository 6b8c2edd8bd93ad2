// Reads a safetensors file into one buffer, and its header into entries, strictly.
//
// A file is accepted when its tensors cover the data exactly, each with the bytes its shape asks
// for. The header is read in one pass, without recursion; nothing is allocated that is not in the
// file.
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
  std::vector<TensorEntry> entries;  ///< in the order of their names
  Metadata metadata;

  /// The entry of this name, or null.
  const TensorEntry* find(std::string_view name) const {
    const auto found =
        std::lower_bound(entries.begin(), entries.end(), name,
                         [](const TensorEntry& a, std::string_view b) { return a.name < b; });
    return found != entries.end() && found->name == name ? &*found : nullptr;
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

inline std::vector<std::int64_t> read_sizes(JsonReader& reader) {
  std::vector<std::int64_t> sizes;
  reader.array([&] {
    sizes.push_back(reader.integer());
    if (sizes.back() < 0) reader.refuse("negative size ", sizes.back());
    if (sizes.size() > max_dimensions) reader.refuse("more than ", max_dimensions, " dimensions");
  });
  return sizes;
}

inline TensorEntry read_entry(JsonReader& reader, std::string name) {
  const auto refuse = [&](const auto&... reason) {
    reader.refuse("tensor ", quoted(name), ": ", reason...);
  };
  std::optional<ElementType> type;
  std::optional<std::vector<std::int64_t>> shape, offsets;
  reader.object([&](const std::string& key) {
    if (key == "dtype" && !type) {
      const std::string type_name = reader.string();
      type = element_type_named(type_name);
      if (!type) refuse("unknown element type ", quoted(type_name));
    } else if (key == "shape" && !shape) {
      shape = read_sizes(reader);
    } else if (key == "data_offsets" && !offsets) {
      offsets = read_sizes(reader);
      if (offsets->size() != 2) refuse("data_offsets has ", offsets->size(), " numbers, not 2");
    } else {
      refuse("unexpected or repeated key ", quoted(key));
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
inline void check_cover(const SafetensorsFile& content, std::string_view file) {
  std::vector<const TensorEntry*> by_offset;
  for (const TensorEntry& entry : content.entries) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  const std::uint64_t size = content.bytes.size() - content.data_begin;
  std::uint64_t covered = 0;
  for (const TensorEntry* entry : by_offset) {
    const std::uint64_t place = content.data_begin + (std::min)(covered, size);
    const std::string name = quoted(entry->name);
    if (entry->begin < covered)
      fail_at(file, place, "tensor ", name, " overlaps the one before it");
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
inline SafetensorsFile parse_safetensors(std::vector<std::byte> bytes, std::string_view file) {
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
      reader.object([&](std::string key) {
        std::string text = reader.string();
        if (!content.metadata.emplace(std::move(key), std::move(text)).second) {
          reader.refuse("a key of __metadata__ comes twice");
        }
      });
    }
  });
  reader.end();
  std::sort(content.entries.begin(), content.entries.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(
      content.entries.begin(), content.entries.end(),
      [](const TensorEntry& a, const TensorEntry& b) { return a.name == b.name; });
  if (twice != content.entries.end()) {
    fail_at(file, 8, "two tensors have the name ", detail::quoted(twice->name));
  }
  detail::check_cover(content, file);
  return content;
}

/// Reads a safetensors file.
inline SafetensorsFile read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path), path);
}

}  // namespace needle::io

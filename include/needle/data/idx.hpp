// IDX, the format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, the element type,
// the number of dimensions, each of them as a big-endian 32-bit integer, the values.
//
// Functions are templates so that a program without IDX files does not compile them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "needle/core/error.hpp"
#include "needle/io/file.hpp"
#include "needle/io/gzip.hpp"

namespace needle::data {

/// The contents of an IDX file of unsigned bytes, row-major.
struct Idx {
  /// The sizes, 1 to 8 of them.
  std::vector<std::int64_t> shape;
  /// As many as the product of the sizes.
  std::vector<std::uint8_t> values;
};

namespace detail {

inline constexpr int max_idx_dimensions = 8;

/// What an IDX file calls its element type.
inline std::string_view idx_type_name(unsigned code) {
  switch (code) {
    case 0x08: return "unsigned byte";
    case 0x09: return "signed byte";
    case 0x0B: return "16-bit integer";
    case 0x0C: return "32-bit integer";
    case 0x0D: return "float";
    case 0x0E: return "double";
    default: return "";
  }
}

/// Reads `out` to its end; `offset` counts the bytes, and an early end of the file is refused.
template <class Source>
void read_exactly(Source& source, std::span<std::byte> out, std::uint64_t& offset,
                  std::string_view file, std::string_view what) {
  const std::size_t count = source.read(out);
  if (count != out.size()) io::fail_at(file, offset + count, "the file ends inside ", what);
  offset += count;
}

/// The values of a file, of which there are said to be `size`. Memory grows with what arrives, so a
/// few bytes that claim to be billions cost no more than they are.
template <class Source>
std::vector<std::uint8_t> read_values(Source& source, std::uint64_t size, std::uint64_t& offset,
                                      std::string_view file) {
  std::vector<std::uint8_t> values;
  while (values.size() < size) {
    const std::uint64_t had = values.size();
    try {
      values.resize((std::min)(size, (std::max)(2 * had, std::uint64_t{1} << 20)));
    } catch (const std::bad_alloc&) {
      fail(file, ": its ", size, " values do not fit into memory");
    }
    read_exactly(source, std::as_writable_bytes(std::span(values)).subspan(had), offset, file,
                 "its values");
  }
  return values;
}

template <class Source>
Idx read_idx_from(Source& source, std::string_view file) {
  std::uint64_t offset = 0;
  std::byte word[4]{};
  const auto at = [&](int i) { return std::to_integer<unsigned>(word[i]); };
  read_exactly(source, word, offset, file, "the magic number");
  const std::string_view type = idx_type_name(at(2));
  if (at(0) != 0 || at(1) != 0 || type.empty()) io::fail_at(file, 0, "not an IDX file");
  if (at(2) != 0x08) io::fail_at(file, 2, "elements of type ", type, ", expected unsigned bytes");
  const unsigned dimensions = at(3);
  if (dimensions < 1 || dimensions > max_idx_dimensions) {
    io::fail_at(file, 3, dimensions, " dimensions, expected 1 to ", max_idx_dimensions);
  }

  Idx result;
  std::uint64_t size = 1;
  bool overflow = false;
  for (unsigned i = 0; i < dimensions; ++i) {
    read_exactly(source, word, offset, file, "its dimensions");
    const std::uint64_t extent = at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3);
    result.shape.push_back(static_cast<std::int64_t>(extent));
    overflow = __builtin_mul_overflow(size, extent, &size) || overflow;
  }
  if (overflow) io::fail_at(file, 4, "the product of its dimensions overflows 64 bits");
  if (size > source.limit()) {
    io::fail_at(file, 4, "its dimensions make ", size, " values, more than the file can hold");
  }
  result.values = read_values(source, size, offset, file);
  if (source.read(std::span(word, 1)) != 0) {
    io::fail_at(file, offset, "unexpected bytes after ", size, " values");
  }
  return result;
}

/// The path itself, or with `.gz` added or taken away where only that one is there.
inline std::string idx_path(const std::string& path) {
  if (io::exists(path)) return path;
  const std::string other = path.ends_with(".gz") ? path.substr(0, path.size() - 3) : path + ".gz";
  if (!io::exists(other)) fail("cannot read ", path, ": there is no such file, and no ", other);
  return other;
}

}  // namespace detail

/// Takes the bytes of an IDX file apart, gzip-compressed or not; `file` names it in errors. The
/// offset in an error about the contents counts decompressed bytes.
NEEDLE_ON_DEMAND
Idx parse_idx(std::span<const std::byte> bytes, std::string_view file) {
  return io::with_source(bytes, file,
                         [&](auto& source) { return detail::read_idx_from(source, file); });
}

/// Reads an IDX file, `name` or `name.gz`, whichever is there; the first if both are.
NEEDLE_ON_DEMAND
Idx read_idx(const std::string& path) {
  const std::string found = detail::idx_path(path);
  return parse_idx(io::read_file(found), found);
}

}  // namespace needle::data

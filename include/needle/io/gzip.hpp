// Bytes out of a buffer in memory that is plain or gzip-compressed, a piece at a time.
//
// NEEDLE_ZLIB=1, for all files of a program, reads compressed buffers with zlib; link to it.
// Without it they are refused in one sentence.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "needle/core/error.hpp"
#include "needle/io/file.hpp"

#if defined(NEEDLE_ZLIB) && NEEDLE_ZLIB
#include <zlib.h>
#endif

namespace needle::io {

/// Whether a buffer begins as gzip files do.
inline bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

/// Reads a buffer from its first byte on.
class MemorySource {
 public:
  /// Reads these bytes, which must outlive it.
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// An upper bound of the bytes it gives in all.
  std::uint64_t limit() const { return bytes_.size(); }

  /// Fills `out` as far as there are bytes, and returns how many there were.
  std::size_t read(std::span<std::byte> out) {
    const std::size_t count = (std::min)(out.size(), bytes_.size() - at_);
    if (count != 0) std::memcpy(out.data(), bytes_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

#if defined(NEEDLE_ZLIB) && NEEDLE_ZLIB

/// Decompresses a gzip file in memory, of one member or several; a damaged one is an error that
/// names the file and the offset in it.
class GzipSource {
 public:
  /// Decompresses these bytes, which must outlive it; `file` names them in errors.
  GzipSource(std::span<const std::byte> bytes, std::string_view file) : input_(bytes), file_(file) {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, gzip_only) != Z_OK) fail(file_, ": zlib does not start");
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() { inflateEnd(&stream_); }

  /// An upper bound of the bytes it gives in all: deflate shrinks nothing more than 1032 times.
  std::uint64_t limit() const { return std::uint64_t{input_.size()} * 1032; }

  /// Fills `out` as far as there are bytes, and returns how many there were.
  std::size_t read(std::span<std::byte> out) {
    std::size_t count = 0;
    while (count < out.size() && !ended_) {
      const uInt piece = clip(input_.size() - at_), room = clip(out.size() - count);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input_.data())) + at_;
      stream_.avail_in = piece;
      stream_.next_out = reinterpret_cast<Bytef*>(out.data()) + count;
      stream_.avail_out = room;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      at_ += piece - stream_.avail_in;
      count += room - stream_.avail_out;
      if (status == Z_STREAM_END) {
        next_member();
      } else if (status == Z_BUF_ERROR) {
        fail_at(file_, at_, "the compressed data are cut off");
      } else if (status != Z_OK) {
        fail_at(file_, at_, "the compressed data are damaged: ",
                stream_.msg != nullptr ? stream_.msg : "zlib gives no reason");
      }
    }
    return count;
  }

 private:
  static uInt clip(std::size_t size) {
    return static_cast<uInt>((std::min)(size, std::size_t{1} << 30));
  }

  /// Zeros after a member, which fill up a block of a medium, are passed over.
  void next_member() {
    while (at_ < input_.size() && input_[at_] == std::byte{0}) ++at_;
    ended_ = at_ == input_.size();
    if (ended_) return;
    if (!is_gzip(input_.subspan(at_))) fail_at(file_, at_, "unexpected bytes after the end");
    inflateReset(&stream_);
  }

  std::span<const std::byte> input_;
  std::string file_;
  std::size_t at_ = 0;
  bool ended_ = false;
  z_stream stream_{};
};

#endif

/// Calls `use(source)` with a reader of a file's bytes, decompressed where they are gzip.
template <class Use>
decltype(auto) with_source(std::span<const std::byte> bytes, std::string_view file, Use&& use) {
  if (is_gzip(bytes)) {
#if defined(NEEDLE_ZLIB) && NEEDLE_ZLIB
    GzipSource source(bytes, file);
    return use(source);
#else
    fail(file,
         ": it is gzip-compressed; unpack it with gunzip, or build with zlib (NEEDLE_ZLIB=1)");
#endif
  }
  MemorySource source(bytes);
  return use(source);
}

}  // namespace needle::io

// Whole files: read into one buffer, and written beside their place so that nothing is half
// written.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "needle/core/error.hpp"

namespace needle::io {

/// Refuses a malformed file: names the file, the offset of the first byte that is wrong, and why.
template <class... Parts>
[[noreturn]] void fail_at(std::string_view file, std::uint64_t offset, const Parts&... reason) {
  fail(file, ": byte ", offset, ": ", reason...);
}

namespace detail {

/// Refuses with the operating system's reason for the last failure.
[[noreturn]] inline void fail_errno(std::string_view action, std::string_view path) {
  const int reason = errno;
  fail(action, " ", path, ": ", std::strerror(reason));
}

/// Closes what it opened, errors or not.
struct Closer {
  std::FILE* file;
  ~Closer() {
    if (file != nullptr) std::fclose(file);
  }
};

}  // namespace detail

/// Whether there is something at this path, be it a file or not.
inline bool exists(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

/// The bytes of a regular file, as a vector of bytes or a std::string; anything else is refused.
template <class Bytes = std::vector<std::byte>>
Bytes read_file(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) detail::fail_errno("cannot read", path);
  if (S_ISDIR(status.st_mode)) fail("cannot read ", path, ": it is a directory");
  if (!S_ISREG(status.st_mode)) fail("cannot read ", path, ": it is not a regular file");
  const detail::Closer input{std::fopen(path.c_str(), "rb")};
  if (input.file == nullptr) detail::fail_errno("cannot read", path);
  Bytes bytes;
  try {
    bytes.resize(static_cast<std::size_t>(status.st_size));
  } catch (const std::exception&) {
    fail("cannot read ", path, ": its ", status.st_size, " bytes do not fit into memory");
  }
  const std::size_t count = std::fread(bytes.data(), 1, bytes.size(), input.file);
  if (std::ferror(input.file)) detail::fail_errno("cannot read", path);
  if (count != bytes.size()) {
    fail("cannot read ", path, ": it ended after ", count, " of ", bytes.size(), " bytes");
  }
  return bytes;
}

/// A file while it is being written.
class FileWriter {
 public:
  /// Writes to an open file, which it does not close; `path` names it in errors.
  FileWriter(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

  /// Appends bytes; a full disk is an error that names the file.
  void write(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;  // its data may be null, which fwrite does not take
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
      detail::fail_errno("cannot write", path_);
    }
  }

  /// Appends the characters of a text.
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

 private:
  std::FILE* file_;
  std::string path_;
};

namespace detail {

/// The file that a path means: where it leads if it is a symbolic link.
NEEDLE_ON_DEMAND
std::string followed(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
  const struct Target {
    char* path;
    ~Target() { std::free(path); }
  } target{::realpath(path.c_str(), nullptr)};
  if (target.path == nullptr) fail_errno("cannot follow the link", path);
  return target.path;
}

/// A name in the folder of `path` for what is being written, as short for a long name as for any.
NEEDLE_ON_DEMAND
std::string draft_name(const std::string& path, unsigned number) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "" : path.substr(0, slash + 1);
  return text(folder, "needle.", ::getpid(), ".", number, ".tmp");
}

}  // namespace detail

/// Makes or replaces a file with what `writer(FileWriter&)` writes, or leaves everything as it was.
///
/// The bytes go to a new file beside `path`, reach the disk, and only then take the name `path`,
/// with the permissions of the file that had it. An exception from `writer` removes the new file
/// and passes on. A symbolic link is followed, not replaced; directories, pipes, devices and files
/// that are not writable are refused.
template <std::invocable<FileWriter&> Writer>
void write_file(const std::string& path, Writer&& writer) {
  const std::string target = detail::followed(path);
  struct stat status;
  const bool replaces = ::stat(target.c_str(), &status) == 0;
  if (replaces && !S_ISREG(status.st_mode)) {
    fail("cannot write ", path, ": it is ", S_ISDIR(status.st_mode) ? "a directory" : "not a file");
  }
  if (replaces && ::access(target.c_str(), W_OK) != 0) detail::fail_errno("cannot write", path);
  static std::atomic<unsigned> count = 0;
  std::string draft;
  detail::Closer output{nullptr};
  do {  // a name may be taken: by a process of the same id that was killed, or on another machine
    draft = detail::draft_name(target, count++);
    output.file = std::fopen(draft.c_str(), "wbx");
  } while (output.file == nullptr && errno == EEXIST);
  if (output.file == nullptr) detail::fail_errno("cannot write", path);
  try {
    if (replaces && ::fchmod(::fileno(output.file), status.st_mode & 0777) != 0) {
      detail::fail_errno("cannot write", path);
    }
    FileWriter file(output.file, path);
    writer(file);
    if (std::fflush(output.file) != 0 || ::fsync(::fileno(output.file)) != 0 ||
        std::fclose(std::exchange(output.file, nullptr)) != 0 ||
        std::rename(draft.c_str(), target.c_str()) != 0) {
      detail::fail_errno("cannot write", path);
    }
  } catch (...) {
    ::unlink(draft.c_str());
    throw;
  }
}

}  // namespace needle::io

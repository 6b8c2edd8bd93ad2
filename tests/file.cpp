#include "needle/io/file.hpp"

#include <sys/resource.h>

#include <csignal>
#include <string>

#include "catch.hpp"
#include "temporary_folder.hpp"

using Catch::Matchers::ContainsSubstring;
using needle::Error;
using needle::io::FileWriter;
using needle::io::read_file;
using needle::io::write_file;

TEST_CASE("a file is read whole, as bytes or as text") {
  const TemporaryFolder folder;
  const std::string path = folder.file("text", std::string("a\0\nb", 4));
  CHECK(read_file<std::string>(path) == std::string("a\0\nb", 4));
  CHECK(read_file(path) ==
        std::vector<std::byte>{std::byte{'a'}, std::byte{0}, std::byte{'\n'}, std::byte{'b'}});
  CHECK(read_file(folder.file("empty", "")).empty());
}

TEST_CASE("what cannot be read is named, with the system's reason") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(read_file(folder / "absent"),
                    "cannot read " + (folder / "absent") + ": No such file or directory");
  CHECK_THROWS_WITH(read_file(folder / ""), ContainsSubstring("it is a directory"));
  CHECK_THROWS_WITH(read_file("/dev/zero"), "cannot read /dev/zero: it is not a regular file");
}

TEST_CASE("a file is written and replaced, with nothing left beside it") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  write_file(path, [](FileWriter& file) { file.write("first"); });
  CHECK(read_file<std::string>(path) == "first");
  const std::byte bytes[] = {std::byte{'x'}, std::byte{'y'}};
  write_file(path, [&](FileWriter& file) { file.write(bytes), file.write("z"); });
  CHECK(read_file<std::string>(path) == "xyz");
  CHECK(folder.size() == 1);
}

TEST_CASE("a writer that fails leaves the old file and nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder.file("out", "old");
  CHECK_THROWS_WITH(write_file(path,
                               [&](FileWriter& file) {
                                 file.write("new");
                                 CHECK(folder.size() == 2);
                                 needle::fail("no more");
                               }),
                    "no more");
  CHECK(read_file<std::string>(path) == "old");
  CHECK(folder.size() == 1);
}

TEST_CASE("a full disk leaves the old file and nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder.file("out", "old");
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit lowered{1 << 16, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &lowered) == 0);
  std::string reason;
  try {
    write_file(path, [](FileWriter& file) { file.write(std::string(1 << 17, 'x')); });
  } catch (const Error& error) {
    reason = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(reason == "cannot write " + path + ": File too large");
  CHECK(read_file<std::string>(path) == "old");
  CHECK(folder.size() == 1);
}

TEST_CASE("directories and devices are not replaced") {
  const TemporaryFolder folder;
  const auto nothing = [](FileWriter&) {};
  CHECK_THROWS_WITH(write_file(folder / "", nothing), ContainsSubstring("it is a directory"));
  CHECK_THROWS_WITH(write_file("/dev/null", nothing), "cannot write /dev/null: it is not a file");
  CHECK_THROWS_WITH(write_file(folder / "none/out", nothing),
                    ContainsSubstring("No such file or directory"));
}

#include "needle/io/file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "catch.hpp"
#include "temporary_folder.hpp"

using Catch::Matchers::ContainsSubstring;
using needle::Error;
using needle::io::exists;
using needle::io::FileWriter;
using needle::io::read_file;
using needle::io::write_file;
using needle::io::detail::draft_name;

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

TEST_CASE("directories and pipes are not replaced") {
  const TemporaryFolder folder;
  const auto nothing = [](FileWriter&) {};
  CHECK_THROWS_WITH(write_file(folder / "", nothing), ContainsSubstring("it is a directory"));
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(write_file(pipe, nothing), "cannot write " + pipe + ": it is not a file");
  CHECK_THROWS_WITH(write_file(folder / "none/out", nothing),
                    ContainsSubstring("No such file or directory"));
}

TEST_CASE("a draft that a killed process left behind is in nobody's way") {
  const TemporaryFolder folder;
  unsigned next = 0;  // drafts are counted by the process
  write_file(folder / "first", [&](FileWriter&) {
    while (!exists(draft_name(folder / "first", next))) ++next;
  });
  const std::string left = draft_name(folder / "out", next + 1);
  folder.file(left.substr(left.rfind('/') + 1), "half");
  write_file(folder / "out", [](FileWriter& file) { file.write("whole"); });
  CHECK(read_file<std::string>(folder / "out") == "whole");
  CHECK(read_file<std::string>(left) == "half");
  CHECK(folder.size() == 3);
}

TEST_CASE("a file that is replaced keeps its permissions, from the first byte on") {
  const TemporaryFolder folder;
  const std::string path = folder.file("out", "old");
  const auto mode = [](const std::string& of) {
    struct stat status {};
    CHECK(stat(of.c_str(), &status) == 0);
    return status.st_mode & 0777;
  };
  for (const unsigned bits : {0600u, 0664u}) {
    REQUIRE(chmod(path.c_str(), bits) == 0);
    write_file(path, [](FileWriter& file) { file.write("new"); });
    CHECK(mode(path) == bits);
  }
}

TEST_CASE("a file that is not writable is not replaced") {
  if (geteuid() == 0) SKIP("everything is writable to root");
  const TemporaryFolder folder;
  const std::string path = folder.file("out", "old");
  REQUIRE(chmod(path.c_str(), 0444) == 0);
  CHECK_THROWS_WITH(write_file(path, [](FileWriter&) {}),
                    "cannot write " + path + ": Permission denied");
  CHECK(read_file<std::string>(path) == "old");
}

TEST_CASE("a symbolic link is followed, and stays") {
  const TemporaryFolder folder, other;
  const std::string target = other.file("target", "old"), link = folder / "link";
  const auto nothing = [](FileWriter&) {};
  REQUIRE(symlink(target.c_str(), link.c_str()) == 0);
  write_file(link, [](FileWriter& file) { file.write("new"); });
  CHECK(read_file<std::string>(target) == "new");
  CHECK(std::filesystem::is_symlink(link));
  CHECK(folder.size() == 1);
  CHECK(other.size() == 1);
  REQUIRE(unlink(target.c_str()) == 0);
  CHECK_THROWS_WITH(write_file(link, nothing),
                    "cannot follow the link " + link + ": No such file or directory");
}

TEST_CASE("a name may be as long as the system takes it") {
  const TemporaryFolder folder;
  const std::string path = folder / std::string(250, 'x');
  write_file(path, [](FileWriter& file) { file.write("new"); });
  CHECK(read_file<std::string>(path) == "new");
}

TEST_CASE("Drafts that others left are neither used nor removed") {
  const TemporaryFolder folder;
  std::vector<std::string> drafts;
  for (int i = 0; i < 200; ++i) {
    drafts.push_back(folder.file(needle::text("needle.", ::getpid(), ".", i, ".tmp"), "theirs"));
  }
  needle::io::write_file(folder / "mine", [](FileWriter& file) { file.write("mine"); });
  CHECK(needle::io::read_file<std::string>(folder / "mine") == "mine");
  for (const std::string& draft : drafts)
    CHECK(needle::io::read_file<std::string>(draft) == "theirs");
}

#include "needle/data/idx.hpp"

#include <filesystem>
#include <numeric>
#include <string>

#include "catch.hpp"
#include "temporary_folder.hpp"

using Catch::Matchers::ContainsSubstring;
using needle::data::Idx;
using needle::data::parse_idx;
using needle::data::read_idx;

namespace {

/// The bytes of an IDX file with values 0, 1, 2, ...
std::string idx(const std::vector<std::uint32_t>& shape, std::size_t values, char type = 8) {
  std::string file{'\0', '\0', type, static_cast<char>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(extent >> shift);
  }
  for (std::size_t i = 0; i < values; ++i) file += static_cast<char>(i);
  return file;
}

Idx parse(const std::string& file) { return parse_idx(std::as_bytes(std::span(file)), "x"); }

}  // namespace

TEST_CASE("an IDX file has a shape and values") {
  const Idx images = parse(idx({2, 3, 4}, 24));
  CHECK(images.shape == std::vector<std::int64_t>{2, 3, 4});
  std::vector<std::uint8_t> expected(24);
  std::iota(expected.begin(), expected.end(), std::uint8_t{0});
  CHECK(images.values == expected);
  CHECK(parse(idx({0, 28, 28}, 0)).values.empty());
  CHECK(parse(idx({1, 1, 1, 1, 1, 1, 1, 1}, 1)).shape.size() == 8);
}

TEST_CASE("what is not an IDX file of bytes is refused at its offset") {
  const auto [file, message] = GENERATE(table<std::string, std::string>({
      {"", "byte 0: the file ends inside the magic number"},
      {idx({2}, 2).substr(0, 3), "byte 3: the file ends inside the magic number"},
      {"PK\x08\x01", "byte 0: not an IDX file"},
      {idx({2}, 2, 7), "byte 0: not an IDX file"},
      {idx({2}, 8, 0x0D), "byte 2: elements of type float, expected unsigned bytes"},
      {idx({2}, 8, 0x0C), "byte 2: elements of type 32-bit integer, expected unsigned bytes"},
      {idx({}, 1), "byte 3: 0 dimensions, expected 1 to 8"},
      {idx({1, 1, 1, 1, 1, 1, 1, 1, 1}, 1), "byte 3: 9 dimensions, expected 1 to 8"},
      {idx({2, 2}, 4).substr(0, 9), "byte 9: the file ends inside its dimensions"},
      {idx({2, 2}, 3), "byte 15: the file ends inside its values"},
      {idx({2, 2}, 5), "byte 16: unexpected bytes after 4 values"},
      {idx({1000000, 28, 28}, 4),
       "byte 4: its dimensions make 784000000 values, more than the file can hold"},
      {idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, 4),
       "byte 4: the product of its dimensions overflows 64 bits"},
  }));
  CHECK_THROWS_WITH(parse(file), "x: " + message);
}

TEST_CASE("a file cut or changed anywhere is refused or read, and nothing else happens") {
  const std::string whole = idx({3, 2}, 6);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_THROWS_AS(parse(whole.substr(0, size)), needle::Error);
  }
  int read = 0;
  for (std::size_t place = 0; place < whole.size(); ++place) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = whole;
      changed[place] = static_cast<char>(value);
      try {
        read += parse(changed).values.size() == 6;
      } catch (const needle::Error&) {
      }
    }
  }
  CHECK(read >= 6 * 256);
}

TEST_CASE("memory grows with the values that arrive, not with what a header claims") {
  struct Claims {  // says what gzip may say of itself: a thousand times its size
    std::string bytes;
    std::size_t at = 0, largest = 0;
    std::uint64_t limit() const { return ~0ull; }
    std::size_t read(std::span<std::byte> out) {
      largest = std::max(largest, out.size());
      const std::size_t count = bytes.copy(reinterpret_cast<char*>(out.data()), out.size(), at);
      at += count;
      return count;
    }
  } source{idx({0x7FFFFFFF, 0x7FFFFFFF}, 3'000'000)};
  CHECK_THROWS_WITH(needle::data::detail::read_idx_from(source, "x"),
                    "x: byte 3000012: the file ends inside its values");
  CHECK(source.largest <= 1 << 22);
}

TEST_CASE("a path may leave out .gz, or have it too much") {
  const TemporaryFolder folder;
  const std::string path = folder.file("labels", idx({2}, 2));
  CHECK(read_idx(path).values.size() == 2);
  CHECK(read_idx(path + ".gz").values.size() == 2);
  CHECK_THROWS_WITH(read_idx(folder / "images"), "cannot read " + (folder / "images") +
                                                     ": there is no such file, and no " +
                                                     (folder / "images.gz"));
}

#if defined(NEEDLE_ZLIB) && NEEDLE_ZLIB

namespace {

std::string gzip(const std::string& text) {
  std::string result(text.size() + 1000, '\0');
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

}  // namespace

TEST_CASE("a compressed file is read as the plain one") {
  const TemporaryFolder folder;
  const std::string plain = idx({300, 10}, 3000);
  folder.file("images.gz", gzip(plain));
  CHECK(read_idx(folder / "images").values == parse(plain).values);
  const std::string members = gzip(plain.substr(0, 7)) + gzip(plain.substr(7)) + gzip("");
  CHECK(parse(members).values == parse(plain).values);
  CHECK(parse(members + std::string(100, '\0')).values == parse(plain).values);
}

TEST_CASE("a damaged compressed file is refused") {
  const std::string whole = gzip(idx({300}, 300));
  for (std::size_t size = 2; size < whole.size(); ++size) {
    CHECK_THROWS_AS(parse(whole.substr(0, size)), needle::Error);
  }
  CHECK_THROWS_WITH(
      parse(whole.substr(0, whole.size() - 1)),
      "x: byte " + std::to_string(whole.size() - 1) + ": the compressed data are cut off");
  std::string wrong_sum = whole;
  wrong_sum[whole.size() - 8] ^= 1;
  CHECK_THROWS_WITH(parse(wrong_sum), ContainsSubstring("damaged: incorrect data check"));
  CHECK_THROWS_WITH(parse(whole + "more"),
                    "x: byte " + std::to_string(whole.size()) + ": unexpected bytes after the end");
  CHECK_THROWS_WITH(parse(whole + std::string(3, '\0') + "more"),
                    ContainsSubstring("unexpected bytes after the end"));
  CHECK_THROWS_WITH(parse(gzip(idx({300}, 299))), "x: byte 307: the file ends inside its values");
  CHECK_THROWS_WITH(parse(gzip(idx({300}, 301))), "x: byte 308: unexpected bytes after 300 values");
}

TEST_CASE("a compressed file is no larger than it says, and says no more than it can hold") {
  const std::string bomb = gzip(idx({4}, 0) + std::string(10'000'000, '\0'));
  CHECK_THROWS_WITH(parse(bomb), "x: byte 12: unexpected bytes after 4 values");
  CHECK_THROWS_WITH(parse(gzip(idx({0xFFFFFFFF}, 0) + std::string(1000, '\0'))),
                    ContainsSubstring("4294967295 values, more than the file can hold"));
}

TEST_CASE("MNIST is read") {
  const std::string folder = NEEDLE_SHARED_DIR "/data/mnist/";
  if (!std::filesystem::exists(folder)) SKIP("no " << folder);
  const Idx images = read_idx(folder + "t10k-images-idx3-ubyte");
  const Idx labels = read_idx(folder + "t10k-labels-idx1-ubyte");
  CHECK(images.shape == std::vector<std::int64_t>{10000, 28, 28});
  CHECK(labels.shape == std::vector<std::int64_t>{10000});
  CHECK(std::vector(labels.values.begin(), labels.values.begin() + 5) ==
        std::vector<std::uint8_t>{7, 2, 1, 0, 4});
  CHECK(read_idx(folder + "train-images-idx3-ubyte.gz").values.size() == 60000 * 784);
}

#else

TEST_CASE("a compressed file without zlib is refused with the way out") {
  CHECK_THROWS_WITH(parse("\x1F\x8B\x08"),
                    "x: it is gzip-compressed; unpack it with gunzip, or build with zlib "
                    "(NEEDLE_ZLIB=1)");
}

#endif

TEST_CASE("A product of dimensions that overflows on the way is refused") {
  std::vector<std::byte> file{std::byte{0}, std::byte{0}, std::byte{8}, std::byte{5}};
  for (int i = 0; i < 4; ++i)
    for (int b : {0, 1, 0, 0}) file.push_back(std::byte(b));
  for (int b : {0, 0, 0, 1}) file.push_back(std::byte(b));
  CHECK_THROWS_WITH(parse_idx(file, "x"),
                    "x: byte 4: the product of its dimensions overflows 64 bits");
}

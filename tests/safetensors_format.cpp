#include "needle/io/safetensors_format.hpp"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "json.hpp"
#include "needle/io/safetensors_reader.hpp"
#include "needle/io/safetensors_writer.hpp"
#include "temporary_folder.hpp"

using Catch::Matchers::ContainsSubstring;
using namespace needle::io;

namespace {

std::string length_of(std::uint64_t n) {
  return std::string(reinterpret_cast<const char*>(&n), sizeof n);
}

/// A file with this header and so many bytes of data: 0, 1, 2, ...
std::string file_of(const std::string& header, std::size_t data_bytes = 0) {
  std::string file = length_of(header.size()) + header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

SafetensorsFile parse(const std::string& file) {
  const auto bytes = std::as_bytes(std::span(file));
  return parse_safetensors({bytes.begin(), bytes.end()}, "x");
}

/// The header of one tensor "t".
std::string one(const std::string& type, const std::string& shape, const std::string& offsets) {
  return R"({"t":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

constexpr auto two_tensors =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}   )";

}  // namespace

TEST_CASE("a file is taken apart into entries, metadata and spans of data") {
  const SafetensorsFile file = parse(file_of(two_tensors, 11));
  REQUIRE(file.entries.size() == 2);
  CHECK(file.metadata == Metadata{{"format", "pt"}});
  const TensorEntry* a = file.find("a");
  REQUIRE(a != nullptr);
  CHECK(a->type == ElementType::f32);
  CHECK(a->shape == std::vector<std::int64_t>{2, 1});
  CHECK(file.data(*a).size() == 8);
  CHECK(file.data(*file.find("b"))[2] == std::byte{10});
  CHECK(file.find("c") == nullptr);
  CHECK(*file.find_text("format") == "pt");
  CHECK(file.find_text("author") == nullptr);
}

TEST_CASE("order, keys' order, spaces, escapes, scalars and empty tensors are no obstacle") {
  const SafetensorsFile file =
      parse(file_of(R"({"\u0062" : {"shape":[], "data_offsets":[2, 4],"dtype":"BF16"},
                "a":{"dtype":"I16","shape":[ 1 ],"data_offsets":[0,2]},
                "e":{"dtype":"F64","shape":[3,0],"data_offsets":[2,2]}} )",
                    4));
  CHECK(file.entries.size() == 3);
  CHECK(file.find("b")->shape.empty());
  CHECK(file.data(*file.find("e")).empty());
  CHECK(parse(file_of("{}")).entries.empty());
}

TEST_CASE("what is not a safetensors file is refused at its offset") {
  const std::string pair = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)";
  const auto [file, message] = GENERATE_COPY(table<std::string, std::string>({
      {"", "byte 0: the file ends inside the header's length"},
      {"1234567", "byte 7: the file ends inside the header's length"},
      {length_of(3) + "{}", "byte 0: a header of 3 bytes, the file ends after 2"},
      {length_of(100'000'001), "byte 0: a header of 100000001 bytes; at most 100000000 go"},
      {length_of(~0ull) + "{}",
       "byte 0: a header of 18446744073709551615 bytes; at most 100000000 go"},
      {length_of(0), "byte 8: the header does not begin with '{'"},
      {file_of(" {}"), "byte 8: the header does not begin with '{'"},
      {file_of("[]"), "byte 8: the header does not begin with '{'"},
      {file_of("{} x"), "byte 11: unexpected text after the end"},
      {file_of("{\"a\xFF\":{}}"), "byte 11: not UTF-8"},
      {file_of(R"({"a":[]})"), "byte 13: expected an object"},
      {file_of(R"({"a":{}})"), "byte 15: tensor 'a': it lacks dtype, shape or data_offsets"},
      {file_of(R"({"a":{"dtype":1}})"), "byte 22: expected a string"},
      {file_of(one("F8_E4M3", "[1]", "[0,1]")),
       "byte 31: tensor 't': unknown element type 'F8_E4M3'"},
      {file_of(one("U8", "1", "[0,1]")), "byte 35: expected an array"},
      {file_of(one("U8", "[-1]", "[0,1]")), "byte 38: negative size -1"},
      {file_of(one("U8", "[1.0]", "[0,1]")), "byte 36: expected an integer of at most 64 bits"},
      {file_of(one("U8", "[1e0]", "[0,1]")), "byte 36: expected an integer of at most 64 bits"},
      {file_of(one("U8", "[9223372036854775808]", "[0,1]")),
       "byte 36: expected an integer of at most 64 bits"},
      {file_of(one("U8", "[4294967296,4294967296]", "[0,0]")),
       "byte 80: tensor 't': its size overflows 64 bits"},
      {file_of(one("F64", "[2305843009213693952]", "[0,0]")),
       "byte 79: tensor 't': its size overflows 64 bits"},
      {file_of(one("U8", "[1]", "[0]"), 1),
       "byte 57: tensor 't': data_offsets has 1 numbers, not 2"},
      {file_of(one("U8", "[1]", "[1,0]"), 1),
       "byte 60: tensor 't': it ends at 0, before it begins at 1"},
      {file_of(one("F32", "[3]", "[0,8]"), 8),
       "byte 61: tensor 't': it has 8 bytes, its shape and F32 make 12"},
      {file_of(one("U8", "[4]", "[0,4]"), 3),
       "byte 61: tensor 't' has 4 bytes, the file ends after 3"},
      {file_of(one("U8", "[4]", "[0,4]"), 6), "byte 65: 2 bytes after the last tensor"},
      {file_of(one("U8", "[4]", "[1,5]"), 5), "byte 61: unused bytes before tensor 't'"},
      {file_of("{}", 1), "byte 10: 1 bytes after the last tensor"},
      {file_of(R"({"t":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1),
       "byte 35: tensor 't': unexpected or repeated key 'dtype'"},
      {file_of(R"({"t":{"dtype":"U8","stride":[],"data_offsets":[0,1]}})", 1),
       "byte 36: tensor 't': unexpected or repeated key 'stride'"},
      {file_of(pair + R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3),
       "byte 115: tensor 'b' overlaps the last one"},
      {file_of(pair + R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})", 5),
       "byte 115: unused bytes before tensor 'b'"},
      {file_of(pair + R"("a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", 4),
       "byte 8: two tensors have the name 'a'"},
      {file_of(R"({"__metadata__":{"a":1}})"), "byte 29: expected a string"},
      {file_of(R"({"__metadata__":{"a":"","a":""}})"), "byte 8: two texts have the key 'a'"},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})"), "byte 42: __metadata__ comes twice"},
      {file_of("{" + std::string(1'000'000, '[')), "byte 9: expected a key in quotes"},
      {file_of(R"({"t":{"dtype":"U8","shape":)" + std::string(1'000'000, '[')),
       "byte 36: expected a number"},
  }));
  CAPTURE(file.substr(0, 200));
  CHECK_THROWS_WITH(parse(file), "x: " + message);
}

TEST_CASE("a shape with too many dimensions is refused before it is stored") {
  std::string shape = "[1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  CHECK_THROWS_WITH(parse(file_of(one("U8", shape + "]", "[0,1]"), 1)),
                    ContainsSubstring("more than 64 dimensions"));
}

TEST_CASE("a long name is cut in a message") {
  const std::string name(1000, 'n');
  CHECK_THROWS_WITH(parse(file_of(R"({")" + name + R"(":{}})")),
                    ContainsSubstring("tensor '" + name.substr(0, 77) + "...'"));
}

TEST_CASE("a file cut anywhere is refused") {
  const std::string whole = file_of(two_tensors, 11);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_THROWS_AS(parse(whole.substr(0, size)), needle::Error);
  }
}

TEST_CASE("a file changed anywhere is refused or read, and nothing else happens") {
  const std::string whole = file_of(two_tensors, 11);
  std::uint32_t state = 1;
  const auto random = [&] { return (state = state * 1664525 + 1013904223) >> 8; };
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = whole;
    for (std::uint32_t k = random() % 3 + 1; k > 0; --k) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    try {
      const SafetensorsFile file = parse(changed);
      for (const TensorEntry& entry : file.entries) read += file.data(entry).size() <= 11;
    } catch (const needle::Error&) {
    }
  }
  CHECK(read > 0);
}

TEST_CASE("the header of a file is the format's own, byte for byte") {
  std::vector<TensorEntry> entries{
      {.name = "m", .type = ElementType::boolean, .shape = {3}},
      {.name = "b", .shape = {2, 3}},
      {.name = "q\"\\\n\xC3\xA9\x01", .shape = {1}},
      {.name = "h", .type = ElementType::f16, .shape = {2}},
      {.name = "w", .type = ElementType::bf16, .shape = {}},
      {.name = "e", .shape = {0, 3}},
      {.name = "a", .type = ElementType::i64, .shape = {4}},
      {.name = "z", .type = ElementType::f64},
  };
  const std::string header = safetensors_header(entries, {{"format", "pt"}});
  CHECK(header.substr(8) == R"({"__metadata__":{"format":"pt"},)"
                            R"("a":{"dtype":"I64","shape":[4],"data_offsets":[0,32]},)"
                            R"("z":{"dtype":"F64","shape":[],"data_offsets":[32,40]},)"
                            R"("b":{"dtype":"F32","shape":[2,3],"data_offsets":[40,64]},)"
                            R"("e":{"dtype":"F32","shape":[0,3],"data_offsets":[64,64]},)"
                            R"("q\"\\\n)"
                            "\xC3\xA9"
                            R"(\u0001":{"dtype":"F32","shape":[1],"data_offsets":[64,68]},)"
                            R"("w":{"dtype":"BF16","shape":[],"data_offsets":[68,70]},)"
                            R"("h":{"dtype":"F16","shape":[2],"data_offsets":[70,74]},)"
                            R"("m":{"dtype":"BOOL","shape":[3],"data_offsets":[74,77]}}       )");
  CHECK(header.size() % 8 == 0);
  CHECK(header.substr(0, 8) == length_of(header.size() - 8));
  CHECK(entries.front().name == "a");
  CHECK(entries.back().begin == 74);

  std::vector<TensorEntry> none;
  CHECK(safetensors_header(none) == length_of(8) + "{}      ");
  CHECK(safetensors_header(none, {{"a", "b"}}).substr(8) ==
        R"({"__metadata__":{"a":"b"}})" + std::string(6, ' '));
}

TEST_CASE("what is written is read again") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<float> weight{1, 2, 3, 4};
  const std::string name = "blocks.0.fc1.weight \xE2\x82\xAC \"\\\t";
  const std::vector<TensorEntry> entries{{.name = name, .shape = {2, 2}},
                                         {.name = "empty", .type = ElementType::i32, .shape = {0}},
                                         {.name = "a.scalar"}};
  const auto bytes_of = [&](const TensorEntry& entry) {
    return std::as_bytes(std::span(weight).first((entry.end - entry.begin) / 4));
  };
  write_safetensors(path, entries, bytes_of, {{"note \n", "\x7F\x1F"}});
  const SafetensorsFile file = read_safetensors(path);
  CHECK(file.entries.size() == 3);
  CHECK(file.metadata == Metadata{{"note \n", "\x7F\x1F"}});
  REQUIRE(file.find(name) != nullptr);
  CHECK(file.find(name)->shape == std::vector<std::int64_t>{2, 2});
  CHECK(std::memcmp(file.data(*file.find(name)).data(), weight.data(), 16) == 0);
  CHECK(file.data(*file.find("a.scalar")).size() == 4);
}

TEST_CASE("what cannot be written is refused, and nothing is left") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const auto write = [&](const std::vector<TensorEntry>& entries) {
    write_safetensors(path, entries, [](const TensorEntry&) { return std::vector<std::byte>(4); });
  };
  CHECK_THROWS_WITH(write({{.name = "a"}, {.name = "b"}, {.name = "a"}}),
                    "safetensors: two tensors have the name 'a'");
  CHECK_THROWS_WITH(write({{.name = "__metadata__"}}),
                    "safetensors: no tensor may have the name '__metadata__'");
  CHECK_THROWS_WITH(
      write_safetensors(path, {}, [](const TensorEntry&) { return std::vector<std::byte>(); },
                        {{"k", "1"}, {"k", "2"}}),
      "safetensors: two texts have the key 'k'");
  CHECK_THROWS_WITH(write({{.name = "\xFF"}}), "safetensors: '\xFF' is not UTF-8");
  CHECK_THROWS_WITH(write({{.name = "a", .shape = {-1}}}),
                    "safetensors: the size of tensor 'a' is negative or overflows 64 bits");
  CHECK_THROWS_WITH(write({{.name = "a", .shape = {1l << 40, 1l << 40}}}),
                    "safetensors: the size of tensor 'a' is negative or overflows 64 bits");
  CHECK_THROWS_WITH(write({{.name = "a"}, {.name = "b", .shape = {2}}}),
                    "safetensors: tensor 'b' has 4 bytes, its shape and F32 make 8");
  CHECK(folder.size() == 0);
}

TEST_CASE("the conformance vectors, which another program wrote, are read") {
  const std::string folder = NEEDLE_SHARED_DIR "/vectors/";
  if (!exists(folder + "manifest.json")) SKIP("no " << folder);
  const Json manifest = Json::parse(read_file<std::string>(folder + "manifest.json"));
  for (const Json& name : manifest["files"].array()) {
    const SafetensorsFile file = read_safetensors(folder + name.string());
    CHECK(file.entries.size() > 10);
  }
}

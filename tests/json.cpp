#include "json.hpp"

#include <string>

#include "catch.hpp"

using Catch::Matchers::ContainsSubstring;
using needle::io::Json;

TEST_CASE("a document becomes values") {
  const Json json = Json::parse(
      R"( {"a": [1, -2.5e-1, 1E+3, 0], "b": {"c": null, "d": true, "e": false},
           "f": "x", "": []} )");
  CHECK(json.keys() == std::vector<std::string>{"a", "b", "f", ""});
  CHECK(json["a"].size() == 4);
  CHECK(json["a"][0].integer() == 1);
  CHECK(json["a"][1].number() == -0.25);
  CHECK(json["a"][2].integer() == 1000);
  CHECK(json["b"]["c"].is_null());
  CHECK(json["b"]["d"].boolean());
  CHECK_FALSE(json["b"]["e"].boolean());
  CHECK(json["f"].string() == "x");
  CHECK(json[""].array().empty());
  CHECK(json.find("g") == nullptr);
  CHECK(Json::parse("7").integer() == 7);
}

TEST_CASE("strings have escapes and UTF-8") {
  CHECK(Json::parse(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\uD83D\uDE00")").string() ==
        "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK(Json::parse("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"").string() ==
        "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F");
  CHECK(Json::parse(R"("\u0000")").string() == std::string(1, '\0'));
}

TEST_CASE("what is not JSON is refused at its offset") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"", "byte 0: expected a value"},
      {"[1,]", "byte 3: expected a value"},
      {"[1 2]", "byte 3: expected ',' or the end of an array"},
      {"[1", "byte 2: expected ',' or the end of an array"},
      {"{", "byte 1: expected a key in quotes"},
      {"{1:2}", "byte 1: expected a key in quotes"},
      {R"({"a" 1})", "byte 5: expected ':' after the key"},
      {R"({"a":1,})", "byte 7: expected a key in quotes"},
      {R"({"a":1])", "byte 6: expected ',' or the end of an object"},
      {R"({"a":1,"b":2,"a":3})", "byte 19: the object has two members 'a'"},
      {"01", "byte 0: expected a number"},
      {"+1", "byte 0: expected a value"},
      {".5", "byte 0: expected a value"},
      {"1.", "byte 0: expected a number"},
      {"1e", "byte 0: expected a number"},
      {"-", "byte 0: expected a number"},
      {"NaN", "byte 0: expected a value"},
      {"1e999", "byte 5: the number does not fit double precision"},
      {"1 1", "byte 2: unexpected text after the end"},
      {"tru", "byte 0: expected a value"},
      {"nulL", "byte 0: expected a value"},
      {"'a'", "byte 0: expected a value"},
      {"\"a", "byte 2: the text ends inside a string"},
      {"\"\n\"", "byte 1: a control character inside a string"},
      {R"("\x")", "byte 1: unknown escape in a string"},
      {R"("\u12g4")", "byte 1: expected four hexadecimal digits after \\u"},
      {R"("\u12)", "byte 1: expected four hexadecimal digits after \\u"},
      {R"("\)", "byte 1: unknown escape in a string"},
      {R"("\uD800")", "byte 7: half of a surrogate pair in a string"},
      {R"("\uD800\u0041")", "byte 13: half of a surrogate pair in a string"},
      {R"("\uDC00")", "byte 7: half of a surrogate pair in a string"},
      {"\"\x80\"", "byte 1: not UTF-8"},
      {"\"\xC0\x80\"", "byte 1: not UTF-8"},
      {"\"\xE0\x80\x80\"", "byte 1: not UTF-8"},
      {"\"\xED\xA0\x80\"", "byte 1: not UTF-8"},
      {"\"\xF0\x80\x80\x80\"", "byte 1: not UTF-8"},
      {"\"\xF4\x90\x80\x80\"", "byte 1: not UTF-8"},
      {"\"\xC3\"", "byte 1: not UTF-8"},
  }));
  CAPTURE(text);
  CHECK_THROWS_WITH(Json::parse(text, "x.json"), "x.json: " + message);
}

TEST_CASE("nesting is bounded, not the stack") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK_NOTHROW(Json::parse(nested(65)));
  CHECK_THROWS_WITH(Json::parse(nested(66)), "JSON: byte 65: nested deeper than 64");
  CHECK_THROWS_WITH(Json::parse(std::string(10'000'000, '[')),
                    "JSON: byte 65: nested deeper than 64");
}

TEST_CASE("a value asked for what it is not says what it is") {
  const Json json = Json::parse(R"({"a": [1.5]})");
  CHECK_THROWS_WITH(json["b"], "JSON: the object has no member 'b'");
  CHECK_THROWS_WITH(json["a"]["b"], "JSON: expected an object, found an array");
  CHECK_THROWS_WITH(json["a"][1], "JSON: no element 1 in an array of 1");
  CHECK_THROWS_WITH(json["a"][0].integer(), "JSON: 1.5 is not an integer of at most 53 bits");
  CHECK_THROWS_WITH(json["a"][0].string(), "JSON: expected a string, found a number");
  CHECK_THROWS_WITH(Json::parse("1e300").integer(), ContainsSubstring("is not an integer"));
}

TEST_CASE("the manifest of the conformance vectors is read") {
  const std::string path = NEEDLE_SHARED_DIR "/vectors/manifest.json";
  if (!needle::io::exists(path)) SKIP("no " << path);
  const Json manifest = Json::parse(needle::io::read_file<std::string>(path), path);
  CHECK(manifest["format"].integer() == 1);
  CHECK(manifest["files"].size() == 13);
  CHECK(manifest["cases"].size() > 100);
  CHECK(manifest["cases"][0]["op"].string() != "");
}

TEST_CASE("The second half of a surrogate pair is one") {
  for (const char* text : {R"("\ud800\ue000")", R"("\ud800\uffff")", R"("\ud800\u0041")"})
    CHECK_THROWS_WITH(Json::parse(text), "JSON: byte 13: half of a surrogate pair in a string");
}

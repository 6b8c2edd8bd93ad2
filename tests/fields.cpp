#include "needle/nn/fields.hpp"

#include <any>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "catch.hpp"

namespace nn = needle::nn;

namespace test_fields {

// What modules are made of.
struct Weight {
  float value = 0;
};
struct Linear {
  int in = 1;
  int out = 1;
  bool bias = true;
  Weight weight = {static_cast<float>(in * out)};
  std::optional<Weight> offset = bias ? std::optional(Weight{1}) : std::nullopt;
};
struct Block {
  Linear fc1{.in = 2, .out = 3}, fc2{.in = 3, .out = 2};
  std::vector<Linear> layers = std::vector<Linear>(2);
};
template <class Real>
struct Scale {
  Real factor_ = 2;
  Real lambda_ = 3;
};

struct NotAscii {
  int größe, ß, x;
};

// Shapes that a count by trial could get wrong.
struct Empty {};
struct Two {
  int a, b;
};
struct OneAggregate {
  Two inner;
};
struct OneInOne {
  OneAggregate inner;
};
struct OneEmpty {
  Empty e;
};
struct Aggregates {
  Two a;
  Empty b;
  std::array<float, 3> c;
  std::array<Two, 2> d;
};
struct Hyper {
  int in = 3;
  bool bias = true;
  float p = 0.5f;
  std::vector<int> sizes = {1, 2, 3};
  std::optional<std::string> name;
};
struct OneAny {
  std::any a;
};
struct Anys {
  std::any a, b;
  std::optional<std::any> c;
  std::tuple<std::any> d;
  int e;
};
struct FromReference {
  template <class T>
  FromReference(T&&) {}
};
struct FromConstant {
  template <class T>
  FromConstant(const T&) {}
};
struct FromValue {
  template <class T>
  FromValue(T) {}
};
struct Greedy {
  FromReference a;
  FromConstant b;
  int c;
  FromConstant d;
};
struct GreedyValue {
  FromValue a;
  int b;
};
struct OneGreedy {
  FromReference a;
};
struct Tuples {
  std::tuple<> a;
  std::tuple<int> b;
  std::tuple<int, float> c;
  std::pair<int, Two> d;
};
struct Functions {
  std::function<void()> a;
  std::function<int(int)> b;
  std::function<void(std::any)> c;
  void (*d)(int);
};
struct MoveOnly {
  std::unique_ptr<int> a;
  std::unique_ptr<MoveOnly> b;
  std::mutex c;
  std::atomic<int> d;
};
struct Library {
  std::variant<int, float, std::string> a;
  std::shared_ptr<int> b;
  std::string_view c;
  std::span<int> d;
  std::map<std::string, int> e;
  std::initializer_list<int> f;
  std::vector<Library> g;
};
struct NoDefault {
  explicit NoDefault(int) {}
};
struct ExplicitDefault {
  explicit ExplicitDefault(int = 0) {}
};
struct NoDefaults {
  int a;
  NoDefault b;
  int c;
  NoDefault d;
  ExplicitDefault e;
};
struct Constants {
  const int a;
  const std::string b;
};
union Either {
  int a;
  float b;
};
struct Odd {
  [[no_unique_address]] Empty a;
  Either b;
  enum class Kind { one } c;
  const char* d;
  int e[1];
};
struct Most {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z;
  int aa, bb, cc, dd, ee, ff;
};
struct TooMany {
  Most most;
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z;
  int aa, bb, cc, dd, ee, ff;
};

// Types that are not aggregates.
struct Derived : Two {
  int c;
};
struct DerivedFromOne : OneAggregate {
  int c;
};
struct DerivedFromEmpty : Empty {
  int c;
};
struct OnlyDerived : Two {};
struct Constructed {
  Constructed() {}
  int a = 0;
};
struct Refers {
  Two& first;
  Two second;
};
struct RefersToOne {
  static inline Two one{};
  Two& first = one;
  Two second{};
};
struct Arrays {
  std::string name;
  Two twos[2];
};
struct ArrayOfArrays {
  float matrix[2][2];
  int last;
};
class Private {
  [[maybe_unused]] int a = 0;
};

class Listed {
 public:
  void fields(auto&& f) { f("weight", weight_), f("bias_", bias_); }

 private:
  Weight weight_{3};
  int bias_ = 4;
};
class ListedConst {
 public:
  void fields(auto&& f) const { f("weight", weight_); }

 private:
  Weight weight_{5};
};
struct ListedAggregate {
  Weight weight;
  Weight cache;
  void fields(auto&& f) { f("weight", weight); }
};

/// "a b c", as for_each_field names them.
template <class T>
std::string names(const T& object) {
  std::string text;
  nn::for_each_field(object, [&](std::string_view name, const auto&) {
    text.append(text.empty() ? "" : " ").append(name);
  });
  return text;
}

template <class T>
std::string names_of_type() {
  std::string text;
  for (const std::string_view name : nn::field_names<T>) {
    text.append(text.empty() ? "" : " ").append(name);
  }
  return text;
}

}  // namespace test_fields

using namespace test_fields;

TEST_CASE("an aggregate's fields are counted and named, whatever their types") {
  CHECK(names_of_type<Empty>() == "");
  CHECK(names_of_type<Two>() == "a b");
  CHECK(names_of_type<OneAggregate>() == "inner");
  CHECK(names_of_type<OneInOne>() == "inner");
  CHECK(names_of_type<OneEmpty>() == "e");
  CHECK(names_of_type<Aggregates>() == "a b c d");
  CHECK(names_of_type<Hyper>() == "in bias p sizes name");
  CHECK(names_of_type<Linear>() == "in out bias weight offset");
  CHECK(names_of_type<Block>() == "fc1 fc2 layers");
  CHECK(names_of_type<OneAny>() == "a");
  CHECK(names_of_type<Anys>() == "a b c d e");
  CHECK(names_of_type<Greedy>() == "a b c d");
  CHECK(names_of_type<GreedyValue>() == "a b");
  CHECK(names_of_type<OneGreedy>() == "a");
  CHECK(names_of_type<Tuples>() == "a b c d");
  CHECK(names_of_type<Functions>() == "a b c d");
  CHECK(names_of_type<MoveOnly>() == "a b c d");
  CHECK(names_of_type<Library>() == "a b c d e f g");
  CHECK(names_of_type<NoDefaults>() == "a b c d e");
  CHECK(names_of_type<Constants>() == "a b");
  CHECK(names_of_type<Odd>() == "a b c d e");
  CHECK(nn::field_count<Most> == 32);
  CHECK(names_of_type<Most>() ==
        "a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd ee ff");
}

namespace {
struct Unnamed {
  Weight weight;
  std::vector<Linear> layers;
};
}  // namespace

TEST_CASE("names lose one trailing underscore, and templates and hidden structs have names too") {
  struct Local {
    Weight under_score_;
    Scale<float> scale;
  };
  CHECK(names(Local{}) == "under_score scale");
  CHECK(names(Scale<double>{}) == "factor lambda");
  CHECK(names(NotAscii{}) == "größe ß x");
  CHECK(names(Unnamed{}) == "weight layers");
}

TEST_CASE("fields are visited in order, and can be changed unless the object is const") {
  Linear linear{.in = 4, .out = 2, .bias = false};
  std::string seen;
  nn::for_each_field(linear, [&]<class Field>(std::string_view name, Field& field) {
    static_assert(!std::is_const_v<Field>);
    seen += std::string(name) + ' ';
    if constexpr (std::is_same_v<Field, Weight>) {
      CHECK(field.value == 8);
      field.value = 9;
    }
  });
  CHECK(seen == "in out bias weight offset ");
  CHECK(linear.weight.value == 9);

  const Linear fixed;
  nn::for_each_field(
      fixed, []<class Field>(std::string_view, Field&) { static_assert(std::is_const_v<Field>); });
  Constants constants{1, "b"};
  nn::for_each_field(constants, []<class Field>(std::string_view, Field&) {
    static_assert(std::is_const_v<Field>);
  });
}

TEST_CASE("a class that lists its fields is taken at its word, const or not") {
  Listed listed;
  CHECK(names(listed) == "weight bias_");
  nn::for_each_field(listed, []<class Field>(std::string_view, Field& field) {
    static_assert(!std::is_const_v<Field>);
    if constexpr (std::is_same_v<Field, Weight>) field.value = 7;
  });
  const Listed& fixed = listed;
  nn::for_each_field(fixed, []<class Field>(std::string_view, Field& field) {
    static_assert(std::is_const_v<Field>);
    if constexpr (std::is_same_v<Field, const Weight>) CHECK(field.value == 7);
  });

  ListedConst listed_const;
  nn::for_each_field(listed_const, [](std::string_view, Weight& weight) { weight.value = 8; });
  nn::for_each_field(std::as_const(listed_const),
                     [](std::string_view, const Weight& weight) { CHECK(weight.value == 8); });
  CHECK(names(ListedAggregate{}) == "weight");
}

TEST_CASE("a type whose fields cannot be seen is known as such") {
  STATIC_REQUIRE(nn::Reflectable<Listed>);
  STATIC_REQUIRE(nn::Reflectable<const Linear>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Derived>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<DerivedFromOne>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<DerivedFromEmpty>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<OnlyDerived>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Constructed>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Private>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Arrays>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<ArrayOfArrays>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Refers>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<RefersToOne>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<TooMany>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Either>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<int>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Two[3]>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<Two*>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<std::string>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<std::vector<Linear>>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<std::array<Linear, 2>>);
  STATIC_REQUIRE_FALSE(nn::Reflectable<std::optional<Linear>>);
}

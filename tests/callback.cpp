#include "needle/core/callback.hpp"

#include "catch.hpp"

using needle::Callback;

TEST_CASE("A callback is what it was made from, or nothing") {
  const Callback<int(int, int)> nothing, add = [](int a, int b) { return a + b; };
  CHECK_FALSE(nothing);
  CHECK_FALSE(Callback<int(int, int)>(nullptr));
  CHECK_FALSE(Callback<int(int, int)>(static_cast<int (*)(int, int)>(nullptr)));
  REQUIRE(add);
  CHECK(add(2, 3) == 5);
}

TEST_CASE("Copies of a callback call one object, which goes with the last of them") {
  struct Counter {
    int* ended;
    int calls = 0;
    explicit Counter(int* ended) : ended(ended) {}
    Counter(Counter&& other) : ended(std::exchange(other.ended, nullptr)), calls(other.calls) {}
    ~Counter() {
      if (ended) ++*ended;
    }
    int operator()() { return ++calls; }
  };
  int ended = 0;
  {
    Callback<int()> copy;
    {
      const Callback<int()> first = Counter(&ended);
      CHECK(first() == 1);
      copy = first;
      CHECK(copy() == 2);
      CHECK(first() == 3);
    }
    CHECK(copy() == 4);
    CHECK(ended == 0);
  }
  CHECK(ended == 1);
}

TEST_CASE("A callback without a result takes what has one") {
  int count = 0;
  const Callback<void()> callback = [&] { return ++count; };
  callback();
  CHECK(count == 1);
}

TEST_CASE("Arguments arrive as they were given: references as references") {
  const Callback<void(int&, std::string)> append = [](int& to, std::string text) {
    to += static_cast<int>(text.size());
  };
  int sum = 1;
  append(sum, "four");
  CHECK(sum == 5);
}

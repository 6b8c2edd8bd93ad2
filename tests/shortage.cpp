// Where there is no memory for one more object, std::bad_alloc comes out, and what was asked for
// can be asked for again: whichever object it was, the result is the same.

#include <new>
#include <thread>

#include "allocations.hpp"
#include "check.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/slice.hpp"
#include "needle/optim/adam.hpp"

using namespace needle;

namespace {

/// Makes a state and does something with it, once for each of the objects this makes: without
/// memory for that one, and if that is an error, again; then looks at the result. Returns how many
/// objects there are.
template <class Make, class Do, class Check>
int without_each(Make make, Do what, Check check) {
  for (int n = 0;; ++n) {
    bool refused = false;
    std::string error;
    const auto once = [&] {
      auto state = make();
      bool done = false;
      refuse_allocation(n);
      try {
        what(state);
        done = true;
      } catch (const std::bad_alloc&) {
      }
      refused = allocation_refused();
      refuse_allocation(-1);
      if (!done) what(state);
      check(state);
    };
    std::thread([&] {  // a thread begins without blocks and lists that it kept from before
      try {
        once();
      } catch (const std::exception& e) {
        refuse_allocation(-1);
        error = e.what();
      }
    })
        .join();
    INFO("without memory for object " << n);
    CHECK(error == "");
    if (!refused || !error.empty()) return n;
  }
}

/// An expression of many nodes.
template <Device D>
Tensor<D> chain(const Tensor<D>& x, int length) {
  Tensor<D> y = x;
  for (int i = 0; i < length; ++i) y = sum(y * 0.5 + x, {}, true) * 0.01 + x;
  return y;
}

template <Device D>
void expect(const Tensor<D>& x, const List& expected) {
  if (list(x) != expected) fail("another result: ", list(x)[0]);
}

}  // namespace

DEVICE_TEST_CASE("Without memory for an object of it, an evaluation can be repeated") {
  const auto make = [] { return chain(ones<D>({10}).realize(), 5); };
  const List expected = list(make());
  const int count = without_each(
      make, [](const Tensor<D>& y) { y.realize(); },
      [&](const Tensor<D>& y) { expect(y, expected); });
  CHECK(count > 3);
}

DEVICE_TEST_CASE("Without memory for an object of it, an expression can be built again") {
  struct State {
    Tensor<D> trunk = chain(Tensor<D>{1, 2, 3, 4, 5}, 5), y = {};
  };
  const List expected = list(chain(State().trunk, 5));
  const Settings before = settings;
  for (const int bytes : {10, 50}) {  // below and above what the trunk leads to, counted once
    const auto make = [&] {
      settings = before;
      State state;
      settings.max_pending_bytes = bytes;
      return state;
    };
    const int count = without_each(
        make, [](State& s) { s.y = chain(s.trunk, 5); },
        [&](const State& s) { expect(s.y, expected); });
    CHECK(count > 10);
  }
  settings = before;
}

DEVICE_TEST_CASE("Without memory for an object of it, backward can be repeated") {
  struct State {
    Tensor<D> x, loss;
  };
  const auto make = [] {
    const Tensor<D> x = ones<D>({10}).requires_grad(true);
    return State{x, sum(chain(x, 4) * x)};
  };
  const State whole = make();
  whole.loss.backward();
  const List expected = list(whole.x.grad());
  const int count = without_each(
      make, [](const State& s) { s.loss.backward(); },
      [&](const State& s) { expect(s.x.grad(), expected); });
  CHECK(count > 10);
}

DEVICE_TEST_CASE("Without memory for an object of it, an optimizer's step is made once") {
  struct State {
    nn::Parameter<D> w{ones<D>({3})};
    optim::Adam<D> adam{{w.cell()}, {.lr = 0.1}};
    Tensor<D> old = *w;  // so that the step has to make another leaf
    State() { sum(square(*w)).backward(); }
    List after_another_step() {
      sum(square(*w)).backward();
      adam.step();
      return list(*w);
    }
  };
  State whole;
  whole.adam.step();
  const List expected = whole.after_another_step();
  const int count = without_each([] { return State(); }, [](State& s) { s.adam.step(); },
                                 [&](State& s) {
                                   if (s.after_another_step() != expected) fail("another value");
                                 });
  CHECK(count > 3);
}

DEVICE_TEST_CASE("Without memory for an object of it, a leaf can be marked and memory borrowed") {
  const std::vector<typename D::Real> numbers{1, 2};
  struct State {
    Tensor<D> x{1, 2}, y = {};
    int ended = 0;
  };
  const auto make = [] { return State(); };
  const int objects = without_each(
      make, [](State& s) { s.x.requires_grad(true); },
      [](State& s) {
        sum(s.x).backward();
        expect(s.x.grad(), {1, 1});
      });
  CHECK(objects > 0);
  const int borrowed = without_each(
      make, [&](State& s) { s.y = borrow<D>(numbers.data(), {2}, [&s] { ++s.ended; }); },
      [](State& s) {
        if (s.ended != 0) fail("ended ", s.ended, " times");
        expect(s.y, {1, 2});
        s.y = Tensor<D>();
        if (s.ended != 1) fail("ended ", s.ended, " times at last");
      });
  CHECK(borrowed > 1);
}

DEVICE_TEST_CASE("Memory that nothing can remember as free goes back to the system") {
  const Tensor<D> other = (zeros<D>({4'000'000}) + 1).realize();  // so that more may be cached
  const std::size_t live = memory_stats<D>().live;
  for (const std::int64_t size : {777'777, 1'555'555}) {  // as no other test uses
    Tensor<D> x = (zeros<D>({size}) + 1).realize();
    refuse_allocation(0);
    x = Tensor<D>();
    const bool refused = allocation_refused();
    refuse_allocation(-1);
    CHECK(refused);
    CHECK(memory_stats<D>().live == live);
  }
}

// The check itself: what it has to notice makes it fail.
#include "check.hpp"

#include "needle/ops/elementwise.hpp"

using namespace needle;

namespace {

struct WrongFirst {
  using Function = scalar::Exp;
  static auto gradient(const auto& g, const auto&, const auto&) { return std::array{g}; }
};

struct WrongSecond {
  using Function = scalar::Exp;
  static auto gradient(const auto& g, const auto& y, const auto&) {
    return std::array{g * stop_gradient(y)};
  }
};

struct Keeps {
  static Shape shape(const Shape& x) { return x; }
  static auto gradient(const auto& g, const auto&, const auto&) { return std::array{g}; }
};

struct ForgetsStrides : Keeps {
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    return Array<D>(x, compact_layout(x.shape));
  }
};

struct OtherOnCpu : Keeps {
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    if (std::is_same_v<D, Reference>) return x;
    return Array<D>(x, sliced(x, 0, x.shape[0] - 1, x.shape[0], -1));
  }
};

template <class Op>
constexpr auto applied = [](auto x) { return apply(Op{}, x); };

}  // namespace

TEST_CASE("A wrong first derivative is noticed", "[!shouldfail]") {
  check_op<Reference>(applied<WrongFirst>, numbers({3}));
}

TEST_CASE("A wrong second derivative is noticed", "[!shouldfail]") {
  check_op<Reference>(applied<WrongSecond>, numbers({3}));
}

TEST_CASE("An op that forgets strides is noticed", "[!shouldfail]") {
  check_op<Cpu>(applied<ForgetsStrides>, numbers({3, 2}));
}

TEST_CASE("A device that calculates something else is noticed", "[!shouldfail]") {
  check_op<Cpu>(applied<OtherOnCpu>, numbers({3}));
}

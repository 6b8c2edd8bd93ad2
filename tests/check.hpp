// `check_op<D>(f, inputs...)` says that an op is right: its value and its first two derivatives,
// for every way its inputs can lie in memory, fused, op by op and eagerly.
//
// On `Reference` derivatives are compared with finite differences, elsewhere everything is compared
// with `Reference`. What is differentiated is L = sum(w f(x)^2) and S = sum(h dL/dx) with fixed
// numbers w and h, all different, so that exchanged axes or a missing factor show, and so that the
// second derivative of a linear op is not zero.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "devices.hpp"
#include "needle/ops/reduction.hpp"

/// Numbers as tests write them: CHECK(list(x) == List{1, 2, 3}).
using List = std::vector<double>;

/// The elements of a tensor.
template <needle::Device D>
List list(const needle::Tensor<D>& x) {
  return x.template values<double>();
}

/// A vector of int32.
template <needle::Device D>
needle::Tensor<D> ints(const std::vector<std::int32_t>& values) {
  return needle::Tensor<D>(values, {static_cast<std::int64_t>(values.size())});
}

/// A vector of uint8.
template <needle::Device D>
needle::Tensor<D> bytes(const std::vector<std::uint8_t>& values) {
  return needle::Tensor<D>(values, {static_cast<std::int64_t>(values.size())});
}

/// A leaf that requires a gradient.
template <needle::Device D>
needle::Tensor<D> variable(const needle::Tensor<D>& value) {
  needle::Tensor<D> leaf = value.detach();
  return leaf.requires_grad(true);
}

/// What an `Error` says, or "nothing was refused".
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const needle::Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

/// Changes a setting for a scope.
template <class T>
struct Setting {
  T& setting;
  T before = setting;
  Setting(T& setting, T value) : setting(setting) { setting = value; }
  ~Setting() { setting = before; }
};

/// An argument of an op under test: its shape, and what its elements are.
struct Input {
  needle::Shape shape;
  double low, high;
  enum Kind { real, whole, byte } kind = real;
};

/// Numbers in [low, high), none like another and none next to 0; the op is differentiated by them.
inline Input numbers(const needle::Shape& shape, double low = -2, double high = 2) {
  return {shape, low, high};
}
/// Numbers in [1/2, 2).
inline Input positive(const needle::Shape& shape) { return {shape, 0.5, 2}; }
/// Ids below a count, int32.
inline Input ids(const needle::Shape& shape, int count) {
  return {shape, 0, double(count), Input::whole};
}
/// Zeros and ones, uint8.
inline Input mask(const needle::Shape& shape) { return {shape, 0, 2, Input::byte}; }

namespace check {

using needle::Array;
using needle::Cpu;
using needle::Device;
using needle::Layout;
using needle::Reference;
using needle::Shape;
using needle::Tensor;

template <Device D>
using Function = std::function<Tensor<D>(const std::vector<Tensor<D>>&)>;

/// The i-th of evenly spread numbers in [low, high), exact in float; each `k` has its own.
inline double spread(double low, double high, std::int64_t i, std::size_t k) {
  const double turns = 0.5 + static_cast<double>(i + 1) * 0.6180339887498949 +
                       static_cast<double>(k) * 0.7548776662466927;
  return low + (high - low) * std::floor((turns - std::floor(turns)) * 65536) / 65536;
}

/// The elements of the k-th input.
inline List elements(const Input& input, std::size_t k) {
  List values(static_cast<std::size_t>(input.shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = spread(input.low, input.high, static_cast<std::int64_t>(i), k);
    if (input.kind != Input::real) values[i] = std::floor(values[i]);
  }
  return values;
}

template <Device D>
Array<D> upload(const List& values, const Shape& shape, Input::Kind kind) {
  const auto as = [&]<class T>(T) {
    return needle::upload<D>(std::vector<T>(values.begin(), values.end()).data(), shape);
  };
  return kind == Input::real    ? as(typename D::Real{})
         : kind == Input::whole ? as(std::int32_t{})
                                : as(std::uint8_t{});
}

/// How the elements of an input lie in memory.
enum class View { compact, transposed, stepped, reversed, repeated };
inline const char* name(View view) {
  constexpr const char* names[] = {"compact", "transposed", "stepped", "reversed", "repeated"};
  return names[static_cast<int>(view)];
}

/// The elements of x in another array, seen through a view (`repeated`: its first row everywhere);
/// around them lies NaN, or 99.
template <Device D>
Array<D> seen(const Array<D>& x, View view, Input::Kind kind) {
  if (view == View::compact || x.ndim() == 0) return x;
  Layout layout = x;
  if (view == View::repeated) {
    if (x.shape[0] == 0) return x;
    return Array<D>(x, broadcasted(sliced(layout, 0, 0, 1, 1), x.shape));
  }
  Shape whole;
  needle::Axes order;
  for (int i = 0; i < x.ndim(); ++i) {
    const int mirrored = x.ndim() - 1 - i;
    order.push_back(mirrored);
    whole.push_back(view == View::transposed ? x.shape[mirrored] : 2 * x.shape[i] + 1);
  }
  const List around(static_cast<std::size_t>(whole.size()), kind == Input::real ? NAN : 99);
  const Array<D> base = upload<D>(around, whole, kind);
  layout = base;
  if (view == View::transposed) {
    layout = permuted(layout, order);
  } else {
    for (int i = 0; i < x.ndim(); ++i) {
      const bool back = view == View::reversed;
      layout = needle::sliced(layout, i, back ? 2 * x.shape[i] - 1 : 1, x.shape[i], back ? -2 : 2);
    }
  }
  Array<D> result(base, layout);
  copy(x, result);
  return result;
}

/// Compares numbers with what they should be, relative to the largest of these or 1.
inline void compare(const std::string& what, const List& x, const List& expected,
                    double tolerance) {
  INFO(what);
  REQUIRE(x.size() == expected.size());
  double scale = 1, worst = 0;
  std::size_t at = 0;
  for (const double value : expected)
    scale = (std::max)(scale, std::isfinite(value) ? std::fabs(value) : 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == expected[i] || (std::isnan(x[i]) && std::isnan(expected[i]));
    const double error = same ? 0 : std::fabs(x[i] - expected[i]) / scale;
    if (!(error <= worst)) worst = error, at = i;
  }
  if (worst <= tolerance) return;
  INFO("element " << at << " is " << x[at] << ", should be " << expected[at]);
  CHECK(worst <= tolerance);
}

/// What an op makes of its inputs: its value, dL/dx and dS/dx for each input it is differentiated
/// by.
struct Outcome {
  Shape shape;
  List value;
  std::vector<List> first, second;
  double l = 0, s = 0;
};

/// The sum of x times fixed numbers, all different.
template <Device D>
Tensor<D> weighted(const Tensor<D>& x, std::size_t k) {
  const Input input = numbers(x.shape(), 0.5, 1.5);
  return sum(x * Tensor<D>(upload<D>(elements(input, k), input.shape, input.kind)));
}

/// Calculates an op and its derivatives up to an order.
template <Device D>
Outcome outcome(const Function<D>& f, const std::vector<Array<D>>& arrays, int order = 2) {
  std::vector<Tensor<D>> x, by;
  for (const Array<D>& array : arrays) {
    x.emplace_back(array);
    if (is_float(array.dtype)) by.push_back(x.back().requires_grad(true));
  }
  const Tensor<D> y = f(x);
  Outcome result{y.shape(), list(y), {}, {}};
  if (by.empty() || !y.requires_grad()) return result;
  Tensor<D> nothing = sum(by[0] * 0.0);  // makes everything depend on every input
  for (std::size_t i = 1; i < by.size(); ++i) nothing = nothing + sum(by[i] * 0.0);
  const Tensor<D> l = weighted(y * y, 11) + nothing;
  result.l = l.template item<double>();
  if (order == 0) return result;
  const std::vector<Tensor<D>> gradients = grad(l, by);
  Tensor<D> s = nothing;
  for (std::size_t i = 0; i < by.size(); ++i) s = s + weighted(gradients[i], 12 + i);
  result.s = s.template item<double>();
  for (const Tensor<D>& gradient : gradients) result.first.push_back(list(gradient));
  if (order == 1) return result;
  for (const Tensor<D>& gradient : grad(s, by)) {
    result.second.push_back(list(gradient));
  }
  l.backward();
  for (std::size_t i = 0; i < by.size(); ++i) {
    const double tolerance = sizeof(typename D::Real) == 8 ? 1e-12 : 1e-5;
    compare("backward() and grad() " + std::to_string(i), list(by[i].grad()), result.first[i],
            tolerance);
  }
  return result;
}

/// What results may differ by: the value, the first and the second derivative.
struct Tolerance {
  double value, first, second;
};

inline void compare(const std::string& what, const Outcome& x, const Outcome& expected,
                    const Tolerance& tolerance) {
  INFO(what);
  CHECK(str(x.shape) == str(expected.shape));
  compare("value", x.value, expected.value, tolerance.value);
  REQUIRE(x.first.size() == expected.first.size());
  for (std::size_t i = 0; i < x.first.size(); ++i) {
    const std::string number = std::to_string(i);
    compare("first derivative " + number, x.first[i], expected.first[i], tolerance.first);
    compare("second derivative " + number, x.second[i], expected.second[i], tolerance.second);
  }
}

/// Compares the derivatives on `Reference` with central differences.
inline void check_derivatives(const Function<Reference>& f, const std::vector<Input>& inputs,
                              const Outcome& plain) {
  if (plain.first.empty()) return;
  constexpr double step = 1e-5;
  std::size_t by = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (inputs[k].kind != Input::real) continue;
    List first, second;
    for (std::size_t at = 0; at < elements(inputs[k], k).size(); ++at) {
      const auto moved = [&](double by) {
        std::vector<Array<Reference>> arrays;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          List values = elements(inputs[i], i);
          if (i == k) values[at] += by;
          arrays.push_back(upload<Reference>(values, inputs[i].shape, inputs[i].kind));
        }
        return outcome<Reference>(f, arrays, 1);
      };
      const Outcome up = moved(step), down = moved(-step);
      first.push_back((up.l - down.l) / (2 * step));
      second.push_back((up.s - down.s) / (2 * step));
    }
    compare("first derivative " + std::to_string(by) + " against differences", plain.first[by],
            first, 1e-6);
    compare("second derivative " + std::to_string(by) + " against differences", plain.second[by],
            second, 1e-6);
    ++by;
  }
}

template <Device D>
void check(const Function<D>& f, const Function<Reference>& reference,
           const std::vector<Input>& inputs, const Tolerance& wide) {
  constexpr bool exact = std::is_same_v<D, Reference>;
  const Tolerance narrow = exact ? Tolerance{1e-13, 1e-12, 1e-11} : wide;
  std::vector<Array<D>> arrays;
  std::vector<Array<Reference>> reference_arrays;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const List values = elements(inputs[k], k);
    arrays.push_back(upload<D>(values, inputs[k].shape, inputs[k].kind));
    reference_arrays.push_back(upload<Reference>(values, inputs[k].shape, inputs[k].kind));
  }
  const Outcome plain = outcome<D>(f, arrays);
  if constexpr (exact) check_derivatives(f, inputs, plain);
  else
    compare("against the reference", plain, outcome<Reference>(reference, reference_arrays), wide);
  {
    const Setting unfused(needle::settings.fusion, false);
    compare("op by op", outcome<D>(f, arrays), plain, narrow);
    const Setting eager(needle::settings.eager, true);
    compare("eager", outcome<D>(f, arrays), plain, narrow);
  }
  for (const View view : {View::transposed, View::stepped, View::reversed, View::repeated}) {
    std::vector<Array<D>> views, copies;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      views.push_back(seen(arrays[k], view, inputs[k].kind));
      copies.push_back(upload<D>(list(Tensor<D>(views[k])), inputs[k].shape, inputs[k].kind));
    }
    compare(std::string("inputs ") + name(view), outcome<D>(f, views), outcome<D>(f, copies),
            narrow);
  }
}

template <Device D, class F, std::size_t... k>
Function<D> function_of(F f, std::index_sequence<k...>) {
  return [f](const std::vector<Tensor<D>>& x) { return f(x[k]...); };
}

}  // namespace check

/// Checks an op, given as a generic lambda, on these inputs; see the top of this file.
template <needle::Device D, class F, std::same_as<Input>... Inputs>
void check_op(F f, const Inputs&... inputs) {
  std::string shapes = "inputs";
  ((shapes += " " + str(inputs.shape)), ...);
  INFO(shapes);
  constexpr auto numbered = std::index_sequence_for<Inputs...>();
  check::check<D>(check::function_of<D>(f, numbered),
                  check::function_of<needle::Reference>(f, numbered), {inputs...},
                  {2e-6, 1e-5, 5e-5});
}

// Ops with several results: one node holds all their arrays, and each result is a node that takes
// its part.
#pragma once

#include <array>

#include "needle/graph/expression.hpp"

namespace needle::detail {

/// The owner of several arrays.
template <Device D, std::size_t n>
struct Bundle : Counted {
  explicit Bundle(std::array<Array<D>, n> parts) : parts(std::move(parts)) {}
  friend void destroy(Bundle* bundle) { delete bundle; }
  std::array<Array<D>, n> parts;
};

/// Several arrays as the value of one node: a block that holds their handles.
template <Device D, std::size_t n>
Array<D> bundle(std::array<Array<D>, n> parts) {
  std::size_t bytes = 0;
  for (const Array<D>& part : parts) bytes += part ? part.storage->bytes : 0;
  const Ref kept(new Bundle<D, n>(std::move(parts)));
  Array<D> result;
  result.storage = Ref(new Storage<D>(kept->parts.data(), bytes, [kept] {}));
  static_cast<Layout&>(result) = compact_layout({0});
  return result;
}

/// One of several results of an op.
template <class O>
struct Part {
  static constexpr unsigned reads = reads_nothing;
  std::int16_t index;
  Shape result;
  Dtype type;
  const Shape& shape(const Shape&) const { return result; }
  Dtype dtype(Dtype) const { return type; }
  template <Device D>
  Array<D> compute(const Array<D>& whole) const {
    return static_cast<const Array<D>*>(whole.storage->data)[index];
  }
};

/// What users wrote: the op itself, or that which it is a result of.
template <class O>
struct Written {
  using Op = O;
};
template <class O>
struct Written<Part<O>> {
  using Op = O;
};

template <class>
inline constexpr std::size_t array_size = 0;
template <std::size_t n>
inline constexpr std::size_t array_size<std::array<Shape, n>> = n;

template <class O, class Each>
inline constexpr std::size_t results_of = 0;
template <class O, std::size_t... i>
requires requires(const O& op, const Shape& x) { op.shape((static_cast<void>(i), x)...); }
inline constexpr std::size_t results_of<O, std::index_sequence<i...>> =
    array_size<std::remove_cvref_t<decltype(std::declval<const O&>().shape(
        (static_cast<void>(i), std::declval<const Shape&>())...))>>;
/// How many results an op of N inputs has where its `shape` gives an array of them; else 0.
template <class O, std::size_t N>
inline constexpr std::size_t results = results_of<O, std::make_index_sequence<N>>;

}  // namespace needle::detail

// One loop nest over several operands, with as few dimensions as their strides allow.
#pragma once

#include <span>

#include "needle/core/array.hpp"

namespace needle {

/// The iteration space that operands share, and where each of them moves in it.
struct Loop {
  /// How often it runs, outermost dimension first.
  Shape shape;
  /// For each operand, in elements.
  std::vector<Strides> strides;

  /// How many iterations there are.
  std::int64_t size() const { return shape.size(); }
  /// Whether operand i is read in the order it lies.
  bool is_compact(std::size_t i) const { return Layout{shape, strides[i], 0}.is_compact(); }
  /// Whether operand i is the same element everywhere.
  bool is_constant(std::size_t i) const {
    for (std::int64_t stride : strides[i]) {
      if (stride != 0) return false;
    }
    return true;
  }
};

/// Drops sizes of 1 and joins neighbouring dimensions wherever every operand allows it.
inline Loop collapse(Loop loop) {
  int last = -1;  // the dimension that was written last
  for (int i = 0; i < loop.shape.ndim(); ++i) {
    const std::int64_t n = loop.shape[i];
    if (n == 1) continue;
    bool joins = last >= 0;
    for (std::size_t k = 0; joins && k < loop.strides.size(); ++k) {
      joins = loop.strides[k][last] == loop.strides[k][i] * n;
    }
    if (joins) {
      loop.shape[last] *= n;
    } else {
      loop.shape[++last] = n;
    }
    for (Strides& strides : loop.strides) strides[last] = strides[i];
  }
  while (loop.shape.ndim() > last + 1) {
    loop.shape.erase(loop.shape.ndim() - 1);
    for (Strides& strides : loop.strides) strides.erase(strides.ndim() - 1);
  }
  return loop;
}

/// The loop over views of one shape.
template <Device D>
Loop loop_over(const Shape& shape, std::span<const Array<D>> first,
               std::span<const Array<D>> second = {}) {
  Loop loop{shape, {}};
  loop.strides.reserve(first.size() + second.size());
  for (const Array<D>& array : first) loop.strides.push_back(array.strides);
  for (const Array<D>& array : second) loop.strides.push_back(array.strides);
  return collapse(std::move(loop));
}

/// Calls `body(offset, count, stride)` for each run of operand k that covers `count` positions of
/// the innermost dimension, for the positions [begin, begin + length) of the loop in row-major
/// order.
template <class Body>
void for_each_run(const Loop& loop, const Strides& strides, std::int64_t begin, std::int64_t length,
                  Body&& body) {
  const int n = loop.shape.ndim();
  if (n == 0) return body(std::int64_t{0}, length, std::int64_t{0});
  std::int64_t index[max_dims], offset = 0, rest = begin;
  for (int i = n - 1; i >= 0; --i) {
    index[i] = rest % loop.shape[i];
    rest /= loop.shape[i];
    offset += index[i] * strides[i];
  }
  const std::int64_t inner = loop.shape[n - 1], stride = strides[n - 1];
  while (length > 0) {
    const std::int64_t count = (std::min)(length, inner - index[n - 1]);
    body(offset, count, stride);
    length -= count;
    offset -= index[n - 1] * stride;
    index[n - 1] = 0;
    for (int i = n - 2; i >= 0; --i) {
      offset += strides[i];
      if (++index[i] < loop.shape[i]) break;
      offset -= index[i] * strides[i];
      index[i] = 0;
    }
  }
}

}  // namespace needle

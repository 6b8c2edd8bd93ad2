// A device like another one, of which it uses the kernels, that counts what it is asked to do. It
// is written as a user would write one: outside of the library, of which it changes no file.
#pragma once

#include "needle/cpu/kernels.hpp"
#include "needle/program/backend.hpp"

namespace counting {

/// How many kernels ran, and how many elements `copy` moved.
struct Counts {
  int products = 0, programs = 0, reductions = 0, copies = 0, randoms = 0, softmaxes = 0;
};
inline Counts counts;
/// So many requests for memory from now on, the last of them is refused; 0: none is.
inline int until_refusal = 0;

/// The host's memory, counted by its own cache.
template <class Base>
struct On : needle::HostCopies {
  using Real = typename Base::Real;
  static constexpr std::string_view name = "counting";

  static needle::Cache<On>& cache() { return needle::Cache<On>::instance(); }
  static void* allocate(std::size_t bytes) {
    if (until_refusal > 0 && --until_refusal == 0) needle::fail("memory: counting is full");
    return cache().allocate(bytes);
  }
  static void release(void* block, std::size_t bytes) { cache().release(block, bytes); }
  static void* system_allocate(std::size_t bytes) { return std::aligned_alloc(64, bytes); }
  static void system_release(void* block, std::size_t) { std::free(block); }
};
using Device = On<needle::Cpu>;

template <class Base>
using Array = needle::Array<On<Base>>;

/// The same memory as an array of the other device.
template <class Base>
needle::Array<Base> base(const Array<Base>& array) {
  needle::Array<Base> same;
  static_cast<needle::Layout&>(same) = array;
  same.dtype = array.dtype;
  same.storage =
      needle::Ref(new needle::Storage<Base>(array.storage->data, array.storage->bytes, {}));
  return same;
}
template <class Base>
std::vector<needle::Array<Base>> base(std::span<const Array<Base>> arrays) {
  std::vector<needle::Array<Base>> same;
  for (const Array<Base>& array : arrays) same.push_back(base(array));
  return same;
}

template <class Base>
void execute(const needle::Program& program, std::span<const Array<Base>> inputs,
             std::span<Array<Base>> outputs) {
  ++counts.programs;
  const std::vector<needle::Array<Base>> from = base(inputs);
  std::vector<needle::Array<Base>> to = base(std::span<const Array<Base>>(outputs));
  execute(program, std::span<const needle::Array<Base>>(from), std::span<needle::Array<Base>>(to));
}
template <class Base>
void reduce(needle::Monoid monoid, const needle::Program& program,
            std::span<const Array<Base>> inputs, const needle::Shape& shape, unsigned mask,
            Array<Base>& out) {
  ++counts.reductions;
  const std::vector<needle::Array<Base>> from = base(inputs);
  needle::Array<Base> to = base(out);
  reduce(monoid, program, std::span<const needle::Array<Base>>(from), shape, mask, to);
}
template <class Base>
void gemm(const Array<Base>& a, const Array<Base>& b, Array<Base>& out) {
  ++counts.products;
  needle::Array<Base> to = base(out);
  gemm(base(a), base(b), to);
}
template <class Base>
void copy(const Array<Base>& from, Array<Base>& out) {
  ++counts.copies;
  needle::Array<Base> to = base(out);
  copy(base(from), to);
}
template <class Base>
void arg_extreme(const Array<Base>& x, int axis, bool largest, Array<Base>& out) {
  needle::Array<Base> to = base(out);
  arg_extreme(base(x), axis, largest, to);
}
template <class Base>
void softmax(const Array<Base>& x, int axis, bool log, Array<Base>& out) {
  ++counts.softmaxes;
  needle::Array<Base> to = base(out);
  softmax(base(x), axis, log, to);
}
template <class Base>
void gather(const Array<Base>& x, const Array<Base>& index, int axis, Array<Base>& out) {
  needle::Array<Base> to = base(out);
  gather(base(x), base(index), axis, to);
}
template <class Base>
void scatter_add(const Array<Base>& source, const Array<Base>& index, int axis, Array<Base>& out) {
  needle::Array<Base> to = base(out);
  scatter_add(base(source), base(index), axis, to);
}
template <class Base>
void random(const needle::Distribution& distribution, const needle::RandomKey& key,
            Array<Base>& out) {
  ++counts.randoms;
  needle::Array<Base> to = base(out);
  random(distribution, key, to);
}

static_assert(needle::Backend<Device>);

}  // namespace counting

// A device like the CPU that counts what it is asked to do. It is written as a user would write
// one: outside of the library, of which it changes no file.
#pragma once

#include "needle/cpu/kernels.hpp"
#include "needle/program/backend.hpp"

namespace counting {

/// How many kernels ran, and how many elements `copy` moved.
struct Counts {
  int products = 0, programs = 0, reductions = 0, copies = 0, randoms = 0;
};
inline Counts counts;

/// The host's memory, counted by its own cache.
struct Device {
  using Real = float;
  static constexpr std::string_view name = "counting";

  static needle::Cache<Device>& cache() { return needle::Cache<Device>::instance(); }
  static void* allocate(std::size_t bytes) { return cache().allocate(bytes); }
  static void release(void* block, std::size_t bytes) { cache().release(block, bytes); }
  static void upload(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
  }
  static void download(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
  }
  static void synchronize() {}
  static void* system_allocate(std::size_t bytes) { return std::aligned_alloc(64, bytes); }
  static void system_release(void* block, std::size_t) { std::free(block); }
};

using Array = needle::Array<Device>;

/// The same memory as an array of the CPU.
inline needle::Array<needle::Cpu> cpu(const Array& array) {
  needle::Array<needle::Cpu> same;
  static_cast<needle::Layout&>(same) = array;
  same.dtype = array.dtype;
  same.storage =
      needle::Ref(new needle::Storage<needle::Cpu>(array.storage->data, array.storage->bytes, {}));
  return same;
}
inline std::vector<needle::Array<needle::Cpu>> cpu(std::span<const Array> arrays) {
  std::vector<needle::Array<needle::Cpu>> same;
  for (const Array& array : arrays) same.push_back(cpu(array));
  return same;
}

inline void execute(const needle::Program& program, std::span<const Array> inputs,
                    std::span<Array> outputs) {
  ++counts.programs;
  const std::vector<needle::Array<needle::Cpu>> from = cpu(inputs);
  std::vector<needle::Array<needle::Cpu>> to = cpu(std::span<const Array>(outputs));
  execute(program, std::span<const needle::Array<needle::Cpu>>(from),
          std::span<needle::Array<needle::Cpu>>(to));
}
inline void reduce(needle::Monoid monoid, const needle::Program& program,
                   std::span<const Array> inputs, const needle::Shape& shape, unsigned mask,
                   Array& out) {
  ++counts.reductions;
  const std::vector<needle::Array<needle::Cpu>> from = cpu(inputs);
  needle::Array<needle::Cpu> to = cpu(out);
  reduce(monoid, program, std::span<const needle::Array<needle::Cpu>>(from), shape, mask, to);
}
inline void gemm(const Array& a, const Array& b, Array& out) {
  ++counts.products;
  needle::Array<needle::Cpu> to = cpu(out);
  gemm(cpu(a), cpu(b), to);
}
inline void copy(const Array& from, Array& out) {
  ++counts.copies;
  needle::Array<needle::Cpu> to = cpu(out);
  copy(cpu(from), to);
}
inline void arg_extreme(const Array& x, int axis, bool largest, Array& out) {
  needle::Array<needle::Cpu> to = cpu(out);
  arg_extreme(cpu(x), axis, largest, to);
}
inline void gather(const Array& x, const Array& index, int axis, Array& out) {
  needle::Array<needle::Cpu> to = cpu(out);
  gather(cpu(x), cpu(index), axis, to);
}
inline void scatter_add(const Array& source, const Array& index, int axis, Array& out) {
  needle::Array<needle::Cpu> to = cpu(out);
  scatter_add(cpu(source), cpu(index), axis, to);
}
inline void random(const needle::Distribution& distribution, const needle::RandomKey& key,
                   Array& out) {
  ++counts.randoms;
  needle::Array<needle::Cpu> to = cpu(out);
  random(distribution, key, to);
}

static_assert(needle::Backend<Device>);

}  // namespace counting

// Kernels on the GPU that read or write where an index says.
//
// An index out of range must never reach memory, and its error names the first one, so every call
// looks at all indices first and waits for the answer: one small kernel and a copy of 8 bytes.
// `gather` has a thread to an element. `scatter_add` is deterministic: what goes to one element is
// added by one thread in the order of the source. A thread owns one line along the axis, or, where
// lines are few, the elements of a line whose number is its own modulo a power of two; each owner
// walks the index and leaves what is not its own. That reads the index once per owner, neighbours
// reading the same.
#pragma once

#include "needle/cuda/device.hpp"
#include "needle/cuda/space.hpp"

namespace needle::cuda {

/// The work of an index check over `count` positions.
struct IndexCheck {
  Space space;
  Operand index;
  std::int64_t count, size;
  unsigned long long* first;  // the first position that is out of range
};

template <class = void>
__global__ void __launch_bounds__(threads) check_kernel(const __grid_constant__ IndexCheck work) {
  const std::int64_t position = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (position >= work.count) return;
  const auto at = load<std::int32_t>(work.index, offset_in(work.space, work.index, position));
  if (at < 0 || at >= work.size) atomicMin(work.first, static_cast<unsigned long long>(position));
}

/// Refuses an index outside of [0, size), with the text that all devices have.
NEEDLE_ON_DEMAND
void check_range(const Array<Cuda>& index, std::int64_t size, const char* op) {
  Shape shape = index.shape;  // what is repeated is looked at once
  for (int i = 0; i < shape.ndim(); ++i) {
    if (index.strides[i] == 0 && shape[i] > 1) shape[i] = 1;
  }
  const Loop loop = collapse({shape, {index.strides}});
  if (loop.size() == 0) return;
  constexpr unsigned long long none = ~0ull;
  unsigned long long found = none;
  const Storage<Cuda> first(sizeof found);
  Cuda::upload(first.data, &found, sizeof found);
  const IndexCheck work{Space(loop.shape), Operand(index, loop.strides[0]), loop.size(), size,
                        static_cast<unsigned long long*>(first.data)};
  launch(op, check_kernel<>, blocks_for(work.count, threads), work);
  Cuda::download(&found, first.data, sizeof found);
  if (found == none) return;
  const std::int64_t offset = offset_in(work.space, work.index, static_cast<std::int64_t>(found));
  visit(index.dtype, [&]<class T>(T value) {
    Cuda::download(&value, index.data<T>() + offset, sizeof value);
    fail("index ", static_cast<std::int64_t>(value), " is outside of [0, ", size, ")");
  });
}

/// The work of `gather`, over the positions of the result.
struct Gathering {
  Space space;
  Operand x, index, out;  // x without its indexed axis
  std::int64_t stride;    // of that axis
  std::int64_t size;
};

template <class R>
__global__ void __launch_bounds__(threads) gather_kernel(const __grid_constant__ Gathering work) {
  const std::int64_t position = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (position >= work.size) return;
  const auto chosen = load<std::int32_t>(work.index, offset_in(work.space, work.index, position));
  const std::int64_t from = offset_in(work.space, work.x, position) + chosen * work.stride;
  store(work.out, position, load<R>(work.x, from));
}

/// The work of `scatter_add`, over the positions of the source's other axes; `owners` to each.
struct Scattering {
  Space space;
  Operand source, index, out;
  std::int64_t source_stride, index_stride, out_stride;  // along the axis
  std::int64_t lines, length;
  std::int32_t owners;  // a power of two
};

template <class = void>
__global__ void __launch_bounds__(threads) scatter_kernel(const __grid_constant__ Scattering work) {
  const std::int64_t number = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (number >= work.lines * work.owners) return;
  const std::int64_t line = number % work.lines;
  const auto owner = static_cast<std::int32_t>(number / work.lines);
  float* const out = static_cast<float*>(work.out.data) + offset_in(work.space, work.out, line);
  const std::int64_t from = offset_in(work.space, work.source, line);
  const std::int64_t index = offset_in(work.space, work.index, line);
  for (std::int64_t i = 0; i < work.length; ++i) {
    const auto chosen = load<std::int32_t>(work.index, index + i * work.index_stride);
    if ((chosen & (work.owners - 1)) != owner) continue;
    out[chosen * work.out_stride] += load<float>(work.source, from + i * work.source_stride);
  }
}

}  // namespace needle::cuda

namespace needle {

/// out[..., i, ...] = x[..., index[..., i, ...], ...].
NEEDLE_ON_DEMAND
void gather(const Array<Cuda>& x, const Array<Cuda>& index, int axis, Array<Cuda>& out) {
  cuda::check_range(index, x.shape[axis], "gather");
  if (out.size() == 0) return;
  Strides others = x.strides;
  others[axis] = 0;
  const Loop loop = collapse({out.shape, {others, index.strides}});
  const cuda::Gathering work{cuda::Space(loop.shape),
                             cuda::Operand(x, loop.strides[0]),
                             cuda::Operand(index, loop.strides[1]),
                             cuda::Operand(out, {}),
                             x.strides[axis],
                             loop.size()};
  const unsigned blocks = cuda::blocks_for(work.size, cuda::threads);
  if (is_float(x.dtype)) cuda::launch("gather", cuda::gather_kernel<float>, blocks, work);
  else cuda::launch("gather", cuda::gather_kernel<std::int32_t>, blocks, work);
}

/// out[..., index[..., i, ...], ...] += source[..., i, ...], in the order of the source.
NEEDLE_ON_DEMAND
void scatter_add(const Array<Cuda>& source, const Array<Cuda>& index, int axis, Array<Cuda>& out) {
  cuda::check_range(index, out.shape[axis], "scatter_add");
  if (source.size() == 0) return;
  Shape shape = source.shape;
  shape.erase(axis);
  Loop loop{shape, {source.strides, index.strides, out.strides}};
  for (Strides& strides : loop.strides) strides.erase(axis);
  loop = collapse(std::move(loop));
  cuda::Scattering work{cuda::Space(loop.shape),
                        cuda::Operand(source, loop.strides[0]),
                        cuda::Operand(index, loop.strides[1]),
                        cuda::Operand(out, loop.strides[2]),
                        source.strides[axis],
                        index.strides[axis],
                        out.strides[axis],
                        loop.size(),
                        source.shape[axis],
                        1};
  constexpr std::int64_t enough = 65536, most = 256;  // threads; owners of a line
  while (work.owners < most && work.owners < work.length && work.owners < out.shape[axis] &&
         work.lines * work.owners < enough) {
    work.owners *= 2;
  }
  launch("scatter_add", cuda::scatter_kernel<>,
         cuda::blocks_for(work.lines * work.owners, cuda::threads), work);
}

}  // namespace needle

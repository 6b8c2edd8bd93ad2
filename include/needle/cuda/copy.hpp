// Copies between views on the GPU.
//
// A thread moves four elements, 256 apart, in the order of the destination, so writes of a compact
// one are contiguous; integers are moved as int32, everything else as float. Two compact arrays of
// one type are a copy of bytes.
#pragma once

#include "needle/cuda/device.hpp"
#include "needle/cuda/space.hpp"

namespace needle::cuda {

/// The work of `copy`.
struct Copy {
  Space space;
  Operand to, from;
  std::int64_t size;
};

template <class R>
__global__ void __launch_bounds__(threads) copy_kernel(const __grid_constant__ Copy work) {
  constexpr int each = 4;
  const std::int64_t first = std::int64_t{blockIdx.x} * (threads * each) + threadIdx.x;
  for (int k = 0; k < each; ++k) {
    const std::int64_t position = first + k * threads;
    if (position >= work.size) return;
    store(work.to, offset_in(work.space, work.to, position),
          load<R>(work.from, offset_in(work.space, work.from, position)));
  }
}

}  // namespace needle::cuda

namespace needle {

/// Copies and converts the elements of one view into another of the same shape.
NEEDLE_ON_DEMAND
void copy(const Array<Cuda>& from, Array<Cuda>& to) {
  if (to.size() == 0) return;
  const Array<Cuda> both[] = {to, from};
  const Loop loop = loop_over<Cuda>(to.shape, std::span<const Array<Cuda>>(both));
  const cuda::Copy work{cuda::Space(loop.shape), cuda::Operand(to, loop.strides[0]),
                        cuda::Operand(from, loop.strides[1]), loop.size()};
  if (to.dtype == from.dtype && loop.is_compact(0) && loop.is_compact(1)) {
    const std::size_t bytes = static_cast<std::size_t>(work.size) * item_bytes(to.dtype);
    return cuda::check(cudaMemcpyAsync(work.to.data, work.from.data, bytes,
                                       cudaMemcpyDeviceToDevice, cuda::stream()),
                       "copy");
  }
  const unsigned blocks = cuda::blocks_for(work.size, 4 * cuda::threads);
  if (cuda::fits_int32(to.dtype, from.dtype)) {
    cuda::launch("copy", cuda::copy_kernel<std::int32_t>, blocks, work);
  } else {
    cuda::launch("copy", cuda::copy_kernel<float>, blocks, work);
  }
}

}  // namespace needle

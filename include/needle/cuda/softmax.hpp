// softmax and log_softmax on the GPU.
//
// Lines are shared among threads as in a reduction, whole lines only: a very long one is the work
// of one block. A thread walks its elements three times: for their maximum, which a tree in shared
// memory joins; for the sum of e^(x - maximum) in double, joined likewise; and to write.
#pragma once

#include "needle/cuda/device.hpp"
#include "needle/cuda/lanes.hpp"
#include "needle/cuda/space.hpp"

namespace needle::cuda {

/// The work of `softmax`: lines along one axis of x and y.
struct Normalization {
  Space space;  // of the lines
  Operand x, y;
  std::int64_t x_stride, y_stride, length, lines;
  Lanes lanes;
  bool log;
};

/// Joins a value of each of a line's threads, `own` being this one's place; all threads of the
/// block take part.
template <class F, class T>
__device__ __forceinline__ T join_lanes(T* part, const Lanes& lanes, int lane, int own, T value) {
  part[own] = value;
  for (int half = lanes.along / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) part[own] = F::apply(part[own], part[own + half * lanes.across]);
  }
  __syncthreads();
  return part[own - lane * lanes.across];
}

template <class R>
__global__ void __launch_bounds__(threads)
    softmax_kernel(const __grid_constant__ Normalization work) {
  __shared__ R tops[threads];
  __shared__ double sums[threads];
  const int t = static_cast<int>(threadIdx.x), across = work.lanes.across;
  const int column = work.lanes.line(t), lane = work.lanes.lane(t), own = lane * across + column;
  const std::int64_t line = std::int64_t{blockIdx.x} * across + column;
  const std::int64_t length = line < work.lines ? work.length : 0, along = work.lanes.along;
  const R* x = nullptr;
  R* y = nullptr;
  if (length > 0) {
    x = static_cast<const R*>(work.x.data) + offset_in(work.space, work.x, line);
    y = static_cast<R*>(work.y.data) + offset_in(work.space, work.y, line);
  }
  R top = -math::detail::infinity;
  for (std::int64_t i = lane; i < length; i += along) {
    top = scalar::Maximum::apply(top, x[i * work.x_stride]);
  }
  top = join_lanes<scalar::Maximum>(tops, work.lanes, lane, own, top);
  double sum = 0;
  for (std::int64_t i = lane; i < length; i += along) {
    sum += static_cast<double>(scalar::Exp::apply(x[i * work.x_stride] - top));
  }
  sum = join_lanes<scalar::Add>(sums, work.lanes, lane, own, sum);
  const R by = static_cast<R>(work.log ? math::log(sum) : 1 / sum);
  for (std::int64_t i = lane; i < length; i += along) {
    const R below = x[i * work.x_stride] - top;
    y[i * work.y_stride] = work.log ? below - by : scalar::Exp::apply(below) * by;
  }
}

}  // namespace needle::cuda

namespace needle {

/// exp(x) / sum(exp(x)) of each line of floats along an axis, or its logarithm.
NEEDLE_ON_DEMAND
void softmax(const Array<Cuda>& x, int axis, bool log, Array<Cuda>& out) {
  if (out.size() == 0) return;
  const Layout from = selected(x, axis, 0), to = selected(out, axis, 0);
  const Loop loop = collapse({from.shape, {from.strides, to.strides}});
  const std::int64_t lines = loop.size(), length = x.shape[axis];
  const cuda::Lanes lanes(lines, length, axis + 1 < x.ndim() && lines > 1);
  const cuda::Normalization work{cuda::Space(loop.shape),
                                 cuda::Operand(x, loop.strides[0]),
                                 cuda::Operand(out, loop.strides[1]),
                                 x.strides[axis],
                                 out.strides[axis],
                                 length,
                                 lines,
                                 lanes,
                                 log};
  cuda::launch("softmax", cuda::softmax_kernel<float>, cuda::blocks_for(lines, lanes.across), work);
}

}  // namespace needle

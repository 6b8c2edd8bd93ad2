// Positions of extremes on the GPU.
//
// Lines are shared among threads as in a reduction. A thread keeps the best of its elements, with
// its position; a tree in shared memory finds the best of the line. What is better is a total order
// (NaN first, then the value, then the earlier position), so the tree gives what a walk in order
// gives.
#pragma once

#include "needle/cuda/device.hpp"
#include "needle/cuda/lanes.hpp"
#include "needle/cuda/space.hpp"

namespace needle::cuda {

/// An element and where it was; a position of -1 is none at all.
template <class R>
struct Candidate {
  R value;
  std::int64_t position;

  NEEDLE_FN bool beats(const Candidate& other, bool largest) const {
    if (position < 0 || other.position < 0) return other.position < 0 && position >= 0;
    const bool undefined = value != value, other_undefined = other.value != other.value;
    if (undefined != other_undefined) return undefined;
    if (!undefined && value != other.value) return largest == (value > other.value);
    return position < other.position;
  }
};

/// The work of `arg_extreme`: lines along one axis of x.
struct Lookup {
  Space space;  // of the lines
  Operand x;
  std::int64_t stride, length, lines;
  Lanes lanes;
  bool largest;
  std::int32_t* out;
};

template <class R>
__global__ void __launch_bounds__(threads) extreme_kernel(const __grid_constant__ Lookup work) {
  __shared__ R value[threads];
  __shared__ std::int64_t position[threads];
  const int t = static_cast<int>(threadIdx.x), across = work.lanes.across;
  const int column = work.lanes.line(t), lane = work.lanes.lane(t), own = lane * across + column;
  const std::int64_t line = std::int64_t{blockIdx.x} * across + column;
  Candidate<R> best{R(0), -1};
  if (line < work.lines) {
    const std::int64_t start = offset_in(work.space, work.x, line);
    for (std::int64_t i = lane; i < work.length; i += work.lanes.along) {
      const Candidate<R> next{load<R>(work.x, start + i * work.stride), i};
      if (next.beats(best, work.largest)) best = next;
    }
  }
  value[own] = best.value, position[own] = best.position;
  for (int half = work.lanes.along / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane >= half) continue;
    const int other = own + half * across;
    const Candidate<R> next{value[other], position[other]};
    if (next.beats(best, work.largest)) best = next;
    value[own] = best.value, position[own] = best.position;
  }
  if (lane == 0 && line < work.lines) work.out[line] = static_cast<std::int32_t>(best.position);
}

}  // namespace needle::cuda

namespace needle {

/// First position of the largest (or smallest) element along an axis; NaN counts as extreme.
NEEDLE_ON_DEMAND
void arg_extreme(const Array<Cuda>& x, int axis, bool largest, Array<Cuda>& out) {
  const Layout others = selected(x, axis, 0);
  const Loop loop = collapse({others.shape, {others.strides}});
  const std::int64_t lines = loop.size(), length = x.shape[axis];
  if (lines == 0 || length == 0) return;
  const cuda::Lanes lanes(lines, length, axis + 1 < x.ndim() && lines > 1);
  const cuda::Lookup work{cuda::Space(loop.shape),
                          cuda::Operand(x, loop.strides[0]),
                          x.strides[axis],
                          length,
                          lines,
                          lanes,
                          largest,
                          out.data<std::int32_t>()};
  const unsigned blocks = cuda::blocks_for(lines, lanes.across);
  if (is_float(x.dtype)) cuda::launch("arg_extreme", cuda::extreme_kernel<float>, blocks, work);
  else cuda::launch("arg_extreme", cuda::extreme_kernel<std::int32_t>, blocks, work);
}

}  // namespace needle

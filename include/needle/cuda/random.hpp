// Random arrays on the GPU: a thread makes one block of the generator, four numbers.
#pragma once

#include "needle/cuda/device.hpp"
#include "needle/program/random.hpp"

namespace needle::cuda {

/// `detail::Affine`, which nvcc must not fuse: every bit is promised.
struct Unfused {
  __device__ static float apply(float a, float b, float x) { return __fadd_rn(a, __fmul_rn(b, x)); }
};

/// Number `w` of a block.
template <class T>
__device__ T random_number(const Distribution& d, const PhiloxBlock& block, int w) {
  using Value = std::conditional_t<std::is_floating_point_v<T>, float, std::int32_t>;
  return static_cast<T>(
      random_value<Value, Unfused>(d, block.word[w & 2], block.word[w | 1], (w & 1) != 0));
}

/// Elements 0 to size - 1 are the numbers from `key.offset` on.
template <class T>
__global__ void __launch_bounds__(threads)
    random_kernel(Distribution distribution, RandomKey key, T* to, std::int64_t size) {
  const std::uint64_t number = std::uint64_t{blockIdx.x} * threads + threadIdx.x + key.offset / 4;
  const std::int64_t first = static_cast<std::int64_t>(number * 4 - key.offset);  // from -3 on
  if (first >= size) return;
  const PhiloxBlock block = philox(key.seed, key.stream, number);
  for (int w = 0; w < 4; ++w) {
    const std::int64_t i = first + w;
    if (i >= 0 && i < size) to[i] = random_number<T>(distribution, block, w);
  }
}

}  // namespace needle::cuda

namespace needle {

/// Fills a compact array with numbers of a distribution.
NEEDLE_ON_DEMAND
void random(const Distribution& distribution, const RandomKey& key, Array<Cuda>& out) {
  const std::int64_t size = out.size();
  if (size == 0) return;
  const std::int64_t before = static_cast<std::int64_t>(key.offset % 4);  // of the first block
  visit(out.dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      cuda::launch("random", cuda::random_kernel<T>,
                   cuda::blocks_for(size + before, 4 * cuda::threads), distribution, key,
                   out.data<T>(), size);
    }
  });
}

}  // namespace needle

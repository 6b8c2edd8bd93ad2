// Calls into the CUDA runtime, checked, and launches of kernels.
//
// Everything runs on one stream, the legacy default stream: kernels and copies happen in the order
// in which the host asks for them, so a block that is released while a kernel still reads it can be
// handed out at once, since whatever writes it runs later. A kernel that fails while it runs is
// noticed by the next call that waits; NEEDLE_CUDA_SYNC=1 makes each launch wait, so that the error
// names the kernel.
#pragma once

#include "needle/core/environment.hpp"

namespace needle::cuda {

/// Refuses a failed call; `what` names it.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that the next call does not report it again
  fail("cuda: ", what, ": ", cudaGetErrorString(status));
}

/// The stream of all kernels; a kernel of one's own belongs on it too.
inline cudaStream_t stream() { return cudaStreamLegacy; }

/// Waits until everything that was asked for is done.
inline void synchronize(const char* what) { check(cudaStreamSynchronize(stream()), what); }

/// Whether each launch waits for its kernel (environment: NEEDLE_CUDA_SYNC=1).
inline bool launches_wait() {
  static const bool wait = detail::environment_flag("NEEDLE_CUDA_SYNC");
  return wait;
}

/// Threads in a block of every kernel.
inline constexpr int threads = 256;

/// Runs `kernel(args...)` on a grid of blocks of `threads`; `name` is for errors.
template <class... Parameters, class... Args>
void launch(const char* name, void (*kernel)(Parameters...), const dim3& grid,
            const Args&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.stream = stream();
  check(cudaLaunchKernelEx(&config, kernel, args...), name);
  if (launches_wait()) synchronize(name);
}

/// How many blocks cover n positions, `each` to a block; refuses what no grid has room for.
inline unsigned blocks_for(std::int64_t n, std::int64_t each) {
  const std::int64_t blocks = (n + each - 1) / each;
  if (blocks > INT32_MAX) fail("cuda: a kernel over ", n, " positions; a grid has no room for it");
  return static_cast<unsigned>(blocks);
}

}  // namespace needle::cuda

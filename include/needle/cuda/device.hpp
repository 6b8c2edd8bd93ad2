// The GPU: memory that the host reaches by copies only.
#pragma once

#include "needle/core/array.hpp"
#include "needle/cuda/launch.hpp"

namespace needle {

/// An NVIDIA GPU, in float: the current device of the CUDA runtime, which has to be the same one in
/// every thread and all the time, since blocks of memory are used again.
struct Cuda {
  using Real = float;                               ///< its arithmetic
  static constexpr std::string_view name = "cuda";  ///< in messages

  /// Whether there is a GPU that this program can use.
  static bool available() {
    int count = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    if (!found) cudaGetLastError();
    return found;
  }

  /// Memory from the pool, and back to it.
  static void* allocate(std::size_t bytes) { return Cache<Cuda>::instance().allocate(bytes); }
  static void release(void* block, std::size_t bytes) {
    Cache<Cuda>::instance().release(block, bytes);
  }
  /// Copies to and from the GPU, on the legacy stream: they come after all kernels before them, and
  /// return when the host's side may be touched again.
  static void upload(void* to, const void* from, std::size_t bytes) {
    cuda::check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "upload");
  }
  static void download(void* to, const void* from, std::size_t bytes) {
    cuda::check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "download");
  }
  /// Waits for all kernels.
  static void synchronize() { cuda::synchronize("synchronize"); }

  /// A new block, or null where the GPU has no room for it.
  static void* system_allocate(std::size_t bytes) {
    void* block = nullptr;
    const cudaError_t status = cudaMalloc(&block, bytes);
    if (status == cudaSuccess) return block;
    cudaGetLastError();
    if (status == cudaErrorMemoryAllocation) return nullptr;
    if (!available()) {
      fail("cuda: no device: ", cudaGetErrorString(status), "; use Tensor<Cpu> on this machine");
    }
    cuda::check(status, "cudaMalloc");
    return nullptr;
  }
  /// Errors are left to the calls around it: this runs in destructors, also after the runtime is
  /// gone.
  static void system_release(void* block, std::size_t) {
    if (cudaFree(block) != cudaSuccess) cudaGetLastError();
  }
};

static_assert(Device<Cuda>);

}  // namespace needle

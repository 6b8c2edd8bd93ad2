// A stand-in for CUDA that runs kernels on the host, one thread of a block after the other: where
// this is included before needle, a C++ compiler alone compiles and runs every kernel, and its
// sanitizers look for accesses outside of an array. Only what needle uses is here.
//
// Each thread of a block is a context of its own. At a barrier it hands over to the next one, and
// goes on when all have arrived; with EMULATED_ORDER=reverse they take turns from the last to the
// first, so that a missing barrier shows as a wrong result. What differs from a GPU: no two threads
// run at the same time, a + b c is rounded once or twice as the host compiler likes, and shared
// memory keeps what the block before left in it.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __CUDACC__ 1
#define __host__
#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
using cudaStream_t = int;
inline constexpr cudaStream_t cudaStreamLegacy = 1;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = 0;
};

inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "emulated error";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  *block = std::aligned_alloc(64, bytes);
  if (*block == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*block, 0xff, bytes);  // what nobody wrote is NaN, or -1
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* block) { return std::free(block), cudaSuccess; }
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  return std::memcpy(to, from, bytes), cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                   cudaMemcpyKind kind, cudaStream_t) {
  return cudaMemcpy(to, from, bytes, kind);
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

inline float __fmul_rn(float a, float b) {
  volatile float product = a * b;
  return product;
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline unsigned long long atomicMin(unsigned long long* to, unsigned long long value) {
  const unsigned long long old = *to;
  *to = (std::min)(old, value);
  return old;
}

namespace emulated {

/// The threads of the one block that runs.
struct Block {
  struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(256 << 10);
    bool waits = false, done = false;
  };
  std::vector<Thread> threads;
  ucontext_t scheduler;
  const std::function<void()>* body = nullptr;
  unsigned current = 0;
};
inline Block block;

inline void run_thread() {
  (*block.body)();
  block.threads[block.current].done = true;
  swapcontext(&block.threads[block.current].context, &block.scheduler);
}

/// Runs each thread up to its end or its next barrier, until all have ended.
inline void run_block(unsigned count, const std::function<void()>& body) {
  static const char* const order = std::getenv("EMULATED_ORDER");
  const bool reverse = order && std::strcmp(order, "reverse") == 0;
  if (block.threads.size() < count) block.threads.resize(count);
  block.body = &body;
  for (unsigned t = 0; t < count; ++t) {
    Block::Thread& thread = block.threads[t];
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, run_thread, 0);
    thread.done = false;
  }
  for (unsigned done = 0; done < count;) {
    unsigned waiting = 0;
    done = 0;
    for (unsigned i = 0; i < count; ++i) {
      const unsigned t = reverse ? count - 1 - i : i;
      Block::Thread& thread = block.threads[t];
      if (!thread.done) {
        thread.waits = false;
        block.current = t;
        threadIdx = dim3(t);
        swapcontext(&block.scheduler, &thread.context);
      }
      done += thread.done;
      waiting += !thread.done && thread.waits;
    }
    if (waiting > 0 && done > 0) {
      std::fputs("emulated: a barrier that not all threads of a block reach\n", stderr);
      std::abort();
    }
  }
}

}  // namespace emulated

inline void __syncthreads() {
  emulated::Block& block = emulated::block;
  block.threads[block.current].waits = true;
  swapcontext(&block.threads[block.current].context, &block.scheduler);
}

template <class... Parameters, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Args... args) {
  const dim3 grid = config->gridDim;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535 ||
      grid.x > 0x7fffffffu || (sizeof(Parameters) + ... + 0) > 4096) {
    return cudaErrorInvalidValue;
  }
  gridDim = grid;
  blockDim = config->blockDim;
  const std::function<void()> body = [&] { kernel(static_cast<Parameters>(args)...); };
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        emulated::run_block(blockDim.x, body);
      }
    }
  }
  return cudaSuccess;
}

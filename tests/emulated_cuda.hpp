// A stand-in for CUDA that runs kernels on the host, one thread of a block after the other: where
// this is included before needle, a C++ compiler alone compiles and runs every kernel, and its
// sanitizers look for accesses outside of an array. Only what needle uses is here.
//
// Each thread of a block runs up to its end or its next barrier; when all have arrived, each goes
// on. With EMULATED_ORDER=reverse they take turns from the last to the first, so that a missing
// barrier shows as a wrong result. The GPU's memory can be touched only while kernels and copies
// run: a host that reads it faults, as it would with a GPU. What differs from a GPU: no two threads
// run at the same time, a + b c is rounded once or twice as the host compiler likes, and shared
// memory keeps what the block before left in it.
#pragma once

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
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

namespace emulated {

/// The memory of the GPU: blocks of one range of addresses, which is closed to the host.
class Memory {
 public:
  static Memory& instance() {
    static Memory* const memory = new Memory;  // outlives all that frees its blocks
    return *memory;
  }
  /// A block in which each float is NaN and each integer -1, or null.
  void* allocate(std::size_t bytes) {
    std::vector<std::byte*>& again = free_[bytes];
    std::byte* block = begin_ + used_;
    if (!again.empty()) {
      block = again.back();
      again.pop_back();
    } else {
      if (bytes > size - used_ - gap) return nullptr;
      used_ += (bytes + 2 * gap - 1) / gap * gap;
      protect(PROT_READ | PROT_WRITE);  // what has just come into use
    }
    bytes_[block] = bytes;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    std::memset(block, 0xff, bytes);
    ASAN_POISON_MEMORY_REGION(block + bytes, gap);
    return block;
  }
  void release(void* block) {
    if (block == nullptr) return;
    const auto found = bytes_.find(static_cast<std::byte*>(block));
    if (found == bytes_.end()) die("a block is freed that was not allocated");
    ASAN_POISON_MEMORY_REGION(block, found->second);
    free_[found->second].push_back(found->first);
    bytes_.erase(found);
  }
  bool holds(const void* address) const {
    const auto* byte = static_cast<const std::byte*>(address);
    return std::less_equal<>()(begin_, byte) && std::less<>()(byte, begin_ + size);
  }
  /// Opens or closes what has been in use, in large pages; for all of the range, QEMU takes long.
  void protect(int rights) {
    constexpr std::size_t page = std::size_t{2} << 20;
    mprotect(begin_, (std::min)(size, (used_ + page - 1) / page * page), rights);
  }
  [[noreturn]] static void die(const char* why) {
    std::fprintf(stderr, "emulated GPU: %s\n", why);
    std::abort();
  }

 private:
  static constexpr std::size_t size = std::size_t{8} << 30, gap = 64;
  Memory() {
    void* const range =
        mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) die("no room for its memory");
    madvise(range, size, MADV_HUGEPAGE);  // fewer pages to open and close
    begin_ = static_cast<std::byte*>(range);
  }
  std::byte* begin_;
  std::size_t used_ = 0;
  std::map<std::byte*, std::size_t> bytes_;
  std::map<std::size_t, std::vector<std::byte*>> free_;
};

/// While it lives, this thread of the host is the GPU, which alone reaches the memory.
class Turn {
 public:
  Turn() : lock_(mutex()) { Memory::instance().protect(PROT_READ | PROT_WRITE); }
  ~Turn() { Memory::instance().protect(PROT_NONE); }

 private:
  static std::mutex& mutex() {
    static std::mutex* const one = new std::mutex;
    return *one;
  }
  std::lock_guard<std::mutex> lock_;
};

}  // namespace emulated

inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "emulated error";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  const emulated::Turn turn;
  *block = emulated::Memory::instance().allocate(bytes);
  return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFree(void* block) {
  const emulated::Turn turn;
  return emulated::Memory::instance().release(block), cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const emulated::Turn turn;
  const emulated::Memory& memory = emulated::Memory::instance();
  if (memory.holds(to) == (kind == cudaMemcpyDeviceToHost) ||
      memory.holds(from) == (kind == cudaMemcpyHostToDevice)) {
    return cudaErrorInvalidValue;
  }
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

/// The one block that runs, its threads on stacks of their own as soon as they meet a barrier:
/// those that meet none follow each other on one stack.
class Block {
 public:
  static Block& instance() {
    static Block block;
    return block;
  }
  /// Runs `body` once for each of `count` threads.
  void run(unsigned count, const std::function<void()>& body) {
    count_ = count, started_ = 0, body_ = &body;
    std::vector<std::unique_ptr<Stack>> turns, waiting;
    while (started_ < count) {
      if (spare_.empty()) spare_.push_back(std::make_unique<Stack>());
      turns.push_back(std::move(spare_.back()));
      spare_.pop_back();
      go_on(*turns.back());
    }
    while (true) {
      for (std::unique_ptr<Stack>& stack : turns) {
        (stack->waits ? waiting : spare_).push_back(std::move(stack));
      }
      if (waiting.empty()) return;
      if (waiting.size() != count) Memory::die("not all threads of a block reach a barrier");
      for (std::unique_ptr<Stack>& stack : waiting) go_on(*stack);
      turns = std::exchange(waiting, {});
    }
  }
  /// Waits until all threads of the block are here.
  void barrier() {
    Stack& stack = *current_;
    stack.waits = true;
    stack.thread = threadIdx.x;
    change(stack.place, scheduler_);
    threadIdx = dim3(stack.thread);
  }

 private:
  using Place = void* [5];  // where a stack goes on: __builtin_setjmp's
  struct Stack {
    static constexpr std::size_t size = 256 << 10;
    std::unique_ptr<char[]> bytes{new char[size]};
    Place place;
    unsigned thread = 0;
    bool begun = false, waits = false;
  };
  /// Goes on with a stack until a thread of it waits or none is left.
  void go_on(Stack& stack) {
    current_ = &stack;
    stack.waits = false;
    if (stack.begun) return change(scheduler_, stack.place);
    stack.begun = true;
    ucontext_t own, context;
    getcontext(&context);
    context.uc_stack.ss_sp = stack.bytes.get();
    context.uc_stack.ss_size = Stack::size;
    makecontext(&context, run_threads, 0);
    if (__builtin_setjmp(scheduler_) == 0) swapcontext(&own, &context);
  }
  /// Leaves one place for another; unlike swapcontext, without a call of the system.
  [[gnu::noinline]] static void change(Place& from, Place& to) {
    if (__builtin_setjmp(from) == 0) jump(to);
  }
  [[noreturn, gnu::noinline]] static void jump(Place& to) { __builtin_longjmp(to, 1); }
  static void run_threads() {
    static const char* const order = std::getenv("EMULATED_ORDER");
    static const bool reverse = order && std::strcmp(order, "reverse") == 0;
    Block& block = instance();
    Stack& stack = *block.current_;
    for (;; change(stack.place, block.scheduler_)) {
      while (block.started_ < block.count_) {
        const unsigned next = block.started_++;
        threadIdx = dim3(reverse ? block.count_ - 1 - next : next);
        (*block.body_)();
      }
    }
  }

  std::vector<std::unique_ptr<Stack>> spare_;
  Place scheduler_;
  Stack* current_ = nullptr;
  unsigned count_ = 0, started_ = 0;
  const std::function<void()>* body_ = nullptr;
};

}  // namespace emulated

inline void __syncthreads() { emulated::Block::instance().barrier(); }

template <class... Parameters, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Args... args) {
  const dim3 grid = config->gridDim;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535 ||
      grid.x > 0x7fffffffu || (sizeof(Parameters) + ... + 0) > 4096) {
    return cudaErrorInvalidValue;
  }
  const emulated::Turn turn;
  gridDim = grid;
  blockDim = config->blockDim;
  const std::function<void()> body = [&] { kernel(static_cast<Parameters>(args)...); };
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        emulated::Block::instance().run(blockDim.x, body);
      }
    }
  }
  return cudaSuccess;
}

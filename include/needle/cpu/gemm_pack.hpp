// Packing: a strip of a matrix copied into the order in which a tile reads it.
//
// Policy. A strip is `lanes` rows of A (or columns of B) by `depth` steps of k, stored so that the
// lanes of one step lie together: to[p * width + i]. Both operands use the same code, A with its
// rows as lanes, B with its columns. The two layouts that occur in practice are vectorised: lanes
// already adjacent (copy), and k adjacent (4 x 4 transposes, four source streams at a time, so that
// power-of-two strides do not fight for one cache set). Where a strip is not a multiple of four,
// the last block overlaps its neighbour instead of going element by element. 16-byte vectors exist
// everywhere, so this needs no instruction set of its own; stores are the limit either way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "needle/core/per_thread.hpp"
#include "needle/cpu/gemm_kernel.hpp"

namespace needle::cpu {

/// One operand of a product: `lane` is the stride over rows of A (columns of B), `depth` that over
/// k.
struct GemmOperand {
  const float* data;
  int64_t lane, depth;
};

/// to[p * width + i] = element (lane i, step p), for i < lanes and p < depth; nothing else is
/// written.
inline void gemm_pack(const GemmOperand& from, int64_t lanes, int64_t depth, int64_t width,
                      float* to) {
  using Value = VectorOf<16>::Value;
  using Memory = VectorOf<16>::Memory;
  const float* data = from.data;
  if (from.lane == 1 && lanes >= 4) {
    for (int64_t p = 0; p < depth; ++p) {
      const float* in = data + p * from.depth;
      float* out = to + p * width;
      __builtin_prefetch(in + 16 * from.depth);
      for (int64_t i = 0; i + 4 < lanes; i += 4) {
        *reinterpret_cast<Memory*>(out + i) = *reinterpret_cast<const Memory*>(in + i);
      }
      *reinterpret_cast<Memory*>(out + lanes - 4) =
          *reinterpret_cast<const Memory*>(in + lanes - 4);
    }
  } else if (from.depth == 1 && lanes >= 4) {
    for (int64_t next = 0; next < lanes; next += 4) {
      const int64_t i = (std::min)(next, lanes - 4);
      const float* in = data + i * from.lane;
      float* out = to + i;
      int64_t p = 0;
      for (; p + 4 <= depth; p += 4) {
        const Value r0 = *reinterpret_cast<const Memory*>(in + p);
        const Value r1 = *reinterpret_cast<const Memory*>(in + p + from.lane);
        const Value r2 = *reinterpret_cast<const Memory*>(in + p + 2 * from.lane);
        const Value r3 = *reinterpret_cast<const Memory*>(in + p + 3 * from.lane);
        const Value low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
        const Value low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
        const Value high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
        const Value high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
        *reinterpret_cast<Memory*>(out) = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
        *reinterpret_cast<Memory*>(out + width) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
        *reinterpret_cast<Memory*>(out + 2 * width) =
            __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
        *reinterpret_cast<Memory*>(out + 3 * width) =
            __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
        out += 4 * width;
      }
      for (; p < depth; ++p, out += width) {
        for (int64_t j = 0; j < 4; ++j) out[j] = in[p + j * from.lane];
      }
    }
  } else {
    for (int64_t p = 0; p < depth; ++p) {
      for (int64_t i = 0; i < lanes; ++i) {
        to[p * width + i] = data[i * from.lane + p * from.depth];
      }
    }
  }
}

/// to[i] = from[i], or to[i] += from[i] when `add`, for a row of fewer than 64 floats.
inline void gemm_copy_edge(const float* from, int64_t size, bool add, float* to) {
  using Memory = VectorOf<16>::Memory;
  int64_t i = 0;
  for (; i + 4 <= size; i += 4) {
    const VectorOf<16>::Value x = *reinterpret_cast<const Memory*>(from + i);
    Memory* out = reinterpret_cast<Memory*>(to + i);
    *out = add ? x + *out : x;
  }
  for (; i < size; ++i) to[i] = add ? from[i] + to[i] : from[i];
}

/// A thread's packing buffer: grows to what was asked for, 64-byte aligned, kept until the thread
/// ends.
class GemmScratch {
 public:
  GemmScratch() = default;
  GemmScratch(const GemmScratch&) = delete;
  GemmScratch& operator=(const GemmScratch&) = delete;
  ~GemmScratch() { release(); }

  float* get(int64_t size) {
    if (size > size_) {
      release();
      data_ = static_cast<float*>(::operator new(static_cast<size_t>(size) * sizeof(float), align));
      size_ = size;
    }
    return data_;
  }

 private:
  static constexpr std::align_val_t align{64};
  void release() {
    if (data_) ::operator delete(data_, align);
    data_ = nullptr;
    size_ = 0;
  }
  float* data_ = nullptr;
  int64_t size_ = 0;
};

/// This thread's buffer for one purpose: packed operands (0), or a transposed result (1).
template <int Purpose>
GemmScratch& gemm_scratch() {
  if (GemmScratch* scratch = detail::per_thread<GemmScratch, Purpose>()) return *scratch;
  static constinit thread_local GemmScratch* late = nullptr;  // never given back
  if (!late) late = new GemmScratch;
  return *late;
}

}  // namespace needle::cpu

// Batched matrix products of arrays on the CPU.
#pragma once

#include "needle/cpu/device.hpp"
#include "needle/cpu/gemm.hpp"

namespace needle {

/// out = a b for (..., m, k) by (..., k, n) with the same leading dimensions; a and b are any
/// views.
NEEDLE_ON_DEMAND
void gemm(const Array<Cpu>& a, const Array<Cpu>& b, Array<Cpu>& out) {
  const int n = out.ndim(), row = n - 2, column = n - 1;
  const auto product = [&](std::int64_t batch, const auto& at) {
    cpu::gemm_batch(batch, out.shape[row], out.shape[column], a.shape[column], a.data<float>(),
                    a.strides[row], a.strides[column], b.data<float>(), b.strides[row],
                    b.strides[column], out.data<float>(), out.strides[row], at);
  };
  if (n == 2) {
    return cpu::gemm(out.shape[0], out.shape[1], a.shape[1], a.data<float>(), a.strides[0],
                     a.strides[1], b.data<float>(), b.strides[0], b.strides[1], out.data<float>(),
                     out.strides[0]);
  }
  std::int64_t batch = 1;
  for (int i = 0; i < row; ++i) batch *= out.shape[i];
  product(batch, [&](std::int64_t index) {
    const auto [of_a, of_b, of_c] =
        offsets_at(index, out.shape, row, a.strides, b.strides, out.strides);
    return cpu::GemmOffsets{of_a, of_b, of_c};
  });
}

}  // namespace needle

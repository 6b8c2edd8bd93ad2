// Matrix products on the GPU: tiles in shared memory, smaller tiles in registers.
//
// A block of 16 x 16 threads makes one tile of the result, `tile` x `tile`; a thread makes
// `each` x `each` of it with `each = tile / 16`. The block moves along k in steps of `depth`: it
// loads a tile x depth piece of a and a depth x tile piece of b into shared memory, from any
// strides, with neighbouring threads along whichever axis has neighbouring elements. Then a thread
// reads 2 each numbers for each^2 multiply-adds. Tiles of 128 (64 sums a thread, 16 multiply-adds
// for a number read) for products that fill a GPU with them, of 64 where those would be too few, of
// 16 for the smallest. The sums run over k in order, in float. Batches are the grid's z, edges are
// filled with zeros.
#pragma once

#include "needle/cuda/device.hpp"
#include "needle/cuda/space.hpp"

namespace needle::cuda {

/// The work of `gemm`: c = a b for each matrix of a batch; c is compact.
struct Product {
  struct Matrix {
    const float* data;
    std::int64_t row, column;  // strides
  };
  std::int64_t m, n, k, batches;
  Matrix a, b;
  float* c;
  Space space;               // of the batch
  Operand batch_a, batch_b;  // strides only
};

/// Loads the piece of a matrix at (row, column) into `to(i, j)`, zeros outside of rows x columns.
template <int height, int breadth, class To>
__device__ __forceinline__ void load_piece(const Product::Matrix& from, std::int64_t row,
                                           std::int64_t column, std::int64_t rows,
                                           std::int64_t columns, int t, const To& to) {
  static_assert(threads % height == 0 && threads % breadth == 0);
  const bool along_columns = from.column == 1 || from.row != 1;
  const int i = along_columns ? t / breadth : t % height,
            down = along_columns ? threads / breadth : 0;
  const int j = along_columns ? t % breadth : t / height,
            right = along_columns ? 0 : threads / height;
  const float* data = from.data + (row + i) * from.row + (column + j) * from.column;
  const std::int64_t step = down * from.row + right * from.column;
  const int inside = static_cast<int>(rows - row < height ? rows - row : height);
  const int within = static_cast<int>(columns - column < breadth ? columns - column : breadth);
  NEEDLE_UNROLL for (int p = 0; p < height * breadth / threads; ++p, data += step) {
    const int r = i + p * down, c = j + p * right;
    to(r, c) = r < inside && c < within ? *data : 0.0f;
  }
}

template <int tile, int depth>
__global__ void __launch_bounds__(threads, 2) gemm_kernel(const __grid_constant__ Product work) {
  constexpr int each = tile / 16, pitch = tile + 4;  // fewer bank conflicts, rows aligned
  alignas(16) __shared__ float a[depth][pitch];      // a's piece, transposed
  alignas(16) __shared__ float b[depth][pitch];
  const int t = static_cast<int>(threadIdx.x), y = t / 16 * each;
  // Columns of a thread: runs of four, so that 16 threads read and write neighbouring ones.
  constexpr int run = each < 4 ? each : 4;
  const auto x = [&](int j) { return (j / run * 16 + t % 16) * run + j % run; };
  const std::int64_t across = (work.n + tile - 1) / tile;
  const std::int64_t row = blockIdx.x / across * tile, column = blockIdx.x % across * tile;
  for (std::int64_t batch = blockIdx.z; batch < work.batches; batch += gridDim.z) {
    Product::Matrix from_a = work.a, from_b = work.b;
    from_a.data += offset_in(work.space, work.batch_a, batch);
    from_b.data += offset_in(work.space, work.batch_b, batch);
    float sum[each][each] = {};
    for (std::int64_t k = 0; k < work.k; k += depth) {
      load_piece<tile, depth>(from_a, row, k, work.m, work.k, t,
                              [&](int i, int j) -> float& { return a[j][i]; });
      load_piece<depth, tile>(from_b, k, column, work.k, work.n, t,
                              [&](int i, int j) -> float& { return b[i][j]; });
      __syncthreads();
      NEEDLE_UNROLL for (int p = 0; p < depth; ++p) {
        float left[each], right[each];
        NEEDLE_UNROLL for (int i = 0; i < each; ++i) left[i] = a[p][y + i], right[i] = b[p][x(i)];
        NEEDLE_UNROLL for (int i = 0; i < each; ++i) {
          NEEDLE_UNROLL for (int j = 0; j < each; ++j) sum[i][j] += left[i] * right[j];
        }
      }
      __syncthreads();
    }
    float* const c = work.c + batch * work.m * work.n;
    NEEDLE_UNROLL for (int i = 0; i < each; ++i) {
      NEEDLE_UNROLL for (int j = 0; j < each; ++j) {
        const std::int64_t r = row + y + i, s = column + x(j);
        if (r < work.m && s < work.n) c[r * work.n + s] = sum[i][j];
      }
    }
  }
}

/// Blocks of a product with this tile.
inline std::int64_t gemm_blocks(const Product& work, std::int64_t tile) {
  return ((work.m + tile - 1) / tile) * ((work.n + tile - 1) / tile);
}

template <int tile, int depth>
void launch_gemm(const Product& work) {
  constexpr std::int64_t deepest = 65535;  // of a grid's z
  const dim3 grid(blocks_for(gemm_blocks(work, tile), 1), 1,
                  static_cast<unsigned>((std::min)(work.batches, deepest)));
  launch("gemm", gemm_kernel<tile, depth>, grid, work);
}

/// A product as a kernel parameter.
inline Product product(const Array<Cuda>& a, const Array<Cuda>& b, const Array<Cuda>& out) {
  const int row = out.ndim() - 2, column = out.ndim() - 1;
  Loop batch{{}, std::vector<Strides>(2)};
  for (int i = 0; i < row; ++i) {
    batch.shape.push_back(out.shape[i]);
    batch.strides[0].push_back(a.strides[i]);
    batch.strides[1].push_back(b.strides[i]);
  }
  batch = collapse(std::move(batch));
  return {.m = out.shape[row],
          .n = out.shape[column],
          .k = a.shape[column],
          .batches = batch.size(),
          .a = {a.data<float>(), a.strides[row], a.strides[column]},
          .b = {b.data<float>(), b.strides[row], b.strides[column]},
          .c = out.data<float>(),
          .space = Space(batch.shape),
          .batch_a = Operand(a, batch.strides[0]),
          .batch_b = Operand(b, batch.strides[1])};
}

}  // namespace needle::cuda

namespace needle {

/// out = a b for (..., m, k) by (..., k, n) with the same leading dimensions; a and b are any
/// views.
NEEDLE_ON_DEMAND
void gemm(const Array<Cuda>& a, const Array<Cuda>& b, Array<Cuda>& out) {
  if (out.size() == 0) return;
  const cuda::Product work = cuda::product(a, b, out);
  constexpr std::int64_t enough = 96;  // blocks that occupy most of a GPU
  if (cuda::gemm_blocks(work, 128) * work.batches >= enough) cuda::launch_gemm<128, 8>(work);
  else if (cuda::gemm_blocks(work, 64) * work.batches >= enough / 4)
    cuda::launch_gemm<64, 16>(work);
  else cuda::launch_gemm<16, 16>(work);
}

}  // namespace needle

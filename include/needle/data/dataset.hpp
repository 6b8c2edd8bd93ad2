// Examples and their labels.
#pragma once

#include "needle/cpu/device.hpp"
#include "needle/ops/slice.hpp"

namespace needle::data {

/// Examples that lie in memory on the host: `x` (items, ...) and `y` (items, ...), row i of one
/// belongs to row i of the other. uint8 pictures stay uint8 until they are on the device.
struct TensorDataset {
  /// Examples and labels.
  Tensor<Cpu> x, y;

  /// How many items it has; both tensors must be there.
  std::int64_t size() const { return x.shape(0); }
};

/// The first n items, or all if there are fewer.
NEEDLE_ON_DEMAND
TensorDataset first(const TensorDataset& dataset, std::int64_t n) {
  if (n < 0) fail("first: ", n, " items of a dataset; it takes 0 or more");
  const range some(0, (std::min)(n, dataset.size()));
  return {dataset.x[{some}], dataset.y[{some}]};
}

}  // namespace needle::data

// MNIST (LeCun, Cortes, Burges): handwritten digits, 28 x 28 grey.
#pragma once

#include "needle/data/dataset.hpp"
#include "needle/data/idx.hpp"

namespace needle::data {

/// Pictures (items, rows, columns) and labels (items,), both uint8, from `folder`, under the
/// original file names, with or without .gz: the training set or the test set.
NEEDLE_ON_DEMAND
TensorDataset mnist(const std::string& folder, bool train) {
  const std::string base = text(folder, train ? "/train" : "/t10k");
  const std::string pictures = text(base, "-images-idx3-ubyte");
  const std::string labels = text(base, "-labels-idx1-ubyte");
  const Idx x = read_idx(pictures), y = read_idx(labels);
  if (x.shape.size() != 3 || y.shape.size() != 1 || x.shape[0] != y.shape[0]) {
    fail("mnist: ", pictures, " of shape ", Shape(x.shape), " and ", labels, " of shape ",
         Shape(y.shape), "; expected (n, rows, columns) and (n,)");
  }
  if (x.values.empty()) fail("mnist: ", pictures, " of shape ", Shape(x.shape), " has no pictures");
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    if (y.values[i] > 9) {
      fail("mnist: ", labels, ": item ", i, " has label ", int{y.values[i]}, "; digits are 0 to 9");
    }
  }
  return {Tensor<Cpu>(x.values, Shape(x.shape)), Tensor<Cpu>(y.values, Shape(y.shape))};
}

}  // namespace needle::data

// The network that PyTorch's training trace is of: an MLP with residual blocks for MNIST.
#pragma once

#include "needle/nn/activation.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/dropout.hpp"
#include "needle/nn/linear.hpp"

template <needle::Device D>
auto residual_block(std::int64_t width, double dropout) {
  using namespace needle::nn;
  return Residual{Sequential(Linear<D>{width, width / 2}, BatchNorm1d<D>{width / 2}, ReLU{},
                             Dropout{dropout}, Linear<D>{width / 2, width}, BatchNorm1d<D>{width})};
}

/// Rows of `in` numbers to 10 logits.
template <needle::Device D>
auto mlp_resnet(std::int64_t in = 784, std::int64_t width = 100, double dropout = 0) {
  using namespace needle::nn;
  return Sequential(Linear<D>{in, width}, ReLU{},               //
                    residual_block<D>(width, dropout), ReLU{},  //
                    residual_block<D>(width, dropout), ReLU{},  //
                    residual_block<D>(width, dropout), ReLU{}, Linear<D>{width, 10});
}

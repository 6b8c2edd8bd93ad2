// Training steps of other libraries, behind an interface that costs nothing to parse, so that a
// benchmark can time them in turns with needle's in one process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#ifndef NEEDLE_BENCH_TORCH
#define NEEDLE_BENCH_TORCH 0  // the build says 1 where it has found libtorch
#endif

namespace rival {

/// One model, its optimizer and one batch.
class Trainer {
 public:
  virtual ~Trainer() = default;
  /// Forward, cross entropy, zero_grad, backward, optimizer step.
  virtual void step() = 0;
  /// The loss that the last step started from.
  virtual double loss() const = 0;
};

/// The MLP-ResNet of the MNIST example (784-100-10, three residual blocks, dropout 0.1), Adam with
/// lr 1e-3 and weight decay 1e-3, on 100 pictures of 784 values and their 100 labels (copied).
std::unique_ptr<Trainer> torch_mlp_resnet(const float* pictures, const std::int64_t* labels);

/// A model so small that only overhead is left: 16-32-32-4 with ReLU, Adam with lr 1e-3, 8 rows of
/// 16 (copied).
std::unique_ptr<Trainer> torch_tiny_mlp(const float* rows, const std::int64_t* labels);

/// An expression over matrices x, y, z (copied), by the name that a benchmark has for it: one call
/// calculates and drops the result. Empty where the name is not known here.
std::function<void()> torch_expression(const std::string& name, const float* x, const float* y,
                                       const float* z, std::int64_t rows, std::int64_t columns);

void torch_set_num_threads(int threads);

}  // namespace rival

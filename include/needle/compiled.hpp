// What of needle on the CPU may be compiled once for all files of a project.
//
// Policy. needle is header-only: each file compiles what it uses, which is most of the compile time
// of the MNIST example. Where NEEDLE_COMPILED is 1 (CMake's target needle::compiled sets it and
// brings the library), the templates below are taken from the library instead. Nothing else
// changes: what is not listed is compiled where it is used, so a new op needs no line here. Listed
// are the entrances that stand before most code; inline functions would be compiled anyway.
#pragma once

#include "needle/cpu/kernels.hpp"
#include "needle/data/loader.hpp"
#include "needle/data/mnist.hpp"
#include "needle/io/tensors.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/ops/gather.hpp"
#include "needle/ops/loss.hpp"
#include "needle/ops/print.hpp"
#include "needle/ops/random.hpp"
#include "needle/ops/slice.hpp"
#include "needle/optim/adam.hpp"
#include "needle/optim/sgd.hpp"

/// Before each template: `extern template` for those who use it, `template` in the library itself.
#ifndef NEEDLE_INSTANCE
#define NEEDLE_INSTANCE extern template
#endif

namespace needle {

// Kernels.
NEEDLE_INSTANCE void execute<0>(const Program&, std::span<const Array<Cpu>>, std::span<Array<Cpu>>);
NEEDLE_INSTANCE void reduce<0>(Monoid, const Program&, std::span<const Array<Cpu>>, const Shape&,
                               unsigned, Array<Cpu>&);
NEEDLE_INSTANCE void gemm<0>(const Array<Cpu>&, const Array<Cpu>&, Array<Cpu>&);
NEEDLE_INSTANCE void copy<0>(const Array<Cpu>&, Array<Cpu>&);
NEEDLE_INSTANCE void arg_extreme<0>(const Array<Cpu>&, int, bool, Array<Cpu>&);
NEEDLE_INSTANCE void softmax<0>(const Array<Cpu>&, int, bool, Array<Cpu>&);
NEEDLE_INSTANCE void gather<0>(const Array<Cpu>&, const Array<Cpu>&, int, Array<Cpu>&);
NEEDLE_INSTANCE void scatter_add<0>(const Array<Cpu>&, const Array<Cpu>&, int, Array<Cpu>&);
NEEDLE_INSTANCE void random<0>(const Distribution&, const RandomKey&, Array<Cpu>&);

// The graph.
namespace detail {
NEEDLE_INSTANCE Tensor<Cpu> finish(Expression<Cpu>*);
NEEDLE_INSTANCE bool exceeds_pending_limits(Expression<Cpu>&);
NEEDLE_INSTANCE void evaluate(std::span<Expression<Cpu>* const>, bool);
NEEDLE_INSTANCE Array<Cpu> array_of(const Expression<Cpu>&);
NEEDLE_INSTANCE Array<Cpu> own_array(const Tensor<Cpu>&);
}  // namespace detail
NEEDLE_INSTANCE void backward(const std::vector<Tensor<Cpu>>&, Graph);
NEEDLE_INSTANCE std::vector<Tensor<Cpu>> grad(const Tensor<Cpu>&, const std::vector<Tensor<Cpu>>&);
NEEDLE_INSTANCE struct Cell<Cpu>;

// Ops.
#define NEEDLE_UNARY(F) NEEDLE_INSTANCE Tensor<Cpu> F(const Tensor<Cpu>&);
#define NEEDLE_BINARY(F) NEEDLE_INSTANCE Tensor<Cpu> F(const Tensor<Cpu>&, const Tensor<Cpu>&);
#define NEEDLE_REDUCTION(F) NEEDLE_INSTANCE Tensor<Cpu> F(const Tensor<Cpu>&, const Axes&, bool);
NEEDLE_UNARY(operator-)
NEEDLE_UNARY(abs)
NEEDLE_UNARY(sign)
NEEDLE_UNARY(exp)
NEEDLE_UNARY(log)
NEEDLE_UNARY(sqrt)
NEEDLE_UNARY(tanh)
NEEDLE_UNARY(erf)
NEEDLE_UNARY(sin)
NEEDLE_UNARY(cos)
NEEDLE_UNARY(sigmoid)
NEEDLE_UNARY(relu)
NEEDLE_UNARY(square)
NEEDLE_UNARY(stop_gradient)
NEEDLE_BINARY(operator+)
NEEDLE_BINARY(operator-)
NEEDLE_BINARY(operator*)
NEEDLE_BINARY(operator/)
NEEDLE_BINARY(operator==)
NEEDLE_BINARY(operator<)
NEEDLE_BINARY(maximum)
NEEDLE_BINARY(minimum)
NEEDLE_BINARY(matmul)
NEEDLE_REDUCTION(sum)
NEEDLE_REDUCTION(mean)
NEEDLE_REDUCTION(max)
NEEDLE_REDUCTION(logsumexp)
#undef NEEDLE_REDUCTION
#undef NEEDLE_BINARY
#undef NEEDLE_UNARY
NEEDLE_INSTANCE Tensor<Cpu> constant(double, const Shape&, Dtype, std::string_view);
NEEDLE_INSTANCE Tensor<Cpu> where(const Tensor<Cpu>&, const Tensor<Cpu>&, const Tensor<Cpu>&);
NEEDLE_INSTANCE Tensor<Cpu> cast(const Tensor<Cpu>&, Dtype);
NEEDLE_INSTANCE Tensor<Cpu> reshape(const Tensor<Cpu>&, Shape);
NEEDLE_INSTANCE Tensor<Cpu> permute(const Tensor<Cpu>&, const Axes&);
NEEDLE_INSTANCE Tensor<Cpu> transpose(const Tensor<Cpu>&, int, int);
NEEDLE_INSTANCE Tensor<Cpu> squeeze(const Tensor<Cpu>&, const Axes&);
NEEDLE_INSTANCE Tensor<Cpu> unsqueeze(const Tensor<Cpu>&, int);
NEEDLE_INSTANCE Tensor<Cpu> broadcast_to(const Tensor<Cpu>&, const Shape&);
NEEDLE_INSTANCE Tensor<Cpu> flatten(const Tensor<Cpu>&, int);
NEEDLE_INSTANCE Tensor<Cpu> slice(const Tensor<Cpu>&, std::span<const Index>);
NEEDLE_INSTANCE Tensor<Cpu> concat(const std::vector<Tensor<Cpu>>&, int);
NEEDLE_INSTANCE Tensor<Cpu> gather(const Tensor<Cpu>&, int, const Tensor<Cpu>&);
NEEDLE_INSTANCE Tensor<Cpu> index_select(const Tensor<Cpu>&, int, const Tensor<Cpu>&);
NEEDLE_INSTANCE Tensor<Cpu> softmax(const Tensor<Cpu>&, int);
NEEDLE_INSTANCE Tensor<Cpu> log_softmax(const Tensor<Cpu>&, int);
NEEDLE_INSTANCE Tensor<Cpu> argmax(const Tensor<Cpu>&, int, bool);
NEEDLE_INSTANCE Tensor<Cpu> linear(const Tensor<Cpu>&, const Tensor<Cpu>&, const Tensor<Cpu>&);
NEEDLE_INSTANCE Tensor<Cpu> cross_entropy(const Tensor<Cpu>&, const Tensor<Cpu>&,
                                          const CrossEntropy<Cpu>&);
NEEDLE_INSTANCE Tensor<Cpu> rand(const Shape&, double, double, Generator&);
NEEDLE_INSTANCE Tensor<Cpu> randn(const Shape&, double, double, Generator&);
NEEDLE_INSTANCE Tensor<Cpu> randb(const Shape&, double, Generator&);
NEEDLE_INSTANCE std::string str(const Tensor<Cpu>&);

// What trains.
namespace nn {
NEEDLE_INSTANCE struct BatchNorm1d<Cpu>;
}
namespace optim {
NEEDLE_INSTANCE class Optimizer<Cpu>;
NEEDLE_INSTANCE class Adam<Cpu>;
NEEDLE_INSTANCE class SGD<Cpu>;
}  // namespace optim
namespace data {
NEEDLE_INSTANCE class DataLoader<Cpu>;
NEEDLE_INSTANCE Idx read_idx<0>(const std::string&);
NEEDLE_INSTANCE TensorDataset mnist<0>(const std::string&, bool);
}  // namespace data
namespace io {
NEEDLE_INSTANCE void save_tensors(const std::string&, const Tensors<Cpu>&, const Metadata&);
NEEDLE_INSTANCE SafetensorsFile read_safetensors<0>(const std::string&);
NEEDLE_INSTANCE Contents<Cpu> load_tensors(const std::string&);
}  // namespace io

}  // namespace needle

#undef NEEDLE_INSTANCE

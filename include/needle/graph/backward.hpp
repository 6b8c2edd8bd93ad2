// Differentiation: the chain rule over the tracked nodes, from the last one to the first.
//
// Gradients are graph like everything else, so one schedule evaluates them, and `grad` records them
// for the next order.
#pragma once

#include "needle/graph/tape.hpp"

namespace needle {

namespace detail {

template <Device D>
void check_differentiable(const Tensor<D>& y, std::string_view op) {
  if (y.size() != 1) {
    fail(op, ": a tensor of shape ", y.shape(), " is not a scalar; take its sum or mean first");
  }
  if (!y.requires_grad()) {
    fail(op, ": ", y.op(),
         " was built on nothing that requires a gradient; mark leaves with "
         "requires_grad(true) before use, and build it outside of no_grad");
  }
}

}  // namespace detail

/// Differentiates the sum of these scalars, which may share a trunk; see `Tensor::backward`.
template <Device D>
void backward(const std::vector<Tensor<D>>& losses, Graph graph = Graph::consume) {
  detail::Tapes tapes("backward");
  for (const Tensor<D>& loss : losses) {
    detail::check_differentiable(loss, "backward");
    tapes.of<D>().start(loss.node());
  }
  tapes.collect(true);
  tapes.backward(graph == Graph::consume);
}

template <Device D>
void Tensor<D>::backward(Graph graph) const {
  needle::backward<D>({*this}, graph);
}

/// The gradients of a scalar y with respect to tensors it was built on, which may be on another
/// device than y, as expressions: they can be differentiated again. Nothing is kept or dropped, no
/// `.grad()` changes, and nothing is evaluated but gradients on their way through `to` and what
/// exceeds the limits of laziness.
template <Device D, Device T = D>
std::vector<Tensor<T>> grad(const Tensor<D>& y, const std::vector<Tensor<T>>& targets) {
  detail::check_differentiable(y, "grad");
  detail::Tapes tapes("grad");
  tapes.of<D>().start(y.node());
  tapes.collect(false);
  detail::Tape<T>& tape = tapes.of<T>();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!tape.holds(targets[i].node())) {
      fail("grad: ", y.op(), " of shape ", y.shape(), " was not built on target ", i, ", ",
           targets[i].op(), " of shape ", targets[i].shape(),
           targets[i].requires_grad() ? "" : ", which does not require a gradient");
    }
    tape.want(targets[i].node());
  }
  tapes.lead();
  tapes.differentiate();
  std::vector<Tensor<T>> results;
  for (const Tensor<T>& target : targets) {
    const Tensor<T>& g = tape.gradient(target.node());
    results.push_back(g.defined() ? g : constant<T>(0, target.shape()));
  }
  return results;
}

/// f(x...), whose inner values are not kept for the gradient but calculated again when it is; f is
/// called once. Trades time for memory (Chen et al. 2016, "Training deep nets with sublinear
/// memory").
template <class F, Device D, std::same_as<Tensor<D>>... More>
Tensor<D> checkpoint(F&& f, const Tensor<D>& first, const More&... more) {
  Tensor<D> y;
  {
    detail::Restore inside(detail::thread_mode.checkpointing, true);
    y = f(first, more...);
  }
  y.node().checkpointed = false;
  return y;
}

}  // namespace needle

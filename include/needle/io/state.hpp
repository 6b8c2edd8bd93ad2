// Saving and loading modules: their parameters and buffers under PyTorch's names.
#pragma once

#include "needle/io/tensors.hpp"
#include "needle/nn/module.hpp"
#include "needle/ops/transfer.hpp"

namespace needle::io {

/// The parameters and buffers of a module by name; tied parameters come under each of their names.
template <Device D = DefaultDevice, class M>
Tensors<D> state_dict(const M& module) {
  Tensors<D> state;
  const auto add = [&](const std::string& name, const auto& value) {
    if (!state.emplace(name, value->detach()).second) {
      fail("state_dict: two values of the module have the name '", name, "'");
    }
  };
  nn::detail::read<D>(module, add, add);
  return state;
}

/// Gives a module the values of a state, floats in the dtype that the module has them in. What does
/// not fit is refused, all of it in one message that begins with `source`, before anything changes;
/// PyTorch's `num_batches_tracked` is passed over.
template <Device D = DefaultDevice, class M>
void load_state(M& module, const Tensors<D>& state, std::string_view source = "state") {
  std::string problems;
  Tensors<D> expected;  // a set of names, of a type that is compiled anyway
  const auto check = [&](const std::string& name, const auto& value) {
    expected.emplace(name, Tensor<D>());
    const auto found = state.find(name);
    if (found == state.end()) {
      problems += text("\n  missing: ", name, " ", value.shape());
    } else if (!found->second.defined()) {
      problems += text("\n  empty: ", name, ", expected ", value.shape());
    } else if (const Tensor<D>& came = found->second; !(came.shape() == value.shape())) {
      problems += text("\n  shape: ", name, " is ", came.shape(), ", expected ", value.shape());
    } else if (came.dtype() != value->dtype() &&
               !(is_float(came.dtype()) && is_float(value->dtype()))) {
      problems += text("\n  dtype: ", name, " is ", came.dtype(), ", expected ", value->dtype());
    }
  };
  nn::detail::read<D>(module, check, check);
  for (const auto& [name, tensor] : state) {
    if (expected.contains(name) || name.ends_with("num_batches_tracked")) continue;
    problems += tensor.defined() ? text("\n  unexpected: ", name, " ", tensor.shape())
                                 : text("\n  unexpected: ", name);
  }
  if (!problems.empty()) fail(source, ": does not fit the module:", problems);
  // What is not calculated yet, and fails, fails here.
  for (const auto& [name, tensor] : state) {
    if (expected.contains(name)) tensor.data();
  }
  const auto set = [&](const std::string& name, const auto& value) {
    value.assign(Tensor<D>(converted(state.at(name).data(), value->dtype())));
  };
  nn::detail::read<D>(module, set, set);
}

/// Writes a module's parameters and buffers to a safetensors file.
template <Device D = DefaultDevice, class M>
void save(const std::string& path, const M& module, const Metadata& metadata = {}) {
  save_tensors<D>(path, state_dict<D>(module), metadata);
}

/// Reads a module's parameters and buffers from a safetensors file; returns its metadata. Tied
/// values may come under one of their names only, if the metadata say which (as those written by
/// safetensors.torch.save_model do).
template <Device D = DefaultDevice, class M>
Metadata load(const std::string& path, M& module) {
  Contents<D> contents = load_tensors<D>(path);
  const Tensors<D> expected = state_dict<D>(module);
  for (const auto& [name, written] : contents.metadata) {
    const auto found = contents.tensors.find(written);
    if (found == contents.tensors.end() || !expected.contains(name)) continue;
    contents.tensors.emplace(name, found->second);
  }
  load_state<D>(module, contents.tensors, path);
  return std::move(contents.metadata);
}

/// Gives a module the values of another of the same structure, perhaps on another device.
template <Device From, Device To, class M, class N>
void copy_state(const M& from, N& to) {
  Tensors<To> state;
  for (const auto& [name, tensor] : state_dict<From>(from)) {
    state.emplace(name, needle::detail::moved<To>(tensor));
  }
  load_state<To>(to, state, "copy_state");
}

}  // namespace needle::io

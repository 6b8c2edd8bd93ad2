// Saving and loading modules: their parameters and buffers under PyTorch's names.
#pragma once

#include "needle/io/tensors.hpp"
#include "needle/nn/module.hpp"

namespace needle::io {

/// The parameters and buffers of a module by name.
template <Device D = DefaultDevice, class M>
Tensors<D> state_dict(M& module) {
  Tensors<D> state;
  const auto add = [&](const std::string& name, const auto& value) {
    state.insert_or_assign(name, value->detach());
  };
  nn::for_each_parameter<D>(module, add);
  nn::for_each_buffer<D>(module, add);
  return state;
}

/// Gives a module the values of a state. Names or shapes that do not fit are refused, all of them in one
/// message, before anything changes; PyTorch's `num_batches_tracked` is passed over.
template <Device D = DefaultDevice, class M>
void load_state(M& module, const Tensors<D>& state, std::string_view source = "state") {
  std::string problems;
  std::map<std::string, bool> expected;
  const auto check = [&](const std::string& name, const auto& value) {
    expected[name] = true;
    const auto found = state.find(name);
    if (found == state.end()) {
      problems += "\n  missing: " + name + " " + str(value.shape());
    } else if (!(found->second.shape() == value.shape())) {
      problems += "\n  shape: " + name + " is " + str(found->second.shape()) + ", expected " +
                  str(value.shape());
    } else if (!is_float(found->second.dtype())) {
      problems += "\n  dtype: " + name + " is " + str(found->second.dtype()) + ", expected a float type";
    }
  };
  nn::for_each_parameter<D>(module, check);
  nn::for_each_buffer<D>(module, check);
  for (const auto& [name, tensor] : state) {
    constexpr std::string_view counter = "num_batches_tracked";
    const bool counts = name.size() >= counter.size() &&
                        name.compare(name.size() - counter.size(), counter.size(), counter) == 0;
    if (!expected.count(name) && !counts) problems += "\n  unexpected: " + name + " " + str(tensor.shape());
  }
  if (!problems.empty()) fail(source, ": does not fit the module:", problems);
  const auto set = [&](const std::string& name, auto& value) { value.assign(state.at(name)); };
  nn::for_each_parameter<D>(module, set);
  nn::for_each_buffer<D>(module, set);
}

/// Writes a module's parameters and buffers to a safetensors file.
template <Device D = DefaultDevice, class M>
void save(const std::string& path, M& module, const Metadata& metadata = {}) {
  save_tensors<D>(path, state_dict<D>(module), metadata);
}

/// Reads a module's parameters and buffers from a safetensors file; returns its metadata.
template <Device D = DefaultDevice, class M>
Metadata load(const std::string& path, M& module) {
  Contents<D> contents = load_tensors<D>(path);
  load_state<D>(module, contents.tensors, path);
  return std::move(contents.metadata);
}

/// Gives a module the values of another of the same structure, perhaps on another device.
template <Device From, Device To, class M, class N>
void copy_state(M& from, N& to) {
  Tensors<To> state;
  for (const auto& [name, tensor] : state_dict<From>(from)) state.emplace(name, tensor.template to<To>());
  load_state<To>(to, state, "copy_state");
}

}  // namespace needle::io

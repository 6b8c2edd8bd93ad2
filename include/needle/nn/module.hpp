// What all modules have: parameters with names, training and evaluation mode, a summary.
//
// A module is an aggregate with `operator()`; nn/visit.hpp says what its fields may be.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>

#include "needle/nn/visit.hpp"

namespace needle::nn {

/// What can be called on inputs of these types: a layer, a model, a function.
template <class M, class... X>
concept Module = std::invocable<const M&, const X&...>;

namespace detail {

template <Device D, class P, class B>
struct Reader final : Visitor<D> {
  P& on_parameter;
  B& on_buffer;
  Reader(P& p, B& b) : on_parameter(p), on_buffer(b) {}
  void parameter(const std::string& name, Parameter<D>& p) override {
    on_parameter(name, std::as_const(p));
  }
  void buffer(const std::string& name, Buffer<D>& b) override { on_buffer(name, std::as_const(b)); }
};

/// Shows the names and the values of a module, which stays as it is.
template <Device D, class M, class P, class B>
void read(const M& module, P&& on_parameter, B&& on_buffer) {
  Reader<D, P, B> reader(on_parameter, on_buffer);
  nn::visit<D>(reader, const_cast<M&>(module));
}

inline constexpr auto ignore = [](auto&&...) {};

}  // namespace detail

/// Calls `f(name, parameter)` for each parameter of a module; tied ones come under each name. The
/// parameter is const, a name that stays where it is; its value can be assigned all the same.
template <Device D = DefaultDevice, class M, class F>
void for_each_parameter(const M& module, F&& f) {
  detail::read<D>(module, f, detail::ignore);
}
/// Calls `f(name, buffer)` for each buffer of a module.
template <Device D = DefaultDevice, class M, class F>
void for_each_buffer(const M& module, F&& f) {
  detail::read<D>(module, detail::ignore, f);
}

/// The parameters of a module in order, each once under its first name: what to give an optimizer
/// where some are to be trained in another way than the rest.
template <Device D = DefaultDevice, class M>
std::vector<std::pair<std::string, Ref<Cell<D>>>> named_parameters(const M& module) {
  std::vector<std::pair<std::string, Ref<Cell<D>>>> named;
  for_each_parameter<D>(module, [&](const std::string& name, const Parameter<D>& parameter) {
    for (const auto& [first_name, cell] : named) {
      if (cell == parameter.cell()) return;
    }
    named.emplace_back(name, parameter.cell());
  });
  return named;
}

/// The parameters of a module, each once, as the cells that optimizers hold.
template <Device D = DefaultDevice, class M>
std::vector<Ref<Cell<D>>> parameters(const M& module) {
  std::vector<Ref<Cell<D>>> cells;
  for (auto& [name, cell] : nn::named_parameters<D>(module)) cells.push_back(std::move(cell));
  return cells;
}

/// Switches a module to training: dropout drops, batch norm uses and follows the batch. Evaluates
/// what constants and buffers hold, so that threads may share the module.
template <Device D = DefaultDevice, class M>
void train(M& module, bool training = true) {
  static_assert(!std::is_const_v<M>, "needle: a const module cannot change between train and eval");
  struct Set final : Visitor<D> {
    bool training;
    explicit Set(bool training) : training(training) {}
    void mode(Mode& mode) override { mode.training = training; }
    void constant(const Tensor<D>& x) override {
      if (x.defined()) x.realize();
    }
    void buffer(const std::string&, Buffer<D>& buffer) override {
      if (buffer) constant(*buffer);
    }
  };
  Set set(training);
  nn::visit<D>(set, module);
}
/// Switches a module to evaluation.
template <Device D = DefaultDevice, class M>
void eval(M& module) {
  nn::train<D>(module, false);
}

/// Stops (or resumes) the training of all parameters of a module.
template <Device D = DefaultDevice, class M>
void freeze(M& module, bool frozen = true) {
  for_each_parameter<D>(module, [&](const auto&, const auto& p) { p.freeze(frozen); });
}

/// Makes two parameters one: the value of b from now on, trained once. Tie before you make an
/// optimizer, which holds the parameters there are.
template <Device D>
void tie(Parameter<D>& a, const Parameter<D>& b) {
  if (!(a.shape() == b.shape())) {
    fail("tie: shapes ", a.shape(), " and ", b.shape(), " differ; one value has one shape");
  }
  a.tie_to(b);
}

/// A copy of a module in which those parameters are tied that are tied in the module. (A plain copy
/// has a value of its own under each name.)
template <Device D = DefaultDevice, class M>
M clone(const M& module) {
  struct Tie final : Visitor<D> {
    std::vector<std::pair<Ref<Cell<D>>, Parameter<D>*>> seen;  // in the module; in the copy
    std::size_t at = 0;
    void parameter(const std::string&, Parameter<D>& p) override {
      const auto first = std::find_if(
          seen.begin(), seen.end(), [&](const auto& each) { return each.first == seen[at].first; });
      seen[at++].second = &p;
      if (first->second != &p) p.tie_to(*first->second);
    }
  } again;
  const auto remember = [&](const auto&, const auto& p) {
    again.seen.emplace_back(p.cell(), nullptr);
  };
  for_each_parameter<D>(module, remember);
  M copy = module;
  nn::visit<D>(again, copy);
  return copy;
}

/// How many numbers the parameters of a module hold; tied ones count once.
template <Device D = DefaultDevice, class M>
std::int64_t parameter_count(const M& module) {
  std::int64_t count = 0;
  for (const auto& cell : nn::parameters<D>(module)) count += cell->shape().size();
  return count;
}

/// A table of a module's parameters and buffers: name, shape, how many numbers.
template <Device D = DefaultDevice, class M>
std::string summary(const M& module) {
  std::vector<std::array<std::string, 3>> rows;
  const auto add = [&](const std::string& name, const auto& value) {
    rows.push_back({name, str(value.shape()), str(value.shape().size())});
  };
  detail::read<D>(module, add, add);
  rows.push_back({"parameters", "", str(nn::parameter_count<D>(module))});
  std::size_t width[2] = {};
  for (const auto& row : rows) {
    for (int i = 0; i < 2; ++i) width[i] = (std::max)(width[i], row[i].size() + 2);
  }
  std::string text;
  for (const auto& row : rows) {
    for (int i = 0; i < 2; ++i) {
      text += row[i];
      text.append(width[i] - row[i].size(), ' ');
    }
    text += row[2];
    text += '\n';
  }
  return text;
}

}  // namespace needle::nn

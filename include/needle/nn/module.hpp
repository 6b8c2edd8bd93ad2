// What all modules have: parameters with names, training and evaluation mode, a summary.
//
// A module is an aggregate with `operator()`. Its fields say by their types what they are:
// `Parameter` is trained, `Buffer` is saved, `Mode` follows `train` and `eval`, other modules and
// vectors of them are parts, numbers and texts are hyper-parameters, a plain `Tensor` is a constant.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <tuple>

#include "needle/graph/parameter.hpp"
#include "needle/nn/fields.hpp"

namespace needle::nn {

/// Whether a module trains or is being used; layers that care have one as a field.
struct Mode {
  bool training = true;
  explicit operator bool() const { return training; }
};

/// What is done with each field of a module; the name is the path to it, "blocks.0.fc1.weight".
template <Device D>
struct Visitor {
  virtual ~Visitor() = default;
  virtual void parameter(const std::string&, Parameter<D>&) {}
  virtual void buffer(const std::string&, Buffer<D>&) {}
  virtual void mode(Mode&) {}
};

/// A module whose type is erased; see `AnyModule`.
template <class T, class D>
concept VisitsItself = requires(T& whole, Visitor<D>& visitor, const std::string& name) {
  whole.visit(visitor, name);
};

namespace detail {

template <class T, template <class...> class Of>
inline constexpr bool is_a = false;
template <class... T, template <class...> class Of>
inline constexpr bool is_a<Of<T...>, Of> = true;

template <class T>
concept Plain = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_empty_v<T> ||
                std::same_as<T, std::string> || std::is_base_of_v<Dims, T>;

template <class T>
concept ListOfParts = requires(T& list) {
  list.begin();
  list.size();
};

inline std::string joined(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

}  // namespace detail

/// Shows a visitor everything below a module, in order of declaration.
template <Device D, class T>
void visit(Visitor<D>& visitor, T& part, const std::string& path = {}) {
  if constexpr (std::same_as<T, Parameter<D>>) {
    if (part) visitor.parameter(path, part);
  } else if constexpr (std::same_as<T, Buffer<D>>) {
    if (part) visitor.buffer(path, part);
  } else if constexpr (std::same_as<T, Mode>) {
    visitor.mode(part);
  } else if constexpr (VisitsItself<T, D>) {
    part.visit(visitor, path);
  } else if constexpr (detail::Plain<T> || detail::is_a<T, Tensor>) {
    // a hyper-parameter or a constant
  } else if constexpr (detail::is_a<T, std::optional> || detail::is_a<T, std::unique_ptr>) {
    if (part) nn::visit<D>(visitor, *part, path);
  } else if constexpr (detail::ListOfParts<T>) {
    std::size_t index = 0;
    for (auto& each : part) nn::visit<D>(visitor, each, detail::joined(path, str(index++)));
  } else if constexpr (detail::is_a<T, std::tuple>) {
    std::apply([&, index = std::size_t{0}](auto&... each) mutable {
      (nn::visit<D>(visitor, each, detail::joined(path, str(index++))), ...);
    }, part);
  } else {
    for_each_field(part, [&](std::string_view name, auto& field) {
      nn::visit<D>(visitor, field, detail::joined(path, name));
    });
  }
}

namespace detail {

template <Device D, class P, class B, class M>
struct Calls final : Visitor<D> {
  P on_parameter;
  B on_buffer;
  M on_mode;
  Calls(P p, B b, M m) : on_parameter(p), on_buffer(b), on_mode(m) {}
  void parameter(const std::string& name, Parameter<D>& p) override { on_parameter(name, p); }
  void buffer(const std::string& name, Buffer<D>& b) override { on_buffer(name, b); }
  void mode(Mode& m) override { on_mode(m); }
};

inline constexpr auto ignore = [](auto&&...) {};

}  // namespace detail

/// Calls `f(name, parameter)` for each parameter of a module; tied ones come under each name.
template <Device D = DefaultDevice, class M, class F>
void for_each_parameter(M& module, F&& f) {
  detail::Calls<D, F&, decltype(detail::ignore), decltype(detail::ignore)> calls(f, {}, {});
  nn::visit<D>(calls, module);
}
/// Calls `f(name, buffer)` for each buffer of a module.
template <Device D = DefaultDevice, class M, class F>
void for_each_buffer(M& module, F&& f) {
  detail::Calls<D, decltype(detail::ignore), F&, decltype(detail::ignore)> calls({}, f, {});
  nn::visit<D>(calls, module);
}

/// The parameters of a module, each once, as the cells that optimizers hold.
template <Device D = DefaultDevice, class M>
std::vector<Ref<Cell<D>>> parameters(M& module) {
  std::vector<Ref<Cell<D>>> cells;
  for_each_parameter<D>(module, [&](const std::string&, Parameter<D>& parameter) {
    for (const auto& cell : cells) {
      if (cell == parameter.cell()) return;
    }
    cells.push_back(parameter.cell());
  });
  return cells;
}

/// The parameters of a module with their names, as PyTorch's `named_parameters`.
template <Device D = DefaultDevice, class M>
std::vector<std::pair<std::string, Parameter<D>*>> named_parameters(M& module) {
  std::vector<std::pair<std::string, Parameter<D>*>> list;
  for_each_parameter<D>(module, [&](const std::string& name, Parameter<D>& parameter) {
    list.emplace_back(name, &parameter);
  });
  return list;
}

/// Switches a module to training: dropout drops, batch norm uses and follows the batch.
template <Device D = DefaultDevice, class M>
void train(M& module, bool training = true) {
  const auto set = [&](Mode& mode) { mode.training = training; };
  detail::Calls<D, decltype(detail::ignore), decltype(detail::ignore), decltype(set)> calls({}, {}, set);
  nn::visit<D>(calls, module);
}
/// Switches a module to evaluation.
template <Device D = DefaultDevice, class M>
void eval(M& module) { nn::train<D>(module, false); }

/// Stops (or resumes) the training of all parameters of a module.
template <Device D = DefaultDevice, class M>
void freeze(M& module, bool frozen = true) {
  for_each_parameter<D>(module, [&](const std::string&, Parameter<D>& p) { p.freeze(frozen); });
}

/// Makes two parameters one: the same value from now on, trained once.
template <Device D>
void tie(Parameter<D>& a, const Parameter<D>& b) { a.tie_to(b); }

/// How many numbers the parameters of a module hold; tied ones count once.
template <Device D = DefaultDevice, class M>
std::int64_t parameter_count(M& module) {
  std::int64_t count = 0;
  for (const auto& cell : nn::parameters<D>(module)) count += cell->shape().size();
  return count;
}

/// A table of a module's parameters and buffers: name, shape, how many numbers.
template <Device D = DefaultDevice, class M>
std::string summary(M& module) {
  std::vector<std::array<std::string, 3>> rows;
  const auto add = [&](const std::string& name, const auto& value) {
    rows.push_back({name, str(value.shape()), str(value.shape().size())});
  };
  detail::Calls<D, decltype(add), decltype(add), decltype(detail::ignore)> calls(add, add, {});
  nn::visit<D>(calls, module);
  rows.push_back({"parameters", "", str(nn::parameter_count<D>(module))});
  std::size_t width[2] = {};
  for (const auto& row : rows) {
    for (int i = 0; i < 2; ++i) width[i] = (std::max)(width[i], row[i].size() + 2);
  }
  std::string text;
  for (const auto& row : rows) {
    text += row[0] + std::string(width[0] - row[0].size(), ' ') + row[1] +
            std::string(width[1] - row[1].size(), ' ') + row[2] + "\n";
  }
  return text;
}

}  // namespace needle::nn

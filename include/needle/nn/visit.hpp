// What a module holds, shown to a visitor: every field of it, by its type.
//
// `Parameter` is trained, `Buffer` is saved, `Mode` follows `train` and `eval`, other modules and
// lists of them are parts, numbers and texts are hyper-parameters, a plain `Tensor` is a constant.
// A field of any other type is refused by the compiler, so no parameter is missed in silence.
#pragma once

#include <concepts>
#include <optional>
#include <tuple>

#include "needle/graph/parameter.hpp"
#include "needle/nn/fields.hpp"

namespace needle::nn {

/// Whether a module trains or is being used; layers that care have one as a field.
struct Mode {
  /// Whether it trains; a new module does.
  bool training = true;
  explicit operator bool() const { return training; }
};

/// What is done with each field of a module; the name is the path to it, "blocks.0.fc1.weight".
template <Device D>
struct Visitor {
  virtual ~Visitor() = default;
  /// Called with the name and the value of each parameter and each buffer that has one.
  virtual void parameter(const std::string&, Parameter<D>&) {}
  virtual void buffer(const std::string&, Buffer<D>&) {}
  /// Called for each plain tensor, which may be absent.
  virtual void constant(const Tensor<D>&) {}
  /// Called for each mode.
  virtual void mode(Mode&) {}
};

/// A module whose type is erased; see `AnyModule`.
template <class T, class D>
concept VisitsItself = requires(T& whole, Visitor<D>& visitor, const std::string& name) {
  whole.visit(visitor, name);
};

namespace detail {

template <class T>
inline constexpr bool is_tensor = false;
template <Device D>
inline constexpr bool is_tensor<Tensor<D>> = true;

template <class T>
inline constexpr bool is_named = false;
template <Device D>
inline constexpr bool is_named<Parameter<D>> = true;
template <Device D>
inline constexpr bool is_named<Buffer<D>> = true;

template <class T>
inline constexpr bool is_optional = requires {  // std::unique_ptr, without its header
  typename T::element_type;
  typename T::deleter_type;
};
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

template <class T>
concept Plain = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_empty_v<T> ||
    std::is_function_v<std::remove_pointer_t<T>> || std::same_as<T, std::string> ||
    std::is_base_of_v<Dims, T>;

template <class T>
concept List = !ListsFields<T> && requires(T & list) {
  typename T::value_type;
  list.begin();
  list.size();
};

template <class T, class D>
concept InheritsVisit = VisitsItself<T, D> && requires {
  declared_in(&T::visit);
  requires !std::is_same_v<decltype(declared_in(&T::visit)), std::type_identity<T>>;
};

/// A module or a list with more to it, which would be seen as what it derives from: wherever that
/// shows, which is in all but classes with constructors that derive from a list.
template <class T, class D>
concept Derived = InheritsFields<T> || InheritsVisit<T, D> ||
    (std::is_aggregate_v<T>&& HasBase<T> && !ListsFields<T> && !std::is_empty_v<T>);

NEEDLE_NOINLINE inline std::string joined(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : text(path, ".", name);
}

}  // namespace detail

/// Shows a visitor everything below a module, in order of declaration.
template <Device D, class T>
void visit(Visitor<D>& visitor, T& part, const std::string& path = {}) {
  using Field = std::remove_const_t<T>;
  if constexpr (std::same_as<T, Parameter<D>>) {
    if (part) visitor.parameter(path, part);
  } else if constexpr (std::same_as<T, Buffer<D>>) {
    if (part) visitor.buffer(path, part);
  } else if constexpr (detail::is_named<T>) {
    static_assert(std::same_as<T, Parameter<D>>,
                  "needle: this module lives on another device; say which, as in "
                  "nn::parameters<Cuda>(model)");
  } else if constexpr (std::same_as<T, Mode>) {
    visitor.mode(part);
  } else if constexpr (detail::Derived<Field, D>) {
    static_assert(!detail::Derived<Field, D>,
                  "needle: a module that derives from another or from a list would be seen as that "
                  "alone: make it a field, or list all fields in `void fields(auto&& f)`");
  } else if constexpr (VisitsItself<T, D>) {
    part.visit(visitor, path);
  } else if constexpr (std::same_as<Field, Tensor<D>>) {
    visitor.constant(part);
  } else if constexpr (detail::Plain<Field> || detail::is_tensor<Field>) {
    // a hyper-parameter, or a constant of another device
  } else if constexpr (detail::is_optional<Field> && !ListsFields<T>) {
    if (part) nn::visit<D>(visitor, *part, path);
  } else if constexpr (detail::List<T>) {
    if constexpr (!detail::Plain<typename T::value_type>) {
      std::size_t index = 0;
      for (auto& each : part) nn::visit<D>(visitor, each, detail::joined(path, str(index++)));
    }
  } else if constexpr (detail::is_tuple<Field>) {
    const auto visit_each = [&](auto&... each) {
      [[maybe_unused]] std::size_t index = 0;
      (nn::visit<D>(visitor, each, detail::joined(path, str(index++))), ...);
    };
    std::apply(visit_each, part);
  } else {
    static_assert(
        !std::is_pointer_v<Field>,
        "needle: a pointer does not say whose the value is: a module holds a part itself or "
        "by std::unique_ptr, and a text as std::string");
    static_assert(!std::is_array_v<T>, "needle: in place of a C array, a module has a std::array");
    static_assert(!std::is_const_v<T>,
                  "needle: a part of a module cannot be const, because training changes it; leave "
                  "the const out");
    for_each_field(part, [&](std::string_view name, auto& field) {
      nn::visit<D>(visitor, field, detail::joined(path, name));
    });
  }
}

}  // namespace needle::nn

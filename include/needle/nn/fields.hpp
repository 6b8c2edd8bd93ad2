// What a module is made of: every field with its name, without a macro and without a list to keep.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "needle/nn/aggregate.hpp"
#include "needle/nn/field_names.hpp"

namespace needle::nn {

namespace detail {

struct TakesAnything {
  template <class Field>
  void operator()(std::string_view, Field&) const {}
};

/// The class that declares a member, from a pointer to the member.
template <class C, class F>
std::type_identity<C> declared_in(F C::*);

template <class T>
concept InheritsFields = requires {
  declared_in(&T::template fields<TakesAnything&>);
  requires !std::is_same_v<decltype(declared_in(&T::template fields<TakesAnything&>)),
                           std::type_identity<T>>;
};

/// A field the way an object of type T shows it: const exactly when T is.
template <class T, class Field>
using Seen = std::conditional_t<std::is_const_v<T>, const std::remove_const_t<Field>,
                                std::remove_const_t<Field>>;

}  // namespace detail

/// A class that lists its own fields: `void fields(auto&& f) { f("weight", weight_); }`.
template <class T>
concept ListsFields = requires(std::remove_const_t<T>& object, detail::TakesAnything f) {
  object.fields(f);
};

/// A type whose fields can be visited: one that lists them, or an aggregate.
template <class T>
concept Reflectable = ListsFields<T> || Aggregate<std::remove_const_t<T>>;

/// Calls `f(name, field)` for every field in order; fields are const exactly when the object is.
///
/// An aggregate names its fields itself, and a trailing underscore is dropped. A class with a
/// member `fields` calls `f` as it pleases, and its names are taken as they are. Any other type
/// (among them `std::array`, and an aggregate with a base, a reference, a C array or over 32
/// fields) is refused by the compiler.
template <class T, class F>
constexpr void for_each_field(T& object, F&& f) {
  using Object = std::remove_const_t<T>;
  if constexpr (ListsFields<T>) {
    auto show = [&f](std::string_view name, auto& field) {
      f(name, const_cast<detail::Seen<T, std::remove_reference_t<decltype(field)>>&>(field));
    };
    const_cast<Object&>(object).fields(show);
  } else if constexpr (Aggregate<Object>) {
    unpack(object, [&f](auto&... fields) {
      [[maybe_unused]] std::size_t index = 0;
      (f(field_names<Object>[index++], fields), ...);
    });
  } else {
    static_assert(Reflectable<T>,
                  "needle cannot see the fields of this type: make it an aggregate (at most 32 "
                  "public fields, no constructor, no base class, no reference, std::array in place "
                  "of a C array) or add `void fields(auto&& f) { f(\"weight\", weight_); }`");
  }
}

}  // namespace needle::nn

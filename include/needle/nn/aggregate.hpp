// How many fields a plain struct has, and references to them.
//
// An aggregate is counted by initialising it with more and more values that convert to anything,
// and taken apart by a structured binding. The count is exact: if it were not, the binding would
// not compile.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace needle::nn {

/// The most fields an aggregate may have to be taken apart.
inline constexpr std::size_t max_fields = 32;

namespace detail {

template <class U, class T>
concept BaseOf = std::is_base_of_v<U, T> && !std::is_same_v<U, T>;

template <class U, class T>
concept FieldOf = !std::is_base_of_v<U, T>;

/// Initialises one field of T, whatever its type is: it converts to all but T and its bases. The
/// conversion is qualified so that a field's own constructor from anything is the better match.
template <class T>
struct AnyField {
  template <FieldOf<T> U>
  operator U() const volatile {
    __builtin_unreachable();
  }
};

template <class T>
struct AnyBase {
  template <BaseOf<T> U>
  operator U() const volatile {
    __builtin_unreachable();
  }
};

/// Initialises only a field with a constructor from anything.
struct Nothing {};

template <class T, class... Values>
concept InitialisedBy = requires(Values&... values) {
  T{values...};
};

template <class T>
concept HasBase = InitialisedBy<T, AnyBase<T>> && !InitialisedBy<T, Nothing>;

/// The number of values that initialise T; max_fields + 1 where that is no number up to max_fields.
template <class T, class... Values>
consteval std::size_t count_fields() {
  if constexpr (sizeof...(Values) > max_fields) {
    return sizeof...(Values);
  } else if constexpr (InitialisedBy<T, Values..., AnyField<T>>) {
    return count_fields<T, Values..., AnyField<T>>();
  } else if constexpr (InitialisedBy<T, Values..., Nothing>) {
    return count_fields<T, Values..., Nothing>();
  } else if constexpr (InitialisedBy<T, Values...>) {
    return sizeof...(Values);
  } else {  // too few yet: a later field has no default
    return count_fields<T, Values..., AnyField<T>>();
  }
}

/// Whether the field after some others is a C array: in braces, a value initialises all of it and
/// leaves less for the fields that follow; without them it initialises one element.
template <class T, std::size_t... before, std::size_t... after>
consteval bool is_c_array(AnyField<T>& any, std::index_sequence<before...>,
                          std::index_sequence<after...>) {
  return !requires { T{((void)before, any)..., {any}, ((void)after, any)...}; }
  &&requires { T{((void)before, any)..., {any}}; };
}

/// Whether a counted aggregate has a C array of two elements or more, each of which was counted.
template <class T>
consteval bool has_c_array() {
  AnyField<T> any;
  constexpr std::size_t count = count_fields<T>();
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    return (
        is_c_array(any, std::make_index_sequence<i>(), std::make_index_sequence<count - 1 - i>()) ||
        ...);
  }
  (std::make_index_sequence<count>());
}

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

}  // namespace detail

/// A struct of public fields without constructor, base, C array, reference or bit-field. No value
/// initialises a reference, so a struct that begins with one counts as having no fields.
template <class T>
concept Aggregate =
    std::is_class_v<T> && std::is_aggregate_v<T> && !detail::TupleLike<T> &&
    detail::count_fields<T>() <= max_fields && !detail::HasBase<T> &&
    (detail::count_fields<T>() > 0 || std::is_empty_v<T>)&&!detail::has_c_array<T>();

/// How many fields an aggregate has.
template <Aggregate T>
inline constexpr std::size_t field_count = detail::count_fields<T>();

/// `visit(a, b, ...)` with a reference to each field of an aggregate, in order; returns its result.
template <class T, class F>
constexpr decltype(auto) unpack(T& object, F&& visit) {
  constexpr std::size_t count = field_count<std::remove_const_t<T>>;
  // clang-format off
  if constexpr (count == 0) { static_cast<void>(object); return visit(); }
  else if constexpr (count == 1) { auto& [a] = object; return visit(a); }
  else if constexpr (count == 2) { auto& [a, b] = object; return visit(a, b); }
  else if constexpr (count == 3) { auto& [a, b, c] = object; return visit(a, b, c); }
  else if constexpr (count == 4) { auto& [a, b, c, d] = object; return visit(a, b, c, d); }
  else if constexpr (count == 5) { auto& [a, b, c, d, e] = object; return visit(a, b, c, d, e); }
  else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = object;
    return visit(a, b, c, d, e, f);
  }
  else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = object;
    return visit(a, b, c, d, e, f, g);
  }
  else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = object;
    return visit(a, b, c, d, e, f, g, h);
  }
  else if constexpr (count == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = object;
    return visit(a, b, c, d, e, f, g, h, i);
  }
  else if constexpr (count == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = object;
    return visit(a, b, c, d, e, f, g, h, i, j);
  }
  else if constexpr (count == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k);
  }
  else if constexpr (count == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l);
  }
  else if constexpr (count == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m);
  }
  else if constexpr (count == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  }
  else if constexpr (count == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  }
  else if constexpr (count == 16) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }
  else if constexpr (count == 17) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
  }
  else if constexpr (count == 18) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r);
  }
  else if constexpr (count == 19) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s);
  }
  else if constexpr (count == 20) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t);
  }
  else if constexpr (count == 21) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u);
  }
  else if constexpr (count == 22) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v);
  }
  else if constexpr (count == 23) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w);
  }
  else if constexpr (count == 24) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x);
  }
  else if constexpr (count == 25) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y);
  }
  else if constexpr (count == 26) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z] = object;
    return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z);
  }
  else if constexpr (count == 27) {
    auto& [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa] = object;
    return visit(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa);
  }
  else if constexpr (count == 28) {
    auto& [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb] = object;
    return visit(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb);
  }
  else if constexpr (count == 29) {
    auto& [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc] = object;
    return visit(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc);
  }
  else if constexpr (count == 30) {
    auto& [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd] = object;
    return visit(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd);
  }
  else if constexpr (count == 31) {
    auto& [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee] = object;
    return visit(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee);
  }
  else if constexpr (count == 32) {
    auto& [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee,ff] = object;
    return visit(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee,ff);
  }
  // clang-format on
}

}  // namespace needle::nn

// A function object of any type. Not std::function, whose header would be a tenth of what including
// needle costs.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include "needle/core/ref.hpp"

namespace needle {

template <class Signature>
class Callback;

/// What can be called with these arguments, or nothing, which a null pointer to a function is too;
/// a copy calls the same object.
template <class Result, class... Arguments>
class Callback<Result(Arguments...)> {
 public:
  /// Empty: nothing to call.
  Callback() = default;
  Callback(std::nullptr_t) {}
  /// Holds a copy of a function or a function object.
  template <class F>
  requires(!std::same_as<F, Callback> && std::is_invocable_r_v<Result, F&, Arguments...>)
      Callback(F function) {
    if constexpr (std::is_pointer_v<F>) {
      if (function == nullptr) return;
    }
    held_ = Ref<Base>(new Held<F>(std::move(function)));
  }

  /// Calls what it holds; an empty one must not be called.
  Result operator()(Arguments... arguments) const {
    return held_->call(std::forward<Arguments>(arguments)...);
  }
  /// Whether there is something to call.
  explicit operator bool() const { return static_cast<bool>(held_); }

 private:
  struct Base : Counted {
    virtual ~Base() = default;
    virtual Result call(Arguments... arguments) = 0;
    friend void destroy(Base* base) { delete base; }
  };
  template <class F>
  struct Held final : Base {
    explicit Held(F function) : function(std::move(function)) {}
    Result call(Arguments... arguments) override {
      return static_cast<Result>(function(std::forward<Arguments>(arguments)...));
    }
    F function;
  };

  Ref<Base> held_;
};

}  // namespace needle

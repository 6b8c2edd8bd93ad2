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

/// What can be called with these arguments, or nothing; a copy calls the same object.
template <class Result, class... Arguments>
class Callback<Result(Arguments...)> {
 public:
  Callback() = default;
  Callback(std::nullptr_t) {}
  template <class F>
  requires(!std::same_as<F, Callback> && std::is_invocable_r_v<Result, F&, Arguments...>)
      Callback(F function)
      : held_(new Held<F>(std::move(function))) {}

  Result operator()(Arguments... arguments) const {
    return held_->call(std::forward<Arguments>(arguments)...);
  }
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
      return function(std::forward<Arguments>(arguments)...);
    }
    F function;
  };

  Ref<Base> held_;
};

}  // namespace needle

// A module whose type is erased, for lists that are built at run time.
#pragma once

#include "needle/nn/module.hpp"

namespace needle::nn {

/// Any module from tensor to tensor; a copy copies the module in it.
template <Device D = DefaultDevice>
class AnyModule {
 public:
  /// Empty: a call of it is refused.
  AnyModule() = default;
  /// Holds a module of any type that takes a tensor and gives one.
  template <class M>
  requires(!std::same_as<M, AnyModule> && Module<M, Tensor<D>>) AnyModule(M module)
      : held_(new Held<M>(std::move(module))) {}
  /// A copy has parameters of its own.
  AnyModule(const AnyModule& other) : held_(other.held_ ? other.held_->copy() : Ref<Base>()) {}
  AnyModule(AnyModule&&) noexcept = default;
  AnyModule& operator=(AnyModule other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }

  /// What the module makes of x, with the shapes that it says.
  Tensor<D> operator()(const Tensor<D>& x) const {
    if (!held_) fail("module: an empty AnyModule was called; assign a module to it first");
    return held_->call(x);
  }
  /// Shows a visitor what the module holds, under `path`; nothing if it is empty.
  void visit(Visitor<D>& visitor, const std::string& path) {
    if (held_) held_->visit(visitor, path);
  }

 private:
  struct Base : Counted {
    virtual ~Base() = default;
    friend void destroy(Base* base) { delete base; }
    virtual Tensor<D> call(const Tensor<D>& x) const = 0;
    virtual void visit(Visitor<D>& visitor, const std::string& path) = 0;
    virtual Ref<Base> copy() const = 0;
  };
  template <class M>
  struct Held final : Base {
    explicit Held(M module) : module(std::move(module)) {}
    Tensor<D> call(const Tensor<D>& x) const override { return module(x); }
    void visit(Visitor<D>& visitor, const std::string& path) override {
      nn::visit<D>(visitor, module, path);
    }
    Ref<Base> copy() const override { return Ref<Base>(new Held(module)); }
    M module;
  };
  Ref<Base> held_;
};

}  // namespace needle::nn

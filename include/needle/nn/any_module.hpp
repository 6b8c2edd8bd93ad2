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
  /// Where both hold a module of the same type, that is assigned, so its parameters take over the
  /// values and optimizers follow; else this holds a copy.
  AnyModule& operator=(const AnyModule& other) {
    if (!held_ || !other.held_ || !held_->take(*other.held_)) *this = AnyModule(other);
    return *this;
  }
  AnyModule& operator=(AnyModule&&) noexcept = default;

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
    /// Assigns what another holds, if that is of the same type and can be assigned.
    virtual bool take(const Base& other) = 0;
    const void* type = nullptr;
  };
  template <class M>
  struct Held final : Base {
    explicit Held(M module) : module(std::move(module)) { this->type = &tag; }
    Tensor<D> call(const Tensor<D>& x) const override { return module(x); }
    void visit(Visitor<D>& visitor, const std::string& path) override {
      nn::visit<D>(visitor, module, path);
    }
    Ref<Base> copy() const override { return Ref<Base>(new Held(module)); }
    bool take(const Base& other) override {
      if constexpr (std::is_copy_assignable_v<M>) {
        if (other.type == &tag) module = static_cast<const Held&>(other).module;
        return other.type == &tag;
      } else {
        return false;
      }
    }
    static constexpr char tag = 0;  // whose address stands for the type
    M module;
  };
  Ref<Base> held_;
};

}  // namespace needle::nn

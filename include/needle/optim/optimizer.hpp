// What optimizers share: the cells they update, their state, and one fused pass a parameter.
#pragma once

#include <cmath>
#include <map>

#include "needle/graph/parameter.hpp"

namespace needle::optim {

/// Cells with running values for each of their elements, which lie in one flat block of memory.
template <Device D>
class Cells {
 public:
  /// `slots` running values for each element, 0 at the start. Frozen cells are kept out.
  Cells(std::vector<Ref<Cell<D>>> cells, int slots) : cells_(std::move(cells)) {
    std::erase_if(cells_, [](const auto& cell) { return cell->frozen(); });
    std::int64_t total = 0;
    for (const auto& cell : cells_) {
      begin_.push_back(total);
      total += (cell->shape().size() + 15) / 16 * 16;  // each starts on a cache line
    }
    for (int slot = 0; slot < slots; ++slot) {
      flat_.emplace_back(Shape{total}, real<D>);
      fill(flat_.back());
    }
  }

  std::size_t count() const { return cells_.size(); }
  /// Forgets the gradients of all cells.
  void zero_grad() const {
    for (const auto& cell : cells_) cell->zero_grad();
  }
  /// Running value `slot` of cell i, in the cell's shape.
  Array<D> running(int slot, std::size_t i) const {
    Layout layout = compact_layout(cells_[i]->shape());
    layout.offset = begin_[i];
    return Array<D>(flat_[static_cast<std::size_t>(slot)], layout);
  }

  /// Runs `program` over each cell that has a gradient: inputs value, gradient, running values; outputs
  /// the new running values and, last, the new value, all in place.
  void update(const Program& program) {
    std::vector<Expression<D>*> grads;
    for (const auto& cell : cells_) {
      if (const Tensor<D> grad = cell->grad()) grads.push_back(&grad.node());
    }
    detail::evaluate<D>(std::move(grads));
    std::vector<Array<D>> inputs, outputs;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Tensor<D> grad = cells_[i]->grad();
      if (!grad) continue;
      cells_[i]->update([&](Array<D>& value) {
        inputs = {value, grad.data()};
        outputs.clear();
        for (int slot = 0; slot < slots(); ++slot) {
          inputs.push_back(running(slot, i));
          outputs.push_back(inputs.back());
        }
        outputs.push_back(value);
        execute(program, std::span<const Array<D>>(inputs), std::span<Array<D>>(outputs));
      });
    }
  }

  int slots() const { return static_cast<int>(flat_.size()); }

  /// The running values by name, "exp_avg.0", and how many steps there were.
  std::map<std::string, Tensor<D>> state_dict(std::initializer_list<std::string_view> names,
                                              std::int64_t steps) const {
    std::map<std::string, Tensor<D>> state;
    state["step"] = Tensor<D>(std::vector<std::int32_t>{static_cast<std::int32_t>(steps)}, {});
    for_each_running(names, [&](const std::string& name, Array<D> array) {
      Array<D> own(array.shape, array.dtype);
      copy(array, own);
      state[name] = Tensor<D>(std::move(own));
    });
    return state;
  }
  /// Takes running values from a state, all or none; returns how many steps there were.
  std::int64_t load_state(std::initializer_list<std::string_view> names,
                          const std::map<std::string, Tensor<D>>& state) {
    const auto found = [&](const std::string& name, const Shape& shape) -> const Tensor<D>& {
      const auto at = state.find(name);
      if (at == state.end()) fail("optimizer: the state has no '", name, "'");
      if (!(at->second.shape() == shape)) {
        fail("optimizer: '", name, "' of shape ", at->second.shape(), " does not fit ", shape);
      }
      return at->second;
    };
    const auto steps = found("step", {}).template item<std::int32_t>();
    for_each_running(names, [&](const std::string& name, Array<D> to) { found(name, to.shape); });
    for_each_running(names, [&](const std::string& name, Array<D> to) {
      copy(found(name, to.shape).data(), to);
    });
    return steps;
  }

 private:
  template <class F>
  void for_each_running(std::initializer_list<std::string_view> names, F&& f) const {
    for (int slot = 0; slot < slots(); ++slot) {
      for (std::size_t i = 0; i < cells_.size(); ++i) {
        f(text(names.begin()[slot], ".", i), running(slot, i));
      }
    }
  }

  static void fill(Array<D>& array) {
    Program zero;
    const int c = zero.add_constant(0);
    zero.add_output(zero.add_step(scalar::code<scalar::Identity>, c, c, c));
    zero.finish();
    execute(zero, std::span<const Array<D>>(), std::span<Array<D>>(&array, 1));
  }

  std::vector<Ref<Cell<D>>> cells_;
  std::vector<std::int64_t> begin_;
  std::vector<Array<D>> flat_;
};

/// Arithmetic that writes itself down as a program: update rules read like their formulas.
class Rule {
 public:
  struct Value {
    Rule* rule;
    int number;
  };

  Value input() { return {this, program_.add_input()}; }
  Value constant(double value) { return {this, program_.add_constant(value)}; }
  void output(Value value) { program_.add_output(value.number); }
  /// The finished program.
  const Program& program() {
    program_.finish();
    return program_;
  }

  friend Value operator+(Value a, Value b) { return step<scalar::Add>(a, b); }
  friend Value operator-(Value a, Value b) { return step<scalar::Subtract>(a, b); }
  friend Value operator*(Value a, Value b) { return step<scalar::Multiply>(a, b); }
  friend Value operator/(Value a, Value b) { return step<scalar::Divide>(a, b); }
  friend Value operator*(double a, Value b) { return b.rule->constant(a) * b; }
  friend Value operator+(Value a, double b) { return a + a.rule->constant(b); }
  friend Value sqrt(Value a) { return step<scalar::Sqrt>(a, a); }

 private:
  template <class F>
  static Value step(Value a, Value b) {
    return {a.rule, a.rule->program_.add_step(scalar::code<F>, a.number, b.number, a.number)};
  }
  Program program_;
};

}  // namespace needle::optim

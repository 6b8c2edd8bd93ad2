// What optimizers share: the cells they update, running values for them, and how a rule is applied.
//
// A rule is a struct of numbers whose `operator()` is the formula for one element. It is recorded
// as a program, so every device can run it, in one pass over a parameter. Parameters keep storage
// of their own in place of a part of one array for all: tensors share it and modules replace it.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "needle/graph/parameter.hpp"
#include "needle/program/backend.hpp"

namespace needle::optim {

namespace detail {

/// A number of a program that is being recorded.
struct Recorded {
  Program* program;
  int number;

  /// As many as leave room for copies to the outputs.
  static constexpr int most_steps = Program::max_steps - Program::max_outputs;

  NEEDLE_NOINLINE static Recorded step(int code, Recorded a, Recorded b) {
    if (a.program->steps == most_steps) {
      fail("optim: a rule of more than ", most_steps, " steps; that is what a program holds");
    }
    return {a.program, a.program->add_step(code, a.number, b.number, a.number)};
  }
  friend Recorded operator+(Recorded a, Recorded b) {
    return step(scalar::code<scalar::Add>, a, b);
  }
  friend Recorded operator-(Recorded a, Recorded b) {
    return step(scalar::code<scalar::Subtract>, a, b);
  }
  friend Recorded operator*(Recorded a, Recorded b) {
    return step(scalar::code<scalar::Multiply>, a, b);
  }
  friend Recorded operator/(Recorded a, Recorded b) {
    return step(scalar::code<scalar::Divide>, a, b);
  }
  friend Recorded sqrt(Recorded a) { return step(scalar::code<scalar::Sqrt>, a, a); }
};

/// `rule(number, value, gradient, running...)` as a program; `number(x)` is a constant of it. Its
/// inputs are those of the rule, its outputs the new running values and the new value.
template <std::size_t count, class Rule>
Program program_of(const Rule& rule) {
  Program program;
  Recorded recorded[2 + count];
  for (Recorded& each : recorded) each = {&program, program.add_input()};
  static_assert(count < Program::max_outputs, "needle: a rule has too many running values");
  const auto number = [&](double x) {
    if (program.constants == Program::max_constants) {
      fail("optim: a rule of more than ", +Program::max_constants, " numbers");
    }
    return Recorded{&program, program.add_constant(x)};
  };
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    rule(number, recorded[0], recorded[1], recorded[2 + i]...);
    (program.add_output(recorded[2 + i].number), ...);
  }
  (std::make_index_sequence<count>());
  program.add_output(recorded[0].number);
  program.finish();
  return program;
}

}  // namespace detail

/// The base of optimizers: the parameters it trains, each once, and the running values it has for
/// them. Those begin as zeros at a parameter's first gradient, so what is frozen costs nothing
/// until it is trained. An optimizer adds its options and a `step()` that calls `update`.
template <Device D>
class Optimizer {
 public:
  /// `optimizer` is its name in errors, `running` are the names of its running values; an empty
  /// list of parameters is refused.
  Optimizer(std::string optimizer, std::vector<std::string> running,
            const std::vector<Ref<Cell<D>>>& cells)
      : optimizer_(std::move(optimizer)), names_(std::move(running)) {
    for (const auto& cell : cells) {
      if (!cell) fail(optimizer_, ": one of the parameters has no value");
      const auto same = [&](const Entry& entry) { return entry.cell == cell; };
      if (std::none_of(entries_.begin(), entries_.end(), same)) entries_.push_back({cell});
    }
    if (entries_.empty()) fail(optimizer_, ": there are no parameters to train");
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == "step" || std::count(names_.begin(), names_.end(), names_[i]) > 1) {
        fail(optimizer_, ": two running values named ", names_[i], " (\"step\" is one already)");
      }
    }
  }
  Optimizer(Optimizer&&) = default;  // a copy would update the same values

  /// Forgets the gradients.
  void zero_grad() const {
    for (const Entry& entry : entries_) entry.cell->zero_grad();
  }

  /// Updates each cell that has a gradient with `rule_at(t)` and the first `count` running values;
  /// t counts the cell's own updates with running values, this one included.
  template <std::size_t count, class RuleAt>
  void update(RuleAt&& rule_at) {
    // Signed, since nvcc warns of an unsigned 0 that is compared.
    if (static_cast<std::ptrdiff_t>(count) > std::ssize(names_)) {
      fail(optimizer_, ": a rule of ", count, " running values, of which ", names_.size(),
           " have names");
    }
    std::vector<Expression<D>*> gradients;
    for (const Entry& entry : entries_) {
      if (entry.cell.owners() == 1) {
        fail(optimizer_, ": a parameter of shape ", entry.cell->shape(),
             " is in no module any more; it was replaced after the optimizer was made, which "
             "assign() avoids");
      }
      if (const Tensor<D> gradient = entry.cell->grad(); gradient.defined())
        gradients.push_back(&gradient.node());
    }
    needle::detail::evaluate<D>(gradients);
    for (Entry& entry : entries_) {  // all memory before the first update, or without it none
      if (!entry.cell->grad().defined()) continue;
      if (count > 0) begin(entry);
      entry.cell->own();
    }
    Program program;
    std::int64_t recorded = -1;  // the t it is for
    for (Entry& entry : entries_) {
      const Tensor<D> gradient = entry.cell->grad();
      if (!gradient.defined()) continue;
      const std::int64_t t = entry.steps + (count > 0);
      if (t != recorded) {
        program = detail::program_of<count>(rule_at(t));
        recorded = t;
      }
      const Array<D> value = entry.cell->own();
      Array<D> inputs[2 + count] = {value, gradient.data()}, outputs[count + 1];
      std::copy_n(entry.running.begin(), count, inputs + 2);
      std::copy_n(entry.running.begin(), count, outputs);
      outputs[count] = value;
      execute(program, std::span<const Array<D>>(inputs), std::span<Array<D>>(outputs));
      entry.steps = t;
      if (!settings.check_nan) continue;
      if (const double made = needle::detail::not_finite(value); made != 0) {
        fail(optimizer_, ": made ", made, " in a parameter of shape ", value.shape,
             " (NEEDLE_CHECK_NAN)");
      }
    }
  }

  /// Its running values, for saving: for parameter i "i.step", and "i.<name>" once it has some.
  std::map<std::string, Tensor<D>> state_dict() const {
    std::map<std::string, Tensor<D>> state;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      const std::vector<std::int32_t> steps{static_cast<std::int32_t>(entry.steps)};
      state[text(i, ".step")] = Tensor<D>(steps, {});
      for (std::size_t k = 0; entry.steps > 0 && k < entry.running.size(); ++k) {
        state[text(i, ".", names_[k])] = Tensor<D>(duplicate(entry.running[k]));
      }
    }
    return state;
  }

  /// Continues from saved running values. What does not fit is refused in one message of a few
  /// lines, which names `source`, such as its file, before anything changes.
  void load_state(const std::map<std::string, Tensor<D>>& state,
                  std::string_view source = "the state") {
    std::string problems;
    int more = -8;  // so many are listed, the rest counted
    const auto add_problem = [&](const auto&... parts) {
      if (++more <= 0) problems += text("\n  ", parts...);
    };
    std::size_t used = 0;
    const auto found = [&](const std::string& name, const Shape& shape, Dtype dtype) {
      const auto at = state.find(name);
      if (at == state.end() || !at->second.defined()) {
        add_problem(at == state.end() ? "missing: " : "empty: ", name, " ", shape);
        return Tensor<D>();
      }
      ++used;
      const Tensor<D>& value = at->second;
      if (value.shape() == shape && value.dtype() == dtype) return value;
      add_problem(name, " is ", value.shape(), " of ", value.dtype(), ", expected ", shape, " of ",
                  dtype);
      return Tensor<D>();
    };
    std::vector<Entry> loaded;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      Entry entry{entries_[i].cell};
      const Tensor<D> steps = found(text(i, ".step"), {}, Dtype::int32);
      if (steps.defined()) entry.steps = steps.template item<std::int32_t>();
      if (entry.steps < 0) add_problem(i, ".step is ", entry.steps, ", expected 0 or more");
      for (std::size_t k = 0; entry.steps > 0 && k < names_.size(); ++k) {
        const Tensor<D> value = found(text(i, ".", names_[k]), entry.cell->shape(), real<D>);
        if (value.defined()) entry.running.push_back(duplicate(value.data()));
      }
      loaded.push_back(std::move(entry));
    }
    for (const auto& [name, value] : state) {
      if (used == state.size() || !problems.empty()) break;
      if (expects(name, loaded)) continue;
      add_problem("unexpected: ", name, value.defined() ? text(" ", value.shape()) : "");
    }
    if (more > 0) problems += text("\n  and ", more, " more");
    if (!problems.empty()) fail(optimizer_, ": ", source, " does not fit:", problems);
    entries_ = std::move(loaded);
  }

 private:
  struct Entry {
    Ref<Cell<D>> cell;
    std::int64_t steps = 0;
    std::vector<Array<D>> running = {};
  };

  static Array<D> duplicate(const Array<D>& array) {
    Array<D> own(array.shape, array.dtype);
    copy(array, own);
    return own;
  }
  void begin(Entry& entry) const {
    while (entry.running.size() < names_.size()) {
      entry.running.push_back(zero_array<D>(entry.cell->shape(), real<D>));
    }
  }
  bool expects(const std::string& name, const std::vector<Entry>& entries) const {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (name == text(i, ".step")) return true;
      for (std::size_t k = 0; k < entries[i].running.size(); ++k) {
        if (name == text(i, ".", names_[k])) return true;
      }
    }
    return false;
  }

  std::string optimizer_;
  std::vector<std::string> names_;
  std::vector<Entry> entries_;
};

/// Refuses an option that is not in [low, high): "adam: a beta1 of 1.5; it must lie in [0, 1)".
inline void check_option(std::string_view optimizer, std::string_view option, double value,
                         double low, double high) {
  if (value >= low && value < high) return;
  fail(optimizer, ": a ", option, " of ", value, "; it must lie in [", low, ", ", high, ")");
}

}  // namespace needle::optim

// A program: straight-line elementwise arithmetic over a few inputs, the unit of fusion.
//
// The graph turns a run of scalar nodes into one program; every device can run any program, tile by
// tile on a CPU, a thread to an element on a GPU. There is no compiler at run time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "needle/program/scalar.hpp"

namespace needle {

/// What registers hold: the device's `Real`, or 32-bit integers.
enum class Arithmetic : std::uint8_t { real, int32 };

/// Straight-line code on numbered values: inputs from 0, constants from 32, results from 64.
/// Results share registers once their last reader is past; outputs keep a register of their own.
struct Program {
  /// How much of everything a program holds at most; the graph stops before.
  static constexpr int max_inputs = 32, max_constants = 32, max_steps = 64, max_outputs = 16;
  /// Where the numbers of constants and of results begin, and where all end.
  static constexpr int first_constant = 32, first_result = 64, max_values = 128;

  /// `result = function(a, b, c)`; operands a function does not take repeat the first.
  struct Step {
    /// The function's `scalar::code`, and numbers of values.
    std::uint8_t function, result, a, b, c;
    /// Which of the operands, from 1, is what the step before gave; 0: none. Found by `finish`.
    std::uint8_t joins;
    /// Whether anything reads the result but that operand of the next step.
    bool kept;
  };

  /// What its registers hold.
  Arithmetic arithmetic = Arithmetic::real;
  /// How many there are of each.
  std::uint8_t inputs = 0, constants = 0, steps = 0, outputs = 0, registers = 0;
  /// The values of the constants.
  double constant[max_constants] = {};
  /// The steps in order; beyond their number nothing is set, since clearing half a kilobyte takes
  /// longer than many a step.
  Step step[max_steps];
  /// The value each output stores; the last step comes last.
  std::uint8_t output[max_outputs];

  /// Adds an input; returns its number.
  int add_input() { return inputs++; }
  /// Adds a constant, or finds it; returns its number.
  int add_constant(double value) {
    for (int i = 0; i < constants; ++i) {
      if (std::bit_cast<std::uint64_t>(constant[i]) == std::bit_cast<std::uint64_t>(value)) {
        return first_constant + i;
      }
    }
    constant[constants] = value;
    return first_constant + constants++;
  }
  /// Adds a step; returns the number of its result.
  int add_step(int function, int a, int b, int c) {
    const auto byte = [](int value) { return static_cast<std::uint8_t>(value); };
    step[steps] = {byte(function), byte(first_result + steps), byte(a), byte(b), byte(c), 0, true};
    return first_result + steps++;
  }
  /// Makes a value an output, after those there are; an input or a constant by a step that copies.
  void add_output(int value) {
    if (value < first_result) value = add_step(scalar::code<scalar::Identity>, value, value, value);
    output[outputs++] = static_cast<std::uint8_t>(value);
  }

  /// Makes the complete program ready to run; call once.
  void finish() {
    find_chains();
    assign_registers();
  }

 private:
  /// A number for each result. Inputs and constants have none.
  struct PerResult {
    std::uint8_t of[max_steps] = {};
    std::uint8_t& operator[](int value) { return of[value - first_result]; }
    /// That of a value; what is no result stands for itself.
    std::uint8_t at(std::uint8_t value) const {
      return value < first_result ? value : of[value - first_result];
    }
    void set(int value, int number) {
      if (value >= first_result) of[value - first_result] = static_cast<std::uint8_t>(number);
    }
    void increment(int value) {
      if (value >= first_result) ++of[value - first_result];
    }
  };

  /// Finds the steps that read what the one before gave.
  void find_chains() {
    PerResult uses;  // how often each is read, as an operand or as an output
    for (int i = 0; i < steps; ++i) {
      const int operands[] = {step[i].a, step[i].b, step[i].c};
      for (int k = 0; k < scalar::arities[step[i].function]; ++k) uses.increment(operands[k]);
    }
    for (int i = 0; i < outputs; ++i) uses.increment(output[i]);
    for (int i = 1; i < steps; ++i) {
      const int operands[] = {step[i].a, step[i].b, step[i].c}, before = step[i - 1].result;
      for (int k = scalar::arities[step[i].function]; k-- > 0;) {
        if (operands[k] == before) step[i].joins = static_cast<std::uint8_t>(k + 1);
      }
      step[i - 1].kept = step[i].joins == 0 || uses[before] > 1;
    }
  }

  /// Gives results registers, counted from `first_result`.
  void assign_registers() {
    PerResult last_use, place;
    std::uint8_t free[max_steps];
    int free_count = 0;
    for (int i = 0; i < steps; ++i) {
      for (int operand : {step[i].a, step[i].b, step[i].c}) last_use.set(operand, i);
    }
    for (int i = 0; i < outputs; ++i) last_use.set(output[i], max_steps);
    for (int i = 0; i < steps; ++i) {
      Step& s = step[i];
      const int operands[] = {s.a, s.b, s.c}, result = s.result;
      s.a = place.at(s.a), s.b = place.at(s.b), s.c = place.at(s.c);
      // The register of an operand read for the last time is free for the result: loops run
      // forward.
      for (int k = 0; k < 3; ++k) {
        const int operand = operands[k];
        const bool repeated =
            (k > 0 && operands[0] == operand) || (k > 1 && operands[1] == operand);
        if (operand >= first_result && last_use[operand] == i && !repeated) {
          free[free_count++] = place[operand];
        }
      }
      place[result] = free_count > 0 && last_use[result] != max_steps
                          ? free[--free_count]
                          : static_cast<std::uint8_t>(first_result + registers++);
      s.result = place[result];
    }
    for (int i = 0; i < outputs; ++i) output[i] = place[output[i]];
  }
};

/// The program that copies its one input.
inline Program identity_program(Arithmetic arithmetic = Arithmetic::real) {
  Program program;
  program.arithmetic = arithmetic;
  program.add_output(program.add_step(scalar::code<scalar::Identity>, program.add_input(), 0, 0));
  program.finish();
  return program;
}

/// How a reduction joins two values.
enum class Monoid : std::uint8_t { sum, maximum, minimum };

/// What `body` gives for the scalar function by which a monoid joins.
template <class Body>
auto with_function(Monoid monoid, const Body& body) {
  switch (monoid) {
    case Monoid::sum: return body(scalar::Add{});
    case Monoid::maximum: return body(scalar::Maximum{});
    case Monoid::minimum: break;
  }
  return body(scalar::Minimum{});
}

/// The op that joins values so.
constexpr std::string_view name(Monoid monoid) {
  constexpr std::string_view names[] = {"sum", "max", "min"};
  return names[static_cast<int>(monoid)];
}

/// What a monoid gives for no values at all: 0, -infinity, infinity.
constexpr double identity_of(Monoid monoid) {
  constexpr double infinity = __builtin_huge_val();
  constexpr double values[] = {0, -infinity, infinity};
  return values[static_cast<int>(monoid)];
}

}  // namespace needle

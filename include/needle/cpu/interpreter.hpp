// A program on the CPU, one tile at a time: a vector loop for each step or for a chain of steps.
//
// Inputs that lie in order are read where they are and outputs are written where they belong;
// views, conversions and the ragged end of an array go through a register. Blocks from the
// allocator are padded to 64 bytes, so a loop may run past the end of an array that ends its block.
#pragma once

#include "needle/cpu/chain.hpp"
#include "needle/cpu/chunks.hpp"
#include "needle/cpu/steps.hpp"

namespace needle::cpu {

/// A program ready to run over part of its loop, with registers of one thread.
template <class R>
class Interpreter {
 public:
  Interpreter(const Program& program, const Loop& loop, std::span<const Array<Cpu>> inputs,
              std::int64_t longest)
      : program_(program), loop_(loop), inputs_(inputs), width_(padded(longest)) {
    const std::int64_t room = (program.inputs + program.constants + program.registers) * width_;
    R* next = local_;
    if (room > local_room) {
      scratch_ = Ref<Storage<Cpu>>(new Storage<Cpu>(static_cast<std::size_t>(room) * sizeof(R)));
      next = static_cast<R*>(scratch_->data);
    }
    for (int k = 0; k < program.inputs; ++k) {
      buffer_[k] = next;
      next += width_;
      const Array<Cpu>& input = inputs[k];
      direct_[k] = input.dtype == dtype_of<R> && loop.is_compact(k);
      constant_[k] = !direct_[k] && loop.is_constant(k);
      if (constant_[k]) gather_tile(buffer_[k], input, loop, k, 0, 1);
      laid_out_[k] = 0;
      periodic_[k] = !direct_[k] && !constant_[k] && is_periodic(loop.strides[k]);
    }
    for (int k = 0; k < program.constants; ++k) {
      *next = static_cast<R>(program.constant[k]);
      value_[Program::first_constant + k] = next;
      next += width_;
    }
    for (int k = 0; k < program.registers; ++k) {
      buffer_[Program::first_result + k] = next;
      value_[Program::first_result + k] = next;
      next += width_;
    }
    for (int i = 0; i < program.steps; ++i) {
      ahead_[i] = program.step[i].a;  // nothing new
      of_next_tile_[i] = false;
      chain_[i] = 0;
    }
    if (loop.size() > tile) plan_fetches();
    if constexpr (std::is_same_v<R, float>) find_chains();
  }

  /// Where the result of a program is to be written next, of `padded(n)` elements; null for a
  /// register.
  void write_to(int output, R* place) {
    const int result = program_.output[output];
    value_[result] = place ? place : buffer_[result];
  }

  /// Calculates positions [begin, begin + n), no more than the `longest` run.
  void run(std::int64_t begin, std::int64_t n) {
    for (int k = 0; k < program_.inputs; ++k) {
      value_[k] = buffer_[k];
      if (constant_[k]) continue;
      if (direct_[k] && may_read_over(inputs_[k], begin, n)) {
        value_[k] = inputs_[k].template data<R>() + begin;
        continue;
      }
      const bool row_start = periodic_[k] && begin % loop_.shape.back() == 0;
      if (row_start && laid_out_[k] >= n) continue;
      gather_tile(buffer_[k], inputs_[k], loop_, k, begin, n);
      laid_out_[k] = row_start ? n : 0;
    }
    if (copies_nothing_) {
      spread_constants();
      value_[program_.output[0]] = value_[program_.step[0].a];
      return;
    }
    const std::int64_t length = padded(n);
    for (int i = 0, end; i < program_.steps; i = end) {
      end = i + (std::max)(chain_[i], std::uint8_t{1});
      std::int64_t done = 0;  // by the chain; what is left of it goes step by step
      if constexpr (std::is_same_v<R, float>) {
        if (chain_[i] > 0) {
          done = chain_loop_(value_, program_.step[i].a, {link_ + 2 * i, links_[i]}, length);
        }
      }
      if (done == length) continue;
      spread_constants();
      for (int k = i; k < end; ++k) {
        const Program::Step& s = program_.step[k];
        const R* ahead = value_[ahead_[k]] + (of_next_tile_[k] ? n : 0);
        table_[s.function](value_[s.result] + done, value_[s.a] + done, value_[s.b] + done,
                           value_[s.c] + done, length - done, ahead + done);
      }
    }
  }

  /// Says that results will only be read: then a program that copies its input gives the input
  /// itself, which is what is returned.
  bool read_only() { return copies_nothing_ = is_copy(); }

  /// Where the values from a position on lie in order, if the program copies them; else null.
  const R* in_place(std::int64_t begin) const {
    return is_copy() && program_.step[0].a == 0 && direct_[0]
               ? inputs_[0].template data<R>() + begin
               : nullptr;
  }

  /// The values of an output after `run`.
  R* result(int output) const { return value_[program_.output[output]]; }

  /// Whether loops may read padded(n) elements from position begin of a compact array.
  static bool may_read_over(const Array<Cpu>& array, std::int64_t begin, std::int64_t n) {
    const auto elements = static_cast<std::int64_t>(array.storage->bytes / sizeof(R));
    const std::int64_t end = array.offset + begin + padded(n);
    return end <= (array.storage->owned ? padded(elements) : elements);
  }
  /// Whether loops may write padded(n) elements from position begin of a compact array.
  static bool may_write_over(const Array<Cpu>& array, std::int64_t begin, std::int64_t n) {
    if (n % block == 0) return true;
    const auto elements = static_cast<std::int64_t>(array.storage->bytes / sizeof(R));
    return (array.offset + begin) % block == 0 && array.offset + begin + n == elements;
  }

 private:
  bool is_copy() const {
    return program_.steps == 1 && program_.step[0].function == scalar::code<scalar::Identity>;
  }
  /// Whether an operand repeats the same row over all dimensions but the innermost.
  static bool is_periodic(const Strides& strides) {
    for (int i = 0; i + 1 < strides.ndim(); ++i) {
      if (strides[i] != 0) return false;
    }
    return strides.ndim() > 1;
  }

  /// Whether a value is one number everywhere.
  bool is_constant(int value) const {
    return value < Program::first_constant ? constant_[value] : value < Program::first_result;
  }
  /// Writes what is one number everywhere out for a whole tile, once somebody is to read it there.
  void spread_constants() {
    if (std::exchange(spread_, true)) return;
    for (int k = 0; k < program_.inputs; ++k) {
      if (constant_[k]) fill(buffer_[k], width_, *buffer_[k]);
    }
    for (int k = 0; k < program_.constants; ++k) {
      R* const value = value_[Program::first_constant + k];
      fill(value, width_, *value);
    }
  }
  /// Decides what each slow step fetches into the cache while it calculates: what a cheap step
  /// after it is going to read or write in this tile, or one before it in the next.
  void plan_fetches() {
    const auto fetch = [&](int value, int user) {  // for the step that reads or writes it first
      if (!is_cheap(user)) return;
      for (int back = 1; back < program_.steps; ++back) {
        const int i = (user - back + program_.steps) % program_.steps;
        if (is_cheap(i) || ahead_[i] != program_.step[i].a) continue;
        ahead_[i] = static_cast<std::uint8_t>(value);
        of_next_tile_[i] = i > user;
        return;
      }
    };
    for (int k = 0; k < program_.inputs; ++k) {
      if (!direct_[k]) continue;
      int user = 0;
      const auto reads = [&](const Program::Step& s) { return s.a == k || s.b == k || s.c == k; };
      while (user + 1 < program_.steps && !reads(program_.step[user])) ++user;
      fetch(k, user);
    }
    fetch(program_.output[0], program_.steps - 1);
  }
  /// Whether a step does little for what it reads.
  bool is_cheap(int step) const {
    return link_codes[link_key(program_.step[step].function, 0, false)] != no_link;
  }
  /// Finds the chains that are long enough, and the loop for them.
  void find_chains() {
    const bool may_exp = links_exp(isa(), loop_.size());
    bool exp = false;  // is in some chain
    for (int first = 0, end; first < program_.steps; first = end) {
      Link* next = link_ + 2 * first;
      const auto add_link = [&](int i, int at) {  // of step i, with operand `at` at hand
        const Program::Step& s = program_.step[i];
        if (at < 0) return false;
        const int arity = scalar::arities[s.function];
        const std::uint8_t y = arity < 2 ? program_.step[first].a : at == 0 ? s.b : s.a;
        const std::uint8_t z = arity < 3 ? y : at == 2 ? s.b : s.c;
        const bool is_exp = may_exp && s.function == scalar::code<scalar::Exp>;
        const std::uint8_t code =
            is_exp ? exp_code : link_codes[link_key(s.function, at, is_constant(y))];
        if (code == no_link) return false;
        const bool any = code == link_codes[link_key(s.function, at, false)];  // reads vectors
        if (any && (is_constant(y) || is_constant(z))) spread_constants();
        *next++ = {code, y, z};
        if (s.kept) *next++ = {store_code, s.result, s.result};
        return true;
      };
      end = first + 1;
      if (!add_link(first, 0)) continue;
      if (is_constant(program_.step[first].a)) spread_constants();
      while (end < program_.steps && add_link(end, program_.step[end].joins - 1)) ++end;
      const Program::Step& last = program_.step[end - 1];
      if (!last.kept) *next++ = {store_code, last.result, last.result};
      if (end - first < shortest_chain) continue;
      chain_[first] = static_cast<std::uint8_t>(end - first);
      links_[first] = static_cast<std::uint8_t>(next - (link_ + 2 * first));
      for (Link* link = link_ + 2 * first; link != next; ++link) exp |= link->code == exp_code;
    }
    const auto arrays = std::count(direct_, direct_ + program_.inputs, true) + program_.outputs;
    chain_loop_ = chain_loop(isa(), loop_.size(), arrays, exp);
  }

  const Program& program_;
  const Loop& loop_;
  std::span<const Array<Cpu>> inputs_;
  const StepLoop<R>* table_ = steps<R>();
  std::uint8_t ahead_[Program::max_steps];  // the value that step i fetches
  bool of_next_tile_[Program::max_steps];   // of this tile or the next
  ChainLoop chain_loop_;
  std::uint8_t chain_[Program::max_steps];  // steps of the chain that starts here, or 0
  std::uint8_t links_[Program::max_steps];  // links of the chain that starts here
  Link link_[longest_chain];                // those of step i from 2 i on
  std::int64_t width_;
  static constexpr std::int64_t local_room = 16384;  // enough for most programs
  Ref<Storage<Cpu>> scratch_;
  bool copies_nothing_ = false, spread_ = false;
  bool direct_[Program::max_inputs], constant_[Program::max_inputs];
  bool periodic_[Program::max_inputs];
  std::int64_t laid_out_[Program::max_inputs];
  R* buffer_[Program::max_values];
  R* value_[Program::max_values];
  alignas(64) R local_[local_room];
};

}  // namespace needle::cpu

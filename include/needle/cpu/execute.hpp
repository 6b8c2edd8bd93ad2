// Programs over whole arrays, tile by tile and in parallel.
//
// A tile is about 1,024 elements, or half of that, so that the registers of a usual program (4 KB
// each) stay in the first-level cache. Where the innermost dimension is short, it is a whole number
// of its rows, so that a row broadcast over the others (a bias) is laid out once for all tiles.
#pragma once

#include <numeric>

#include "needle/cpu/interpreter.hpp"

namespace needle::cpu {

/// The tile for a program over a loop: whole blocks, and whole rows where those are short enough.
///
/// What steps store and two tiles of each input, since the next may be fetched meanwhile, and of
/// each output one are to stay in 32 KB (bench_elementwise with AVX-512, 1e7 elements, time over a
/// hand-written pass: sigmoid(x) tanh(y) + z 1.1 to 1.4 in place of 1.3 to 1.5).
inline std::int64_t tile_of(const Program& program, const Loop& loop) {
  std::uint64_t stored = 0;
  for (int i = 0; i < program.steps; ++i) {
    const Program::Step& s = program.step[i];
    stored |= std::uint64_t{s.kept} << (s.result - Program::first_result);
  }
  const int tiles = std::popcount(stored) + 2 * program.inputs + program.outputs;
  const std::int64_t size = tiles <= 8 ? tile : tile / 2;
  if (loop.shape.ndim() < 2) return size;
  const std::int64_t rows = std::lcm((std::max)(loop.shape.back(), std::int64_t{1}), block);
  return rows > 2 * size ? size : (std::max)(size / rows, std::int64_t{1}) * rows;
}

template <class R>
void execute_as(const Program& program, std::span<const Array<Cpu>> inputs,
                std::span<Array<Cpu>> outputs) {
  const Loop loop = loop_over<Cpu>(outputs[0].shape, inputs);
  const std::int64_t step = tile_of(program, loop);
  bool truths[Program::max_outputs], overwrites[Program::max_outputs] = {};
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    int i = program.steps - 1;
    for (; program.step[i].result != program.output[k]; --i) {  // what the steps after it read
      for (const int operand : {program.step[i].a, program.step[i].b, program.step[i].c}) {
        overwrites[k] |= operand < program.inputs && inputs[operand].storage == outputs[k].storage;
      }
    }
    truths[k] = scalar::is_comparison(program.step[i].function) && outputs[k].dtype == Dtype::uint8;
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    Interpreter<R> interpreter(program, loop, inputs, (std::min)(step, end - begin));
    for (std::int64_t i = begin; i < end; i += step) {
      const std::int64_t n = (std::min)(step, end - i);
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        const bool in_place = outputs[k].dtype == dtype_of<R> && !overwrites[k] &&
                              Interpreter<R>::may_write_over(outputs[k], i, n);
        interpreter.write_to(static_cast<int>(k),
                             in_place ? outputs[k].template data<R>() + i : nullptr);
      }
      interpreter.run(i, n);
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        const R* from = interpreter.result(static_cast<int>(k));
        if constexpr (std::is_same_v<R, float>) {
          if (truths[k]) {
            store_truths(outputs[k].template data<std::uint8_t>() + i, from, n);
            continue;
          }
        }
        visit_storage(outputs[k].dtype, [&]<class T>(T) {
          if constexpr (meets_register<T, R>) {
            T* to = outputs[k].template data<T>() + i;
            if (static_cast<const void*>(to) != from) store(to, from, n);
          }
        });
      }
    }
  };
  for_each_chunk(loop.size(), program.steps + program.inputs, part, chunk / step * step);
}

}  // namespace needle::cpu

namespace needle {

/// Runs a program over views of the outputs' shape.
NEEDLE_ON_DEMAND
void execute(const Program& program, std::span<const Array<Cpu>> inputs,
             std::span<Array<Cpu>> outputs) {
  if (program.arithmetic == Arithmetic::real) cpu::execute_as<float>(program, inputs, outputs);
  else cpu::execute_as<std::int32_t>(program, inputs, outputs);
}

}  // namespace needle

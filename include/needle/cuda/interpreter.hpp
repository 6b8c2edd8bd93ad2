// Programs on the GPU: one small kernel that interprets any of them.
//
// A thread calculates four elements, 256 apart, so that the lanes of a warp read and write
// neighbours and the cost of finding a step's function is shared by four. All threads follow the
// same steps, so no branch diverges. A value is a place of 16 bytes in local memory, which the
// first-level cache holds: inputs and constants are put there first, then each step reads and
// writes places. The program itself is a kernel parameter, which the constant cache broadcasts. A
// position beyond the end reads the last element and stores nothing.
#pragma once

#include <tuple>

#include "needle/cuda/device.hpp"
#include "needle/cuda/space.hpp"
#include "needle/program/program.hpp"

namespace needle::cuda {

/// Elements that a thread calculates at a time.
inline constexpr int width = 4;

/// A program and its inputs as a kernel parameter. Values are numbered without gaps: inputs,
/// constants, results.
template <class R>
struct Code {
  struct alignas(8) Step : Program::Step {};  // one load

  int inputs = 0, constants = 0, steps = 0;
  Step step[Program::max_steps];
  R constant[Program::max_constants];
  Operand input[Program::max_inputs];
  Space space;
};

/// The number of a program's value once gaps are closed.
inline std::uint8_t renumbered(const Program& program, int value) {
  if (value >= Program::first_result) {
    value += program.inputs + program.constants - Program::first_result;
  } else if (value >= Program::first_constant) {
    value += program.inputs - Program::first_constant;
  }
  return static_cast<std::uint8_t>(value);
}

/// Encodes what does not depend on the arrays.
template <class R>
Code<R> encoded(const Program& program) {
  Code<R> code;
  code.inputs = program.inputs;
  code.constants = program.constants;
  code.steps = program.steps;
  for (int i = 0; i < program.steps; ++i) {
    const Program::Step& s = program.step[i];
    const auto number = [&](int value) { return renumbered(program, value); };
    code.step[i] = {s};
    Program::Step& to = code.step[i];
    to.result = number(s.result), to.a = number(s.a), to.b = number(s.b), to.c = number(s.c);
  }
  for (int i = 0; i < program.constants; ++i) {
    code.constant[i] = static_cast<R>(program.constant[i]);
  }
  return code;
}

/// The values of one thread: up to 2 KB, of which a usual program touches 100 bytes.
template <class R>
struct Values {
  alignas(16) R at[Program::max_values][width];
};

/// y = f(a, b, c) for each of the thread's elements.
template <class F, class R>
__device__ __forceinline__ void run_step(R (&y)[width], const R (&a)[width], const R (&b)[width],
                                         const R (&c)[width]) {
  const auto one = [&](int k) {
    if constexpr (std::is_integral_v<R> && scalar::real_only<F>) y[k] = a[k];
    else if constexpr (scalar::arity<F> == 1) y[k] = F::apply(a[k]);
    else if constexpr (scalar::arity<F> == 2) y[k] = F::apply(a[k], b[k]);
    else y[k] = F::apply(a[k], b[k], c[k]);
  };
  if constexpr (scalar::real_only<F>) {  // long code: compiled once
    NEEDLE_ROLL for (int k = 0; k < width; ++k) one(k);
  } else {
    NEEDLE_UNROLL for (int k = 0; k < width; ++k) one(k);
  }
}

/// Runs function number `function` of the list, found by halving [low, high).
template <int low, int high, class R, class... F>
__device__ __forceinline__ void run_numbered(int function, R (&y)[width], const R (&a)[width],
                                             const R (&b)[width], const R (&c)[width],
                                             scalar::List<F...> list) {
  if constexpr (high - low == 1) {
    run_step<std::tuple_element_t<low, std::tuple<F...>>>(y, a, b, c);
  } else {
    constexpr int middle = (low + high) / 2;
    if (function < middle) run_numbered<low, middle>(function, y, a, b, c, list);
    else run_numbered<middle, high>(function, y, a, b, c, list);
  }
}

/// Runs a program at `width` places; `where(operand, k)` is an input's offset at the k-th of them.
template <class R, class Where>
__device__ __forceinline__ void interpret(const Code<R>& code, Values<R>& value,
                                          const Where& where) {
  NEEDLE_ROLL for (int i = 0; i < code.inputs; ++i) {
    NEEDLE_UNROLL for (int k = 0; k < width; ++k) {
      value.at[i][k] = load<R>(code.input[i], where(code.input[i], k));
    }
  }
  NEEDLE_ROLL for (int i = 0; i < code.constants; ++i) {
    NEEDLE_UNROLL for (int k = 0; k < width; ++k) value.at[code.inputs + i][k] = code.constant[i];
  }
  NEEDLE_ROLL for (int i = 0; i < code.steps; ++i) {
    const auto s = code.step[i];
    run_numbered<0, scalar::ScalarFunctions::size>(s.function, value.at[s.result], value.at[s.a],
                                                   value.at[s.b], value.at[s.c],
                                                   scalar::ScalarFunctions{});
  }
}

/// The work of `execute`: where each output goes, and which value it is.
template <class R>
struct Elements {
  struct Output {
    void* data;
    Dtype dtype;
    std::uint8_t value;
  };
  Code<R> code;
  Output output[Program::max_outputs];
  int outputs = 0;
  std::int64_t size = 0;
};

/// The offset of each input at one of a thread's positions.
struct ElementOffset {
  const Space& space;
  std::int64_t first, last;

  NEEDLE_FN std::int64_t operator()(const Operand& operand, int k) const {
    if (operand.mode == Mode::constant) return 0;
    const std::int64_t own = first + k * threads, position = own < last ? own : last;
    return operand.mode == Mode::compact ? position : offset_in(space, operand, position);
  }
};

template <class R>
__global__ void __launch_bounds__(threads)
    execute_kernel(const __grid_constant__ Elements<R> work) {
  Values<R> value;
  const std::int64_t first = std::int64_t{blockIdx.x} * (threads * width) + threadIdx.x;
  interpret(work.code, value, ElementOffset{work.code.space, first, work.size - 1});
  NEEDLE_ROLL for (int i = 0; i < work.outputs; ++i) {
    Operand to;
    to.data = work.output[i].data;
    to.dtype = work.output[i].dtype;
    for (int k = 0; k < width; ++k) {
      const std::int64_t position = first + k * threads;
      if (position < work.size) store(to, position, value.at[work.output[i].value][k]);
    }
  }
}

template <class R>
void execute_as(const Program& program, std::span<const Array<Cuda>> inputs,
                std::span<Array<Cuda>> outputs) {
  const Loop loop = loop_over<Cuda>(outputs[0].shape, inputs);
  Elements<R> work;
  work.code = encoded<R>(program);
  work.size = loop.size();
  if (work.size == 0) return;
  work.code.space = Space(loop.shape);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    Operand& operand = work.code.input[k] = Operand(inputs[k], loop.strides[k]);
    if (loop.is_constant(k)) operand.mode = Mode::constant;
    else if (loop.is_compact(k)) operand.mode = Mode::compact;
  }
  for (Array<Cuda>& output : outputs) {
    const std::uint8_t value = renumbered(program, program.output[work.outputs]);
    work.output[work.outputs++] = {Operand(output, {}).data, output.dtype, value};
  }
  static_assert(sizeof work <= 4096, "more than a kernel's parameters may take");
  launch("execute", execute_kernel<R>, blocks_for(work.size, threads * width), work);
}

}  // namespace needle::cuda

namespace needle {

/// Runs a program over views of the outputs' shape.
NEEDLE_ON_DEMAND
void execute(const Program& program, std::span<const Array<Cuda>> inputs,
             std::span<Array<Cuda>> outputs) {
  if (program.arithmetic == Arithmetic::real) cuda::execute_as<float>(program, inputs, outputs);
  else cuda::execute_as<std::int32_t>(program, inputs, outputs);
}

}  // namespace needle

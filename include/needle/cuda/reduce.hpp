// Reductions on the GPU, over any axes, of whatever a program calculates.
//
// Each output has a line, the reduced elements, and the threads that `Lanes` gives it. A thread
// takes elements `along` apart, joins four of them in float (a tree) and adds those up in double; a
// tree in shared memory joins the threads. Few and long lines are cut into pieces, a block each,
// that a second kernel joins in order. There are no atomics, and the cuts depend on shapes alone,
// so the bits are the same in every run and on every GPU. int32 is joined in 64 bits; its results
// go by way of the host, which refuses what does not fit: integer reductions are rare and their
// results few.
#pragma once

#include "needle/cuda/interpreter.hpp"
#include "needle/cuda/lanes.hpp"

namespace needle::cuda {

/// What a reduction adds up in.
template <class R>
using Wide = std::conditional_t<std::is_integral_v<R>, std::int64_t, double>;

template <class T>
NEEDLE_FN T join(Monoid monoid, T a, T b) {
  switch (monoid) {  // with_function is the host's
    case Monoid::sum: return scalar::Add::apply(a, b);
    case Monoid::maximum: return scalar::Maximum::apply(a, b);
    default: return scalar::Minimum::apply(a, b);
  }
}

/// What changes nothing when it is joined.
template <class T>
T neutral(Monoid monoid) {
  if constexpr (std::is_integral_v<T>) {
    if (monoid == Monoid::maximum) return INT64_MIN;
    if (monoid == Monoid::minimum) return INT64_MAX;
  }
  return static_cast<T>(identity_of(monoid));
}

/// The work of `reduce`: `pieces` blocks along the grid's y to each run of lines.
template <class R>
struct Reduction {
  Code<R> code;
  int result;  // the value's number
  Lanes lanes;
  Monoid monoid;
  Wide<R> none;
  std::int64_t lines, length, piece;
  void* out;   // of Wide<R>, (pieces, lines), or of float
  bool widen;  // which of both
};

/// The offset of each input at a thread's places in a line.
struct LineOffset {
  const Space& space;
  std::int64_t line, first, step, last;

  NEEDLE_FN std::int64_t operator()(const Operand& operand, int k) const {
    const std::int64_t own = first + k * step;
    return offset_in(space, operand, 0, space.split, line) +
           offset_in(space, operand, space.split, space.ndim, own < last ? own : last);
  }
};

/// One thread's part of a line: elements begin + lane, begin + lane + along, ... below end.
template <class R>
__device__ __forceinline__ Wide<R> reduce_lane(const Reduction<R>& work, std::int64_t line,
                                               std::int64_t begin, std::int64_t end, int lane) {
  Values<R> value;
  const std::int64_t along = work.lanes.along;
  const auto& result = value.at[work.result];
  Wide<R> sum = work.none;
  for (std::int64_t i = begin + lane; i < end; i += width * along) {
    interpret(work.code, value, LineOffset{work.code.space, line, i, along, end - 1});
    if (std::is_integral_v<R> || i + (width - 1) * along >= end) {
      for (int k = 0; k < width; ++k) {
        if (i + k * along < end) sum = join(work.monoid, sum, static_cast<Wide<R>>(result[k]));
      }
    } else {
      const R left = join(work.monoid, result[0], result[1]);
      const R right = join(work.monoid, result[2], result[3]);
      sum = join(work.monoid, sum, static_cast<Wide<R>>(join(work.monoid, left, right)));
    }
  }
  return sum;
}

template <class R>
__global__ void __launch_bounds__(threads)
    reduce_kernel(const __grid_constant__ Reduction<R> work) {
  __shared__ Wide<R> part[threads];  // (along, across)
  const int t = static_cast<int>(threadIdx.x), across = work.lanes.across;
  const int column = work.lanes.line(t), lane = work.lanes.lane(t), own = lane * across + column;
  const std::int64_t line = std::int64_t{blockIdx.x} * across + column;
  const std::int64_t begin = std::int64_t{blockIdx.y} * work.piece;
  const std::int64_t end = begin + work.piece < work.length ? begin + work.piece : work.length;
  part[own] = line < work.lines ? reduce_lane(work, line, begin, end, lane) : work.none;
  for (int half = work.lanes.along / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) part[own] = join(work.monoid, part[own], part[own + half * across]);
  }
  if (lane > 0 || line >= work.lines) return;
  if (work.widen) static_cast<Wide<R>*>(work.out)[blockIdx.y * work.lines + line] = part[own];
  else static_cast<float*>(work.out)[line] = static_cast<float>(part[own]);
}

/// Joins the pieces of each line, a thread to a line; `out` is float or `W`.
template <class W, class Out>
__global__ void __launch_bounds__(threads)
    join_kernel(Monoid monoid, const W* part, std::int64_t lines, std::int64_t pieces, Out* out) {
  const std::int64_t line = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (line >= lines) return;
  W sum = part[line];
  for (std::int64_t p = 1; p < pieces; ++p) sum = join(monoid, sum, part[p * lines + line]);
  out[line] = static_cast<Out>(sum);
}

/// The length of a piece of a line: all of it, or less where there are too few blocks to fill a
/// GPU.
inline std::int64_t piece_length(const Lanes& lanes, std::int64_t lines, std::int64_t length) {
  constexpr std::int64_t enough = 512, shortest = 32;  // blocks; elements a thread
  const std::int64_t blocks = (lines + lanes.across - 1) / lanes.across;
  const std::int64_t step = lanes.along * width;
  const std::int64_t most = length / (lanes.along * shortest);
  const std::int64_t pieces = (std::min)((enough + blocks - 1) / blocks, most);
  if (pieces < 2) return length;
  return ((length + pieces - 1) / pieces + step - 1) / step * step;
}

/// Memory for values that only kernels see.
struct Scratch {
  explicit Scratch(std::int64_t bytes) : storage(static_cast<std::size_t>(bytes)) {}
  template <class T>
  T* as() const {
    return static_cast<T*>(storage.data);
  }
  Storage<Cuda> storage;
};

template <class R>
void reduce_as(Monoid monoid, const Program& program, std::span<const Array<Cuda>> inputs,
               const Shape& shape, unsigned mask, Array<Cuda>& out) {
  Loop kept{{}, std::vector<Strides>(inputs.size())}, reduced = kept;
  bool columns = false;  // whether the last dimension is kept
  for (int i = 0; i < shape.ndim(); ++i) {
    Loop& to = mask >> i & 1 ? reduced : kept;
    to.shape.push_back(shape[i]);
    for (std::size_t k = 0; k < inputs.size(); ++k) to.strides[k].push_back(inputs[k].strides[i]);
    if (shape[i] != 1) columns = !(mask >> i & 1);
  }
  const std::int64_t lines = kept.size(), length = reduced.size();
  if (lines == 0) return;
  kept = collapse(std::move(kept));
  reduced = collapse(std::move(reduced));
  const Lanes lanes(lines, length, columns);
  const std::int64_t piece = piece_length(lanes, lines, length);
  const std::int64_t pieces = length == 0 ? 1 : (length + piece - 1) / piece;

  const int result = renumbered(program, program.output[0]);
  void* const to = Operand(out, {}).data;
  Reduction<R> work{encoded<R>(program),
                    result,
                    lanes,
                    monoid,
                    neutral<Wide<R>>(monoid),
                    lines,
                    length,
                    piece,
                    to,
                    false};
  work.code.space = Space(kept.shape);
  work.code.space.split = kept.shape.ndim();
  work.code.space.append(reduced.shape);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    work.code.input[k] = Operand(inputs[k], kept.strides[k]);
    work.code.input[k].append(reduced.strides[k]);
  }
  static_assert(sizeof work <= 4096, "more than a kernel's parameters may take");
  const dim3 grid(blocks_for(lines, lanes.across), static_cast<unsigned>(pieces));
  if constexpr (!std::is_integral_v<R>) {
    if (pieces == 1) return launch("reduce", reduce_kernel<R>, grid, work);
  }
  const Scratch parts(pieces * lines * static_cast<std::int64_t>(sizeof(Wide<R>)));
  work.out = parts.as<void>();
  work.widen = true;
  launch("reduce", reduce_kernel<R>, grid, work);
  const auto join_pieces = [&](auto* joined) {
    launch("reduce", join_kernel<Wide<R>, std::remove_pointer_t<decltype(joined)>>,
           blocks_for(lines, threads), monoid, parts.as<Wide<R>>(), lines, pieces, joined);
  };
  if constexpr (std::is_integral_v<R>) {
    // A thread reads all of its line before it writes the result over the first piece.
    if (pieces > 1) join_pieces(parts.as<Wide<R>>());
    std::vector<Wide<R>> wide(static_cast<std::size_t>(lines));
    Cuda::download(wide.data(), parts.storage.data, wide.size() * sizeof(Wide<R>));
    std::vector<R> values;
    for (Wide<R> value : wide) {
      check_int32(value, name(monoid));
      values.push_back(static_cast<R>(value));
    }
    Cuda::upload(to, values.data(), values.size() * sizeof(R));
  } else {
    join_pieces(static_cast<float*>(to));
  }
}

}  // namespace needle::cuda

namespace needle {

/// Joins a program's values over the axes of `mask`; see `Backend`.
NEEDLE_ON_DEMAND
void reduce(Monoid monoid, const Program& program, std::span<const Array<Cuda>> inputs,
            const Shape& shape, unsigned mask, Array<Cuda>& out) {
  if (program.arithmetic == Arithmetic::real) {
    cuda::reduce_as<float>(monoid, program, inputs, shape, mask, out);
  } else {
    cuda::reduce_as<std::int32_t>(monoid, program, inputs, shape, mask, out);
  }
}

}  // namespace needle

// The reference kernels: each is its definition, written as a loop over positions.
#pragma once

#include "needle/core/lines.hpp"
#include "needle/program/backend.hpp"
#include "needle/program/loop.hpp"
#include "needle/program/random.hpp"
#include "needle/reference/device.hpp"

namespace needle {

namespace reference {

/// Calls `body(position)` for the n-th position of a shape, in row-major order.
template <class Body>
void for_each_position(const Shape& shape, Body&& body) {
  Dims at;
  for (int i = 0; i < shape.ndim(); ++i) at.push_back(0);
  for (std::int64_t n = shape.size(); n > 0; --n) {
    body(static_cast<const Dims&>(at));
    for (int i = shape.ndim() - 1; i >= 0 && ++at[i] == shape[i]; --i) at[i] = 0;
  }
}

inline std::int64_t offset(const Layout& layout, const Dims& at) {
  std::int64_t sum = 0;
  for (int i = 0; i < layout.ndim(); ++i) sum += at[i] * layout.strides[i];
  return sum;
}

template <class R>
R read(const Array<Reference>& array, const Dims& at) {
  return visit_storage(
      array.dtype, [&]<class T>(T) { return static_cast<R>(array.data<T>()[offset(array, at)]); });
}

template <class R>
void write(Array<Reference>& array, const Dims& at, R value) {
  visit_storage(array.dtype, [&]<class T>(T) {
    T& to = array.data<T>()[offset(array, at)];
    if constexpr (std::is_floating_point_v<T>) to = static_cast<T>(value);
    else if constexpr (Half<T>) to = T(static_cast<double>(value));
    else if constexpr (sizeof(T) == 1) to = static_cast<T>(scalar::ToUint8::apply(value));
    else to = static_cast<T>(scalar::ToInt32::apply(value));
  });
}

template <class R, class... F>
R call(int function, R a, R b, R c, scalar::List<F...>) {
  R result{};
  int code = 0;
  const auto attempt = [&]<class G>(G) {
    if (code++ != function) return;
    if constexpr (std::is_integral_v<R> && scalar::real_only<G>) return;
    else if constexpr (scalar::arity<G> == 1) result = G::apply(a);
    else if constexpr (scalar::arity<G> == 2) result = G::apply(a, b);
    else result = G::apply(a, b, c);
  };
  (attempt(F{}), ...);
  return result;
}

/// Calculates a program at one position; returns its registers.
template <class R>
std::array<R, Program::max_values> calculate(const Program& program,
                                             std::span<const Array<Reference>> inputs,
                                             const Dims& at) {
  std::array<R, Program::max_values> value{};
  for (int k = 0; k < program.inputs; ++k) value[k] = read<R>(inputs[k], at);
  for (int k = 0; k < program.constants; ++k) {
    value[Program::first_constant + k] = static_cast<R>(program.constant[k]);
  }
  for (int i = 0; i < program.steps; ++i) {
    const Program::Step& s = program.step[i];
    value[s.result] =
        call<R>(s.function, value[s.a], value[s.b], value[s.c], scalar::ScalarFunctions{});
  }
  return value;
}

template <class R>
void execute(const Program& program, std::span<const Array<Reference>> inputs,
             std::span<Array<Reference>> outputs) {
  for_each_position(outputs[0].shape, [&](const Dims& at) {
    const auto value = calculate<R>(program, inputs, at);
    for (std::size_t k = 0; k < outputs.size(); ++k)
      write(outputs[k], at, value[program.output[k]]);
  });
}

template <class R, class Wide>
void reduce(Monoid monoid, const Program& program, std::span<const Array<Reference>> inputs,
            const Shape& shape, unsigned mask, Array<Reference>& out) {
  Shape kept, reduced;
  for (int i = 0; i < shape.ndim(); ++i) (mask >> i & 1 ? reduced : kept).push_back(shape[i]);
  for_each_position(kept, [&](const Dims& outer) {
    Wide sum = 0;
    bool first = true;
    for_each_position(reduced, [&](const Dims& inner) {
      Dims at;
      for (int i = 0, k = 0, r = 0; i < shape.ndim(); ++i) {
        at.push_back(mask >> i & 1 ? inner[r++] : outer[k++]);
      }
      const Wide value = calculate<R>(program, inputs, at)[program.output[0]];
      sum = first ? value : with_function(monoid, [&]<class F>(F) { return F::apply(sum, value); });
      first = false;
    });
    if constexpr (std::is_integral_v<Wide>) check_int32(sum, name(monoid));
    write(out, outer, static_cast<R>(sum));
  });
}

}  // namespace reference

/// Runs a program over views of the outputs' shape.
NEEDLE_ON_DEMAND
void execute(const Program& program, std::span<const Array<Reference>> inputs,
             std::span<Array<Reference>> outputs) {
  if (program.arithmetic == Arithmetic::real) reference::execute<double>(program, inputs, outputs);
  else reference::execute<std::int32_t>(program, inputs, outputs);
}

/// Joins a program's values over the axes of `mask`.
NEEDLE_ON_DEMAND
void reduce(Monoid monoid, const Program& program, std::span<const Array<Reference>> inputs,
            const Shape& shape, unsigned mask, Array<Reference>& out) {
  if (program.arithmetic == Arithmetic::real) {
    reference::reduce<double, double>(monoid, program, inputs, shape, mask, out);
  } else {
    reference::reduce<std::int32_t, std::int64_t>(monoid, program, inputs, shape, mask, out);
  }
}

/// out = a b for (..., m, k) by (..., k, n) with the same leading dimensions.
NEEDLE_ON_DEMAND
void gemm(const Array<Reference>& a, const Array<Reference>& b, Array<Reference>& out) {
  const int row = out.ndim() - 2, column = out.ndim() - 1;
  reference::for_each_position(out.shape, [&](const Dims& at) {
    Dims in_a = at, in_b = at;
    in_a[column] = in_b[row] = 0;
    const double* x = a.data<double>() + reference::offset(a, in_a);
    const double* y = b.data<double>() + reference::offset(b, in_b);
    double sum = 0;
    for (std::int64_t k = 0; k < a.shape[column]; ++k) {
      sum += x[k * a.strides[column]] * y[k * b.strides[row]];
    }
    reference::write(out, at, sum);
  });
}

/// Copies and converts the elements of one view into another of the same shape.
NEEDLE_ON_DEMAND
void copy(const Array<Reference>& from, Array<Reference>& to) {
  reference::for_each_position(to.shape, [&](const Dims& at) {
    reference::write(to, at, reference::read<double>(from, at));
  });
}

/// First position of the largest (or smallest) element along an axis; NaN counts as extreme.
NEEDLE_ON_DEMAND
void arg_extreme(const Array<Reference>& x, int axis, bool largest, Array<Reference>& out) {
  visit(x.dtype, [&]<class T>(T) {
    const Lines lines(x, axis);
    for (std::int64_t line = 0; line < lines.count(); ++line) {
      out.data<std::int32_t>()[line] =
          first_extreme(x.data<T>() + lines.start(line), lines.length, lines.stride, largest);
    }
  });
}

/// exp(x) / sum(exp(x)) of each line along an axis, or its logarithm.
NEEDLE_ON_DEMAND
void softmax(const Array<Reference>& x, int axis, bool log, Array<Reference>& out) {
  const Lines from(x, axis), to(out, axis);
  for (std::int64_t line = 0; line < to.count(); ++line) {
    const double* in = x.data<double>() + from.start(line);
    double* y = out.data<double>() + to.start(line);
    double top = identity_of(Monoid::maximum), sum = 0;
    for (std::int64_t i = 0; i < to.length; ++i) {
      top = scalar::Maximum::apply(top, in[i * from.stride]);
    }
    for (std::int64_t i = 0; i < to.length; ++i) sum += std::exp(in[i * from.stride] - top);
    for (std::int64_t i = 0; i < to.length; ++i) {
      const double below = in[i * from.stride] - top;
      y[i * to.stride] = log ? below - std::log(sum) : std::exp(below) / sum;
    }
  }
}

/// out[..., i, ...] = x[..., index[..., i, ...], ...].
NEEDLE_ON_DEMAND
void gather(const Array<Reference>& x, const Array<Reference>& index, int axis,
            Array<Reference>& out) {
  reference::for_each_position(out.shape, [&](const Dims& at) {
    Dims from = at;
    from[axis] = checked_index(reference::read<std::int32_t>(index, at), x.shape[axis]);
    reference::write(out, at, reference::read<double>(x, from));
  });
}

/// out[..., index[..., i, ...], ...] += source[..., i, ...].
NEEDLE_ON_DEMAND
void scatter_add(const Array<Reference>& source, const Array<Reference>& index, int axis,
                 Array<Reference>& out) {
  reference::for_each_position(source.shape, [&](const Dims& at) {
    Dims to = at;
    to[axis] = checked_index(reference::read<std::int32_t>(index, at), out.shape[axis]);
    reference::write(out, to,
                     reference::read<double>(out, to) + reference::read<double>(source, at));
  });
}

/// Fills a compact array with numbers of a distribution.
NEEDLE_ON_DEMAND
void random(const Distribution& distribution, const RandomKey& key, Array<Reference>& out) {
  visit(out.dtype,
        [&]<class T>(T) { fill_random(distribution, key, out.data<T>(), 0, out.size()); });
}

static_assert(Backend<Reference>);

}  // namespace needle

// Tensors as text, the way NumPy writes them.
#pragma once

#include "needle/graph/realize.hpp"

namespace needle {

namespace detail {
inline std::string number(std::int32_t value) { return str(value); }
inline std::string number(double value) {
  if (value != value) return "nan";  // whatever its sign
  char text[40];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::general, 5).ptr;
  return std::string(text, end);
}

template <class T>
void print_part(std::string& out, const std::vector<T>& values, const Shape& shape, int axis,
                std::size_t at, std::size_t width) {
  if (axis == shape.ndim()) {
    const std::string one = number(values[at]);
    out.append(width > one.size() ? width - one.size() : 0, ' ');
    out += one;
    return;
  }
  std::size_t step = 1;
  for (int i = axis + 1; i < shape.ndim(); ++i) step *= static_cast<std::size_t>(shape[i]);
  constexpr std::int64_t edge = 3;  // of a long axis, both ends are shown
  const std::int64_t n = shape[axis];
  const bool shorten = n > 2 * edge + 4;
  out += '[';
  for (std::int64_t i = 0; i < n; ++i) {
    if (i > 0 && axis + 1 == shape.ndim()) out += ", ";
    else if (i > 0)
      out.append(1, ',').append(1, '\n').append(static_cast<std::size_t>(axis) + 1, ' ');
    if (shorten && i == edge) {
      out += "...";
      i = n - edge - 1;
      continue;
    }
    print_part(out, values, shape, axis + 1, at + static_cast<std::size_t>(i) * step, width);
  }
  out += ']';
}
}  // namespace detail

/// A tensor as text: nested brackets, five digits, the middle of long axes left out. Evaluates it.
template <Device D>
std::string str(const Tensor<D>& x) {
  return visit(arithmetic_dtype<D>(x.dtype()), [&]<class T>(T) {
    const std::vector<T> values = x.template values<T>();
    std::size_t width = 0;
    if (values.size() <= 1000) {
      for (T value : values) width = (std::max)(width, detail::number(value).size());
    }
    std::string out;
    detail::print_part(out, values, x.shape(), 0, 0, width);
    return out;
  });
}

/// Writes a tensor to a stream, a std::ostream for example.
template <class Stream, Device D>
requires requires(Stream& stream, std::string text) { stream << text; }
Stream& operator<<(Stream& stream, const Tensor<D>& x) {
  stream << str(x);
  return stream;
}
/// Writes a shape, strides, axes or a dtype to a stream.
template <class Stream, class T>
requires(std::derived_from<T, Dims> || std::same_as<T, Dtype>) &&
    requires(Stream& stream, std::string text) {
  stream << text;
}
Stream& operator<<(Stream& stream, const T& value) {
  stream << str(value);
  return stream;
}

}  // namespace needle

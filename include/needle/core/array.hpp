// An array: elements of one type in a device's memory, seen through a layout. It knows no graph.
#pragma once

#include <cstring>
#include <vector>

#include "needle/core/layout.hpp"
#include "needle/core/storage.hpp"

namespace needle {

/// A view of storage on device `D`; copying one copies the handle, never an element.
template <Device D>
struct Array : Layout {
  /// Absent: no shape and no storage.
  Array() = default;
  /// A new compact array whose elements are not set.
  Array(const Shape& shape, Dtype dtype)
      : Layout(compact_layout(shape)),
        dtype(dtype),
        storage(new Storage<D>(static_cast<std::size_t>(shape.size()) * item_bytes(dtype))) {}
  /// Another view of the same storage.
  Array(const Array& base, const Layout& layout)
      : Layout(layout), dtype(base.dtype), storage(base.storage) {}

  /// The first element; `T` must be the C++ type of `dtype`.
  template <Element T>
  T* data() const {
    return static_cast<T*>(storage->data) + offset;
  }
  /// Whether there are elements to speak of (an absent array has no storage).
  explicit operator bool() const { return static_cast<bool>(storage); }

  /// How its elements are stored.
  Dtype dtype = real<D>;
  /// The memory it looks at, shared with its other views; null where it is absent.
  Ref<Storage<D>> storage;
};

/// A compact array with these values, converted to `dtype` by the caller: `T` is its element type.
template <Device D, Element T>
Array<D> upload(const T* values, const Shape& shape) {
  Array<D> array(shape, dtype_of<T>);
  if (shape.size() > 0) {
    D::upload(array.storage->data, values, static_cast<std::size_t>(shape.size()) * sizeof(T));
  }
  return array;
}

/// The elements of a compact array in row-major order.
template <Element T, Device D>
std::vector<T> download(const Array<D>& array) {
  std::vector<T> values(static_cast<std::size_t>(array.size()));
  if (!values.empty()) {
    D::download(values.data(), array.template data<T>(), values.size() * sizeof(T));
  }
  return values;
}

}  // namespace needle

// Tensors in safetensors files, which PyTorch, NumPy and JAX read and write too.
#pragma once

#include <cmath>
#include <map>
#include <new>
#include <utility>

#include "needle/graph/parameter.hpp"
#include "needle/io/safetensors_reader.hpp"
#include "needle/io/safetensors_writer.hpp"

namespace needle::io {

/// Tensors by name.
template <Device D = DefaultDevice>
using Tensors = std::map<std::string, Tensor<D>>;

/// What a file holds.
template <Device D = DefaultDevice>
struct Contents {
  /// Every tensor of the file, by its name.
  Tensors<D> tensors;
  /// Free text beside them.
  Metadata metadata;
};

namespace detail {

constexpr ElementType element_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32: return ElementType::f32;
    case Dtype::float64: return ElementType::f64;
    case Dtype::bfloat16: return ElementType::bf16;
    case Dtype::float16: return ElementType::f16;
    case Dtype::int32: return ElementType::i32;
    case Dtype::uint8: break;
  }
  return ElementType::u8;
}

template <class To, class From, class Convert>
std::vector<To> converted(std::span<const std::byte> bytes, Convert&& convert) {
  std::vector<To> values(bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof value);
    values[i] = static_cast<To>(convert(value));
  }
  return values;
}

/// A tensor of a file in the element types of the device: 16- and 64-bit floats become its real
/// numbers, other integers int32, booleans uint8. An integer out of range is refused, and so is a
/// finite double that float32 has no finite number for.
template <Device D>
Tensor<D> to_tensor(const TensorEntry& entry, std::span<const std::byte> bytes,
                    std::string_view file) {
  using Real = typename D::Real;
  if (entry.shape.size() > max_dims) {
    fail(file, ": tensor '", entry.name, "' has ", entry.shape.size(), " dimensions, the most is ",
         max_dims);
  }
  const Shape shape = checked(Shape(entry.shape), text(file, ": tensor '", entry.name, "'"));
  const auto same = [](auto value) { return value; };
  const auto narrow = [&](auto value) {
    if (!std::in_range<std::int32_t>(value)) {
      fail(file, ": tensor '", entry.name, "' holds ", value, ", which does not fit in int32");
    }
    return value;
  };
  const auto finite = [&](double value) {
    constexpr double too_large = 0x1.ffffffp127;  // the least that rounds to infinity
    if (std::same_as<Real, float> && std::fabs(value) >= too_large && !std::isinf(value)) {
      fail(file, ": tensor '", entry.name, "' holds ", value, ", which does not fit in float32");
    }
    return value;
  };
  switch (entry.type) {
    case ElementType::f32: return {converted<Real, float>(bytes, same), shape};
    case ElementType::f64: return {converted<Real, double>(bytes, finite), shape};
    case ElementType::f16: return {converted<Real, std::uint16_t>(bytes, half_to_float), shape};
    case ElementType::bf16:
      return {converted<Real, std::uint16_t>(bytes, bfloat16_to_float), shape};
    case ElementType::i64: return {converted<std::int32_t, std::int64_t>(bytes, narrow), shape};
    case ElementType::u64: return {converted<std::int32_t, std::uint64_t>(bytes, narrow), shape};
    case ElementType::u32: return {converted<std::int32_t, std::uint32_t>(bytes, narrow), shape};
    case ElementType::u16: return {converted<std::int32_t, std::uint16_t>(bytes, same), shape};
    case ElementType::i32: return {converted<std::int32_t, std::int32_t>(bytes, same), shape};
    case ElementType::i16: return {converted<std::int32_t, std::int16_t>(bytes, same), shape};
    case ElementType::i8: return {converted<std::int32_t, std::int8_t>(bytes, same), shape};
    case ElementType::u8:
    case ElementType::boolean: break;
  }
  return {converted<std::uint8_t, std::uint8_t>(bytes, same), shape};
}

}  // namespace detail

/// Writes tensors to a safetensors file, each in its dtype, or leaves everything as it was;
/// evaluates them.
template <Device D = DefaultDevice>
void save_tensors(const std::string& path, const Tensors<D>& tensors,
                  const Metadata& metadata = {}) {
  std::vector<TensorEntry> entries;
  std::vector<Expression<D>*> nodes;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) fail("save_tensors: ", path, ": tensor '", name, "' is empty");
    const std::vector<std::int64_t> shape(tensor.shape().begin(), tensor.shape().end());
    entries.push_back({name, detail::element_type(tensor.dtype()), shape});
    nodes.push_back(&tensor.node());
  }
  needle::detail::evaluate<D>(nodes);
  const auto bytes_of = [&](const TensorEntry& entry) {
    const Array<D> array = needle::detail::own_array(tensors.at(entry.name));
    std::vector<std::byte> bytes(entry.end - entry.begin);
    if (!bytes.empty()) D::download(bytes.data(), array.storage->data, bytes.size());
    return bytes;
  };
  write_safetensors(path, std::move(entries), bytes_of, metadata);
}

/// Reads a safetensors file; element types a device does not calculate in are converted (those of
/// 16 bits to real numbers, which `cast` rounds back exactly), out of range refused.
template <Device D = DefaultDevice>
Contents<D> load_tensors(const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  Contents<D> contents{{}, file.metadata};
  for (const TensorEntry& entry : file.entries) {
    try {
      contents.tensors.emplace(entry.name, detail::to_tensor<D>(entry, file.data(entry), path));
    } catch (const std::bad_alloc&) {
      fail(path, ": tensor '", entry.name, "' does not fit into memory");
    }
  }
  return contents;
}

}  // namespace needle::io

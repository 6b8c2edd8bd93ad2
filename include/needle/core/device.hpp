// A device is a stateless storage policy: where bytes live and how they get there and back.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "needle/core/dtype.hpp"

namespace needle {

/// The devices: the host, an NVIDIA GPU, and the slow host in double that tests compare with.
struct Cpu;
struct Cuda;
struct Reference;

/// What `Tensor<>` means: `Cpu`, or `Cuda` where a build defines NEEDLE_DEFAULT_CUDA for all its
/// files.
#if defined(NEEDLE_DEFAULT_CUDA)
using DefaultDevice = Cuda;
#else
using DefaultDevice = Cpu;
#endif

/// Bytes of one device: `live` in arrays, `peak` the most there ever was, `cached` kept for reuse.
struct MemoryStats {
  std::size_t live = 0, peak = 0, cached = 0;
};

/// What a storage policy offers, as static members. `Real` is its arithmetic, `name` what messages
/// call it; copies are finished when they return; `allocate` throws `Error` when there is no
/// memory, and its blocks are aligned to 64 bytes.
template <class D>
concept Device = Element<typename D::Real> && requires(void* to, const void* from, std::size_t n) {
  { D::name } -> std::convertible_to<std::string_view>;
  { D::allocate(n) } -> std::same_as<void*>;
  { D::release(to, n) } -> std::same_as<void>;
  { D::upload(to, from, n) } -> std::same_as<void>;
  { D::download(to, from, n) } -> std::same_as<void>;
  { D::synchronize() } -> std::same_as<void>;
};

/// The copies of devices whose memory is the host's own.
struct HostCopies {
  /// Bytes from the host to the device.
  static void upload(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
  }
  /// Bytes from the device to the host.
  static void download(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
  }
  /// Kernels are finished when they return: there is nothing to wait for.
  static void synchronize() {}
};

/// Whether the host reaches a device's memory through plain pointers.
template <class D>
inline constexpr bool host_memory = !std::same_as<D, Cuda>;

/// The dtype of a device's arithmetic.
template <Device D>
inline constexpr Dtype real = dtype_of<typename D::Real>;

}  // namespace needle

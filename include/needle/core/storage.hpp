// A block of a device's memory with counted owners.
#pragma once

#include "needle/core/cache.hpp"
#include "needle/core/callback.hpp"
#include "needle/core/pool.hpp"

namespace needle {

/// A block of device memory: its own, given back when the last owner goes, or borrowed.
template <Device D>
struct Storage : Counted, Pooled {
  /// A new block of this many bytes, not set; throws `Error` when there is no memory.
  explicit Storage(std::size_t bytes) : bytes(bytes), data(D::allocate(bytes)) {}
  /// Memory of somebody else, for as long as there are owners of this.
  Storage(void* borrowed, std::size_t bytes, Callback<void()> at_end = {})
      : bytes(bytes), data(borrowed), owned(false), at_end(std::move(at_end)) {}
  Storage(const Storage&) = delete;
  ~Storage() {
    if (owned) D::release(data, bytes);
    if (at_end) at_end();
  }

  /// How many bytes it holds.
  std::size_t bytes;
  /// Its first byte, in the memory of the device.
  void* data;
  /// Whether the block came from the device's allocator: then it is padded to 64 bytes and may be
  /// written; borrowed memory is neither.
  bool owned = true;
  /// Called when a borrowed block is no longer needed; may be empty.
  Callback<void()> at_end;
};

/// Deletes a block that has lost its last owner.
template <Device D>
NEEDLE_NOINLINE void destroy(Storage<D>* storage) {
  delete storage;
}

}  // namespace needle

#include "needle/core/cache.hpp"

#include <cstdlib>
#include <map>

#include "catch.hpp"
#include "needle/core/array.hpp"

using needle::Array;
using needle::MemoryStats;

namespace {

/// A device that counts what it takes from the system, and has only so much.
template <int number>
struct Counting {
  using Real = float;
  static constexpr std::string_view name = "counting";
  static inline std::map<void*, std::size_t> blocks;
  static inline std::size_t taken = 0, most = SIZE_MAX, calls = 0;

  static void* allocate(std::size_t n) { return needle::Cache<Counting>::instance().allocate(n); }
  static void release(void* block, std::size_t n) {
    needle::Cache<Counting>::instance().release(block, n);
  }
  static void upload(void*, const void*, std::size_t) {}
  static void download(void*, const void*, std::size_t) {}
  static void synchronize() {}
  static void* system_allocate(std::size_t bytes) {
    ++calls;
    if (bytes % 64 != 0 || taken + bytes > most) return nullptr;
    void* block = std::aligned_alloc(64, bytes);
    blocks[block] = bytes;
    taken += bytes;
    return block;
  }
  static void system_release(void* block, std::size_t bytes) {
    REQUIRE(blocks.at(block) == bytes);
    blocks.erase(block);
    taken -= bytes;
    std::free(block);
  }
};

}  // namespace

TEST_CASE("A block that was released is given again, without asking the system") {
  using D = Counting<0>;
  void* first = D::allocate(5000);
  D::release(first, 5000);
  const std::size_t calls = D::calls;
  CHECK(D::allocate(4999) == first);
  CHECK(D::calls == calls);
  D::release(first, 4999);
}

TEST_CASE("Blocks hold what was asked for, waste an eighth at most, and come back whole") {
  using D = Counting<1>;
  for (std::size_t n = 0; n < 300000; n = n * 9 / 8 + 1) {
    for (const std::size_t bytes : {n, (n + 63) / 64 * 64}) {
      void* block = D::allocate(bytes);
      const std::size_t size = D::blocks.at(block);
      INFO(bytes << " bytes in a block of " << size);
      CHECK(size >= bytes);
      CHECK(size <= (bytes < 1024 ? bytes + 64 : bytes + bytes / 8 + 1));
      CHECK(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
      D::release(block, bytes);
    }
  }
  needle::empty_cache<D>();
  CHECK(D::blocks.empty());
}

TEST_CASE("Statistics count live, peak and cached bytes") {
  using D = Counting<2>;
  const auto stats = [] { return needle::memory_stats<D>(); };
  {
    const Array<D> a({256}, needle::Dtype::float32), b({512}, needle::Dtype::float32), same = a;
    CHECK(stats().live == 3072);
    CHECK(stats().cached == 0);
  }
  CHECK(stats().live == 0);
  CHECK(stats().peak == 3072);
  CHECK(stats().cached == 3072);
  needle::empty_cache<D>();
  CHECK(stats().cached == 0);
  CHECK(D::taken == 0);
}

TEST_CASE("What is cached never exceeds the peak of what was live") {
  using D = Counting<3>;
  for (std::size_t n = 1000; n < 100000; n += 1000) D::release(D::allocate(n), n);
  const MemoryStats stats = needle::memory_stats<D>();
  CHECK(stats.cached <= stats.peak);
  CHECK(D::taken == stats.cached);
  CHECK(stats.peak < 115000);
}

TEST_CASE("A full device gets its cached blocks back before it refuses") {
  using D = Counting<4>;
  D::most = 10240;
  void* a = D::allocate(4096);
  void* b = D::allocate(4096);
  D::release(a, 4096);
  void* c = D::allocate(2048 + 4096);
  std::string said;
  try {
    D::allocate(1000);
  } catch (const needle::Error& error) {
    said = error.what();
  }
  CHECK(said == "memory: counting cannot give 1000 bytes; 10240 are in use");
  D::release(b, 4096);
  void* d = D::allocate(1000);
  D::release(c, 2048 + 4096);
  D::release(d, 1000);
  needle::empty_cache<D>();
  CHECK(D::taken == 0);
}

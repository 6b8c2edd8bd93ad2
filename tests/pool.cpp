// Small objects whose memory a thread keeps for its next ones.
#include "needle/core/pool.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "catch.hpp"

using namespace needle;

namespace {

template <std::size_t Bytes>
struct Blob : Pooled {
  unsigned char bytes[Bytes];
  explicit Blob(unsigned char value) { std::fill_n(bytes, Bytes, value); }
  bool holds(unsigned char value) const {
    return std::all_of(bytes, bytes + Bytes, [&](unsigned char b) { return b == value; });
  }
};

template <std::size_t Bytes>
void check_blobs() {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Blob<Bytes>>> blobs;
    for (int i = 0; i < 3000; ++i) {
      blobs.push_back(std::make_unique<Blob<Bytes>>(static_cast<unsigned char>(i)));
    }
    for (int i = 0; i < 3000; i += 2) blobs[static_cast<std::size_t>(i)].reset();
    for (int i = 0; i < 3000; i += 2) {
      blobs[static_cast<std::size_t>(i)] =
          std::make_unique<Blob<Bytes>>(static_cast<unsigned char>(i));
    }
    bool intact = true;
    for (int i = 0; i < 3000; ++i) {
      intact = intact && blobs[static_cast<std::size_t>(i)]->holds(static_cast<unsigned char>(i));
    }
    CHECK(intact);
  }
}

}  // namespace

TEST_CASE("objects of any size do not overlap, more of them than a pool keeps") {
  check_blobs<1>();
  check_blobs<64>();
  check_blobs<65>();
  check_blobs<1000>();
  check_blobs<1024>();
  check_blobs<1025>();  // larger than what is pooled
}

#if !NEEDLE_ADDRESS_SANITIZER
TEST_CASE("an emptied pool keeps nothing, and is filled again") {
  std::make_unique<Blob<300>>(1).reset();
  CHECK(detail::Pool::kept() > 0);
  detail::Pool::empty();
  CHECK(detail::Pool::kept() == 0);
  std::make_unique<Blob<300>>(1).reset();
  CHECK(detail::Pool::kept() == 1);
}

TEST_CASE("what a thread frees, it gets back") {
  std::set<const void*> freed;
  std::vector<std::unique_ptr<Blob<300>>> blobs;
  for (int i = 0; i < 100; ++i) blobs.push_back(std::make_unique<Blob<300>>(1));
  for (const auto& blob : blobs) freed.insert(blob.get());
  blobs.clear();
  for (int i = 0; i < 100; ++i) blobs.push_back(std::make_unique<Blob<300>>(2));
  for (const auto& blob : blobs) CHECK(freed.contains(blob.get()));
}
#endif

TEST_CASE("what one thread makes, another may free, also as its last act") {
  std::vector<std::unique_ptr<Blob<200>>> blobs;
  for (int i = 0; i < 2000; ++i) blobs.push_back(std::make_unique<Blob<200>>(3));
  std::thread([&] { blobs.clear(); }).join();
  std::unique_ptr<Blob<200>> made;
  std::thread([&] { made = std::make_unique<Blob<200>>(4); }).join();
  bool intact = false;
  std::thread([&intact, owner = std::move(made)] { intact = owner->holds(4); }).join();
  CHECK(intact);
}

TEST_CASE("A thread keeps no more than 1024 blocks of a size") {
  std::vector<void*> blocks;
  detail::Pool::empty();
  for (int i = 0; i < 3000; ++i) blocks.push_back(detail::Pool::allocate(64));
  for (void* block : blocks) detail::Pool::release(block, 64);
  CHECK(detail::Pool::kept() <= 1024);
  detail::Pool::empty();
}

#include "needle/core/philox.hpp"

#include <array>

#include "catch.hpp"

using needle::philox;

namespace {
std::array<std::uint32_t, 4> block(std::uint64_t seed, std::uint64_t stream, std::uint64_t number) {
  const needle::PhiloxBlock b = philox(seed, stream, number);
  return {b.word[0], b.word[1], b.word[2], b.word[3]};
}
using Words = std::array<std::uint32_t, 4>;
}  // namespace

TEST_CASE("Blocks are the known answers of Philox 4x32-10's authors") {
  CHECK(block(0, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(block(~0ull, ~0ull, ~0ull) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(block(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Words become numbers in [0, 1), and whole numbers below a count") {
  CHECK(needle::unit_interval(0) == 0);
  CHECK(needle::unit_interval(0x80000000u) == 0.5f);
  CHECK(needle::unit_interval(~0u) == 1 - 0x1p-24f);
  CHECK(needle::below(0, 10) == 0);
  CHECK(needle::below(~0u, 10) == 9);
  CHECK(needle::below(0x80000000u, 10) == 5);
  CHECK(needle::below(~0u, ~0u) == ~0u - 1);
}

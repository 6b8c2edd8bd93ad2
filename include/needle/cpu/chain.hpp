// Runs of cheap steps, with the value that goes from one to the next in registers.
//
// Policy. A loop for each step loads every operand and stores every result. A chain is a run of
// steps of which each reads the result of the one before: it loads the other operands only and
// stores what somebody else reads. It goes eight vectors at a time (half of AVX2's registers), so
// that deciding which step comes next is shared by eight; that pays from three steps on. Functions
// that need many registers themselves, exp or tanh, stay outside.
//
// The functions stand here once more, on vectors, and the body is a macro, for the reason given in
// gemm_kernel.hpp. tests/chain.cpp compares every one with its own loop, bit by bit.
#pragma once

#include <span>

#include "needle/cpu/isa.hpp"
#include "needle/program/program.hpp"

namespace needle::cpu {

/// A step whose operand number `position` is at hand, and the values it reads and writes.
struct Link {
  static constexpr std::uint8_t nowhere = 255;

  std::uint8_t code;    ///< see `link_code`
  std::uint8_t result;  ///< what it gives, or `nowhere` if only the next link reads that
  std::uint8_t y, z;    ///< the other operands, in their order
};

/// value[result] = f(value[start], y, z) link by link, for whole groups of the n elements; returns
/// how many elements these are.
using ChainLoop = std::int64_t (*)(float* const* value, int start, std::span<const Link> links,
                                   std::int64_t n);

/// Fewer steps are faster one by one.
inline constexpr int shortest_chain = 3;

/// A function and the place of the operand at hand: 0, 1 or 2.
constexpr int link_code(int function, int position) { return 3 * function + position; }

// The cheap functions of s, the operand at hand, by its place among the operands; ANY: it is one of
// the first two, which may change places.
#define NEEDLE_LINKS(ONE, ANY)                                               \
  ONE(Identity, 0, s[T] = s[T])                                              \
  ONE(Negate, 0, s[T] = -s[T])                                               \
  ONE(Abs, 0, s[T] = (Value)((Bits)s[T] & 0x7fffffff))                       \
  ONE(Relu, 0, s[T] = s[T] < zero ? zero : s[T])                             \
  ANY(Add, s[T] = s[T] + NEEDLE_Y)                                           \
  ONE(Subtract, 0, s[T] = s[T] - NEEDLE_Y)                                   \
  ONE(Subtract, 1, s[T] = NEEDLE_Y - s[T])                                   \
  ANY(Multiply, s[T] = s[T] * NEEDLE_Y)                                      \
  ONE(Divide, 0, s[T] = s[T] / NEEDLE_Y)                                     \
  ONE(Divide, 1, s[T] = NEEDLE_Y / s[T])                                     \
  ONE(Maximum, 0, (t[T] = NEEDLE_Y, s[T] = NEEDLE_EXTREME(s[T], >, t[T])))   \
  ONE(Maximum, 1, (t[T] = NEEDLE_Y, s[T] = NEEDLE_EXTREME(t[T], >, s[T])))   \
  ONE(Minimum, 0, (t[T] = NEEDLE_Y, s[T] = NEEDLE_EXTREME(s[T], <, t[T])))   \
  ONE(Minimum, 1, (t[T] = NEEDLE_Y, s[T] = NEEDLE_EXTREME(t[T], <, s[T])))   \
  ANY(Equal, s[T] = s[T] == NEEDLE_Y ? one : zero)                           \
  ANY(NotEqual, s[T] = s[T] != NEEDLE_Y ? one : zero)                        \
  ONE(Less, 0, s[T] = s[T] < NEEDLE_Y ? one : zero)                          \
  ONE(Less, 1, s[T] = NEEDLE_Y < s[T] ? one : zero)                          \
  ONE(LessEqual, 0, s[T] = s[T] <= NEEDLE_Y ? one : zero)                    \
  ONE(LessEqual, 1, s[T] = NEEDLE_Y <= s[T] ? one : zero)                    \
  ONE(Where, 0, s[T] = s[T] != zero ? NEEDLE_Y : NEEDLE_Z)                   \
  ONE(Where, 1, s[T] = NEEDLE_Y != zero ? s[T] : NEEDLE_Z)                   \
  ONE(Where, 2, s[T] = NEEDLE_Y != zero ? NEEDLE_Z : s[T])                   \
  ONE(Clamp, 0,                                                              \
      (t[T] = NEEDLE_Y, s[T] = s[T] < t[T] ? t[T] : s[T], t[T] = NEEDLE_Z,   \
       s[T] = s[T] > t[T] ? t[T] : s[T]))                                    \
  ANY(MultiplyAdd, (t[T] = s[T] * NEEDLE_Y, s[T] = t[T] + NEEDLE_Z))         \
  ONE(MultiplyAdd, 2, (t[T] = NEEDLE_Y * NEEDLE_Z, s[T] = t[T] + s[T]))      \
  ANY(MultiplySubtract, (t[T] = s[T] * NEEDLE_Y, s[T] = t[T] - NEEDLE_Z))    \
  ONE(MultiplySubtract, 2, (t[T] = NEEDLE_Y * NEEDLE_Z, s[T] = t[T] - s[T])) \
  ANY(SubtractProduct, (t[T] = s[T] * NEEDLE_Y, s[T] = NEEDLE_Z - t[T]))     \
  ONE(SubtractProduct, 2, (t[T] = NEEDLE_Y * NEEDLE_Z, s[T] = s[T] - t[T]))

/// By `link_code`: whether there is such a link.
inline constexpr auto is_link = [] {
#define NEEDLE_ONE(F, P, VALUE) found[link_code(scalar::code<scalar::F>, P)] = true;
#define NEEDLE_ANY(F, VALUE) NEEDLE_ONE(F, 0, ) NEEDLE_ONE(F, 1, )
  std::array<bool, 3 * scalar::ScalarFunctions::size> found = {};
  NEEDLE_LINKS(NEEDLE_ONE, NEEDLE_ANY)
  return found;
#undef NEEDLE_ANY
#undef NEEDLE_ONE
}();

#define NEEDLE_ONE(F, P, VALUE)               \
  case link_code(scalar::code<scalar::F>, P): \
    ((VALUE), ...);                           \
    break;
#define NEEDLE_ANY(F, VALUE)                  \
  case link_code(scalar::code<scalar::F>, 0): \
  case link_code(scalar::code<scalar::F>, 1): \
    ((VALUE), ...);                           \
    break;
#define NEEDLE_Y (*reinterpret_cast<const Memory*>(y + T * lanes))
#define NEEDLE_Z (*reinterpret_cast<const Memory*>(z + T * lanes))
#define NEEDLE_CHAIN(NAME, TARGET)                                                      \
  template <int Bytes, int... T>                                                        \
  TARGET std::int64_t NAME(float* const* value, int start, std::span<const Link> links, \
                           std::int64_t n) {                                            \
    using Memory = typename VectorOf<Bytes>::Memory;                                    \
    using Value = typename VectorOf<Bytes>::Value;                                      \
    using Bits = typename VectorOf<Bytes>::Bits;                                        \
    constexpr std::int64_t lanes = Bytes / sizeof(float), group = lanes * sizeof...(T); \
    const Value zero = {}, one = zero + 1.0f;                                           \
    std::int64_t i = 0;                                                                 \
    for (; i + group <= n; i += group) {                                                \
      Value t[sizeof...(T)],                                                            \
          s[] = {*reinterpret_cast<const Memory*>(value[start] + i + T * lanes)...};    \
      for (const Link& link : links) {                                                  \
        const float *y = value[link.y] + i, *z = value[link.z] + i;                     \
        switch (link.code) { NEEDLE_LINKS(NEEDLE_ONE, NEEDLE_ANY) }                     \
        if (link.result == Link::nowhere) continue;                                     \
        float* to = value[link.result] + i;                                             \
        ((*reinterpret_cast<Memory*>(to + T * lanes) = s[T]), ...);                     \
      }                                                                                 \
    }                                                                                   \
    return i;                                                                           \
  }

NEEDLE_CHAIN(chain_baseline, )
#if NEEDLE_X86
NEEDLE_CHAIN(chain_avx2, NEEDLE_AVX2)
NEEDLE_CHAIN(chain_avx512, NEEDLE_AVX512)
#endif
#undef NEEDLE_CHAIN
#undef NEEDLE_Z
#undef NEEDLE_Y
#undef NEEDLE_ANY
#undef NEEDLE_ONE
#undef NEEDLE_LINKS

/// The loop for an instruction set, which this processor must have.
NEEDLE_ON_DEMAND
ChainLoop chain_loop([[maybe_unused]] Isa isa) {
#if NEEDLE_X86
  if (isa == Isa::avx512) return chain_avx512<64, 0, 1, 2, 3, 4, 5, 6, 7>;
  if (isa == Isa::avx2) return chain_avx2<32, 0, 1, 2, 3, 4, 5, 6, 7>;
#endif
  return chain_baseline<16, 0, 1, 2, 3, 4, 5, 6, 7>;
}

}  // namespace needle::cpu

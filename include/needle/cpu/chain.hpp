// Runs of cheap steps, with the value that goes from one to the next in registers.
//
// Policy. A loop for each step loads every operand and stores every result. A chain is a run of
// steps of which each reads the result of the one before: it loads the other operands only and
// stores what somebody else reads. It goes eight vectors at a time (half of AVX2's registers), so
// that deciding which step comes next is shared by eight; that pays from two steps on. Functions
// that need many registers themselves, such as tanh, stay outside. Loads are what bounds it, two a
// cycle at best, so an operand that is one number everywhere is loaded once. The 32 registers of
// AVX-512 have room for exp beside eight vectors (bench_elementwise, time over a hand-written pass
// at 1e5 elements: exp(-x x) 1.0 to 1.1 in place of 1.15 to 1.2, sum(exp(x - 1)) 1.22 in place of
// 1.35).
//
// The functions stand here once more, on vectors, and the body is a macro, for the reason given in
// gemm_kernel.hpp. tests/chain.cpp compares every one with its own loop, bit by bit.
#pragma once

#include <span>

#include "needle/cpu/isa.hpp"
#include "needle/program/program.hpp"

namespace needle::cpu {

/// A step of which one operand is at hand, with the values that are the others, in their order; or
/// what stores what is at hand to the value y.
struct Link {
  std::uint8_t code;  ///< one of `link_codes`, `exp_code` or `store_code`
  std::uint8_t y, z;
};

/// Takes value[start] at hand and goes link by link, group by group; returns how many of the n
/// elements are done. The last group begins before the end of the one before it where no result
/// takes the place of an operand; then it is all of them, if they fill one.
using ChainLoop = std::int64_t (*)(float* const* value, int start, std::span<const Link> links,
                                   std::int64_t n);

/// The most links of a chain: a step and a store of its result each time.
inline constexpr int longest_chain = 2 * Program::max_steps;

/// Fewer steps are faster one by one.
inline constexpr int shortest_chain = 2;

/// A function, the place of the operand at hand (0, 1 or 2), and whether the next one is a number,
/// which is read once for all vectors.
constexpr std::size_t link_key(int function, int position, bool constant) {
  return static_cast<std::size_t>((function * 3 + position) * 2 + constant);
}

// The cheap functions of s, the operand at hand, by its place among the operands; ANY: it is one of
// the first two, which may change places. Y and Z are the others. Sums and products, the functions
// that meet constants most, have links that know when the other operand is one.
#define NEEDLE_SUM_LINKS(ONE, ANY, C, Y) \
  ANY(Add, C, s[T] = s[T] + Y)           \
  ONE(Subtract, 0, C, s[T] = s[T] - Y)   \
  ONE(Subtract, 1, C, s[T] = Y - s[T])   \
  ANY(Multiply, C, s[T] = s[T] * Y)
#define NEEDLE_OTHER_LINKS(ONE, ANY, Y, Z)                                 \
  ONE(Identity, 0, false, s[T] = s[T])                                     \
  ONE(Negate, 0, false, s[T] = -s[T])                                      \
  ONE(Abs, 0, false, s[T] = (Value)((Bits)s[T] & 0x7fffffff))              \
  ONE(Relu, 0, false, s[T] = s[T] < zero ? zero : s[T])                    \
  ONE(Divide, 0, false, s[T] = s[T] / Y)                                   \
  ONE(Divide, 1, false, s[T] = Y / s[T])                                   \
  ONE(Maximum, 0, false, (t[T] = Y, s[T] = NEEDLE_EXTREME(s[T], >, t[T]))) \
  ONE(Maximum, 1, false, (t[T] = Y, s[T] = NEEDLE_EXTREME(t[T], >, s[T]))) \
  ONE(Minimum, 0, false, (t[T] = Y, s[T] = NEEDLE_EXTREME(s[T], <, t[T]))) \
  ONE(Minimum, 1, false, (t[T] = Y, s[T] = NEEDLE_EXTREME(t[T], <, s[T]))) \
  ANY(Equal, false, s[T] = s[T] == Y ? one : zero)                         \
  ANY(NotEqual, false, s[T] = s[T] != Y ? one : zero)                      \
  ONE(Less, 0, false, s[T] = s[T] < Y ? one : zero)                        \
  ONE(Less, 1, false, s[T] = Y < s[T] ? one : zero)                        \
  ONE(LessEqual, 0, false, s[T] = s[T] <= Y ? one : zero)                  \
  ONE(LessEqual, 1, false, s[T] = Y <= s[T] ? one : zero)                  \
  ONE(Where, 0, false, s[T] = s[T] != zero ? Y : Z)                        \
  ONE(Where, 1, false, s[T] = Y != zero ? s[T] : Z)                        \
  ONE(Where, 2, false, s[T] = Y != zero ? Z : s[T])                        \
  ONE(Clamp, 0, false,                                                     \
      (t[T] = Y, s[T] = s[T] < t[T] ? t[T] : s[T], t[T] = Z, s[T] = s[T] > t[T] ? t[T] : s[T]))
// math::exp, one operation after the other for all vectors: so there is work while each waits.
#define NEEDLE_EXP                                                                       \
  ((s[T] = s[T] < -104.0f ? zero - 104.0f : (s[T] > 89.0f ? zero + 89.0f : s[T])), ...); \
  ((shifted[T] = s[T] * 1.44269504f + math::detail::to_integer), ...);                   \
  ((x = shifted[T] - math::detail::to_integer,                                           \
    s[T] = (s[T] - x * 0.693145752f) - x * 1.42860682e-06f),                             \
   ...);                                                                                 \
  ((t[T] = s[T] * 0.00138380029f + 0.00836916547f), ...);                                \
  ((t[T] = t[T] * s[T] + 0.0416681021f), ...);                                           \
  ((t[T] = t[T] * s[T] + 0.166665167f), ...);                                            \
  ((t[T] = t[T] * s[T] + 0.49999994f), ...);                                             \
  ((t[T] = (t[T] * (s[T] * s[T]) + s[T]) + 1.0f), ...);                                  \
  ((power = (Bits)shifted[T], half = power >> 1, x = t[T] * (Value)((half + 127) << 23), \
    s[T] = x * (Value)((power - half + 127) << 23)),                                     \
   ...)
// The instruction of each instruction set, which is exact; elsewhere a root takes many operations.
#if NEEDLE_X86
#define NEEDLE_ROOT_LINKS(ONE) ONE(Sqrt, 0, false, s[T] = NEEDLE_ROOT(s[T]))
#else
#define NEEDLE_ROOT_LINKS(ONE)
#endif
#define NEEDLE_LINKS(ONE, ANY)                \
  NEEDLE_ROOT_LINKS(ONE)                      \
  NEEDLE_SUM_LINKS(ONE, ANY, false, NEEDLE_Y) \
  NEEDLE_SUM_LINKS(ONE, ANY, true, *move->y)  \
  NEEDLE_OTHER_LINKS(ONE, ANY, NEEDLE_Y, NEEDLE_Z)

inline constexpr std::uint8_t no_link = 255, store_code = 0;
/// The codes of links by `link_key`, `no_link` where there is none. A link that knows nothing of a
/// constant serves where there is one too.
inline constexpr auto link_codes = [] {
  std::array<std::uint8_t, link_key(scalar::ScalarFunctions::size, 0, false)> codes;
  codes.fill(no_link);
  std::uint8_t code = store_code;
  const auto add = [&](int function, int position, bool constant) {
    codes[link_key(function, position, true)] = code;
    if (!constant) codes[link_key(function, position, false)] = code;
  };
#define NEEDLE_ONE(F, P, C, VALUE) ++code, add(scalar::code<scalar::F>, P, C);
#define NEEDLE_ANY(F, C, VALUE) NEEDLE_ONE(F, 0, C, ) add(scalar::code<scalar::F>, 1, C);
  NEEDLE_LINKS(NEEDLE_ONE, NEEDLE_ANY)
  return codes;
#undef NEEDLE_ANY
#undef NEEDLE_ONE
}();
/// The code of exp, which only AVX-512 links, and not to less than a group.
inline constexpr std::uint8_t exp_code = [] {
  std::uint8_t last = store_code;
  for (const std::uint8_t code : link_codes) last = code == no_link ? last : (std::max)(last, code);
  return static_cast<std::uint8_t>(last + 1);
}();
/// Whether exp may be a link of chains over n elements.
inline bool links_exp(Isa isa, std::int64_t n) { return isa == Isa::avx512 && n >= 128; }

/// A link with the places of its values.
struct Move {
  std::uint8_t code;
  float *y, *z;
};

/// Whether elements may be calculated twice: nothing stored takes the place of what is read.
NEEDLE_ON_DEMAND
bool may_repeat(const float* first, std::span<const Move> moves) {
  for (const Move& store : moves) {
    if (store.code != store_code) continue;
    if (first == store.y) return false;
    for (const Move& move : moves) {
      if (move.code != store_code && (move.y == store.y || move.z == store.y)) return false;
    }
  }
  return true;
}

#define NEEDLE_ONE(F, P, C, VALUE)                          \
  case link_codes[link_key(scalar::code<scalar::F>, P, C)]: \
    ((VALUE), ...);                                         \
    break;
#define NEEDLE_ANY(F, C, VALUE) NEEDLE_ONE(F, 0, C, VALUE)
#define NEEDLE_AT(place) reinterpret_cast<Memory*>(place + i + T * lanes)
#define NEEDLE_Y (*NEEDLE_AT(move->y))
#define NEEDLE_Z (*NEEDLE_AT(move->z))
#define NEEDLE_CHAIN(NAME, TARGET)                                                         \
  template <int Bytes, int... T>                                                           \
  TARGET std::int64_t NAME(float* const* value, int start, std::span<const Link> links,    \
                           std::int64_t n) {                                               \
    using Memory = typename VectorOf<Bytes>::Memory;                                       \
    using Value = typename VectorOf<Bytes>::Value;                                         \
    using Bits = typename VectorOf<Bytes>::Bits;                                           \
    constexpr std::int64_t lanes = Bytes / sizeof(float), group = lanes * sizeof...(T);    \
    const Value zero = {}, one = zero + 1.0f;                                              \
    Move moves[longest_chain], *end = moves;                                               \
    for (const Link& link : links) *end++ = {link.code, value[link.y], value[link.z]};     \
    float* const first = value[start];                                                     \
    std::int64_t i = 0;                                                                    \
    for (; i < n; i += group) {                                                            \
      if (i + group > n) {                                                                 \
        if (i == 0 || !may_repeat(first, {moves, end})) break;                             \
        i = n - group;                                                                     \
      }                                                                                    \
      Value t[sizeof...(T)], s[] = {*NEEDLE_AT(first)...};                                 \
      for (const Move* move = moves; move != end; ++move) {                                \
        switch (move->code) {                                                              \
          NEEDLE_LINKS(NEEDLE_ONE, NEEDLE_ANY)                                             \
          case exp_code:                                                                   \
            if constexpr (Bytes == 64) {                                                   \
              Value shifted[sizeof...(T)], x;                                              \
              Bits power, half;                                                            \
              NEEDLE_EXP;                                                                  \
            }                                                                              \
            break;                                                                         \
          case store_code: ((NEEDLE_Y = s[T]), ...); break;                                \
          default: __builtin_unreachable(); /* or every link would pay for the question */ \
        }                                                                                  \
      }                                                                                    \
    }                                                                                      \
    return i;                                                                              \
  }

NEEDLE_PRECISE
#define NEEDLE_ROOT NEEDLE_SQRT_BASELINE
NEEDLE_CHAIN(chain_baseline, )
#undef NEEDLE_ROOT
#if NEEDLE_X86
#define NEEDLE_ROOT NEEDLE_SQRT_AVX2
NEEDLE_CHAIN(chain_avx2, NEEDLE_AVX2)
#undef NEEDLE_ROOT
#define NEEDLE_ROOT NEEDLE_SQRT_AVX512
NEEDLE_CHAIN(chain_avx512, NEEDLE_AVX512)
#undef NEEDLE_ROOT
#endif
NEEDLE_PRECISE_END
#undef NEEDLE_CHAIN
#undef NEEDLE_Z
#undef NEEDLE_Y
#undef NEEDLE_AT
#undef NEEDLE_ANY
#undef NEEDLE_ONE
#undef NEEDLE_LINKS
#undef NEEDLE_ROOT_LINKS
#undef NEEDLE_EXP
#undef NEEDLE_OTHER_LINKS
#undef NEEDLE_SUM_LINKS

/// The loop for an instruction set, which this processor must have, over n elements of so many
/// arrays, with exp among the links or not.
///
/// Eight vectors of AVX-512 are eight lines of one array before the next array's turn, which memory
/// answers slowly; of arrays that the caches will not hold, AVX2's loop reads four at a time
/// (bench_elementwise, eight cheap ops, time over a hand-written pass: at 1e6 elements 1.3 to 1.5
/// in place of 3.1, at 1e7 1.0 to 1.3 in place of 1.9).
NEEDLE_ON_DEMAND
ChainLoop chain_loop([[maybe_unused]] Isa isa, [[maybe_unused]] std::int64_t n,
                     [[maybe_unused]] std::int64_t arrays, [[maybe_unused]] bool exp) {
#if NEEDLE_X86
  const bool cached = n >= 128 && n * arrays < (1 << 21);
  if (isa == Isa::avx512 && (cached || exp)) return chain_avx512<64, 0, 1, 2, 3, 4, 5, 6, 7>;
  if (isa != Isa::baseline) return chain_avx2<32, 0, 1, 2, 3, 4, 5, 6, 7>;
#endif
  return chain_baseline<16, 0, 1, 2, 3, 4, 5, 6, 7>;
}

}  // namespace needle::cpu

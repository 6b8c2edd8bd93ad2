// Moving runs of elements between memory and the registers of a program, with conversion.
#pragma once

#include <cstring>

#include "needle/cpu/device.hpp"
#include "needle/cpu/isa.hpp"
#include "needle/program/convert.hpp"
#include "needle/program/loop.hpp"

namespace needle::cpu {

/// Elements that one vector loop handles at a time: a fixed count, so that -O2 vectorises it.
inline constexpr std::int64_t block = 16;

constexpr std::int64_t padded(std::int64_t n) { return (n + block - 1) / block * block; }

template <class T>
NEEDLE_FN void fill_loop(T* to, std::int64_t n, T value) {
  std::int64_t i = 0;
  for (; i + block <= n; i += block) {
    NEEDLE_INDEPENDENT
    for (int j = 0; j < block; ++j) to[i + j] = value;
  }
  for (; i < n; ++i) to[i] = value;
}
template <class T>
NEEDLE_AVX2 void fill_avx2(T* to, std::int64_t n, T value) {
  fill_loop(to, n, value);
}

/// to[i] = value for i < n (at -O2, g++ does not vectorise std::fill_n).
template <class T>
void fill(T* to, std::int64_t n, T value) {
  if (isa() == Isa::baseline) fill_loop(to, n, value);
  else fill_avx2(to, n, value);
}

/// to[i] = convert<To>(from[i]) for i < block.
template <class To, class From>
NEEDLE_FN void convert_block(To* to, const From* from) {
  if constexpr (std::is_same_v<From, float> && std::is_integral_v<To>) {
    // The same values in steps that g++ vectorises, one loop for each width.
    std::int32_t whole[block];
    if constexpr (sizeof(To) == 1) {
      NEEDLE_INDEPENDENT
      for (int j = 0; j < block; ++j) {
        const float raised = from[j] > 0.0f ? from[j] : 0.0f;  // and so is NaN
        whole[j] = static_cast<std::int32_t>(raised < 255.0f ? raised : 255.0f);
      }
      NEEDLE_INDEPENDENT
      for (int j = 0; j < block; ++j) to[j] = static_cast<To>(whole[j]);
    } else {
      constexpr float low = -2147483648.0f, high = 2147483520.0f;
      using math::detail::select;
      NEEDLE_INDEPENDENT
      for (int j = 0; j < block; ++j) {
        const float x = select(from[j] == from[j], from[j], 0.0f);
        const float raised = select(x < low, low, x);
        whole[j] = static_cast<std::int32_t>(select(raised > high, high, raised));
      }
      // Beyond the largest float below 2^31 lies 2^31 - 1.
      NEEDLE_INDEPENDENT
      for (int j = 0; j < block; ++j) to[j] = whole[j] | (-(from[j] > high) & 0x7f);
    }
  } else {
    NEEDLE_INDEPENDENT
    for (int j = 0; j < block; ++j) to[j] = convert<To>(from[j]);
  }
}

template <class To, class From>
NEEDLE_FN void convert_loop(To* to, const From* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + block <= n; i += block) convert_block(to + i, from + i);
  for (; i < n; ++i) to[i] = convert<To>(from[i]);
}
template <class To, class From>
NEEDLE_AVX2 void convert_avx2(To* to, const From* from, std::int64_t n) {
  convert_loop(to, from, n);
}

/// to[i] = convert<To>(from[i]) for i < n.
template <class To, class From>
void convert_run(To* to, const From* from, std::int64_t n) {
  if (isa() == Isa::baseline) convert_loop(to, from, n);
  else convert_avx2(to, from, n);
}

/// to[i] = from[i] for i < n.
template <class To, class From>
void store(To* to, const From* from, std::int64_t n) {
  if constexpr (std::is_same_v<To, From>) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(To));
  } else {
    convert_run(to, from, n);
  }
}

/// to[i] = from[i * stride] for i < n.
template <class To, class From>
void load(To* to, const From* from, std::int64_t stride, std::int64_t n) {
  if (stride == 1) {
    store(to, from, n);
  } else if (stride == 0) {
    fill(to, n, convert<To>(*from));
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i * stride]);
  }
}

/// The bits of an element of whatever type, to be moved as they are.
template <class T>
struct __attribute__((may_alias)) Bits {
  T bits;
};

/// Calls `body(to, from)` with the first elements of two arrays of one dtype, as their bits.
template <class Body>
void with_bits(const Array<Cpu>& to, const Array<Cpu>& from, Body body) {
  const auto call = [&]<class T>(T) {
    body(static_cast<T*>(to.storage->data) + to.offset,
         static_cast<const T*>(from.storage->data) + from.offset);
  };
  switch (item_bytes(to.dtype)) {
    case 1: return call(std::uint8_t{});
    case 2: return call(Bits<std::uint16_t>{});
    default: return call(Bits<std::uint32_t>{});
  }
}

/// to[i] = from[i] for i < n, of ones and zeros. Instructions that narrow with saturation make the
/// bits of 1.0f the byte 127, which takes half the time of a conversion.
inline void store_truths(std::uint8_t* to, const float* from, std::int64_t n) {
  std::int64_t i = 0;
#if NEEDLE_X86
  typedef int Bits __attribute__((vector_size(16), aligned(4), may_alias));
  for (; i + 16 <= n; i += 16) {
    const Bits* x = reinterpret_cast<const Bits*>(from + i);
    const auto bytes = __builtin_ia32_packsswb128(__builtin_ia32_packssdw128(x[0], x[1]),
                                                  __builtin_ia32_packssdw128(x[2], x[3])) &
                       1;
    std::memcpy(to + i, &bytes, sizeof bytes);
  }
#endif
  store(to + i, from + i, n - i);
}

/// Whether elements of type `T` go into registers of type `R`, or come from them: programs of
/// integers have no floats of 16 bits, and there is no double here.
template <class T, class R>
inline constexpr bool meets_register =
    !std::is_same_v<T, double> && !(std::is_integral_v<R> && Half<T>);

/// Positions [begin, begin + n) of operand k of a loop, as R, into a buffer.
template <class R>
void gather_tile(R* to, const Array<Cpu>& array, const Loop& loop, std::size_t k,
                 std::int64_t begin, std::int64_t n) {
  visit_storage(array.dtype, [&]<class T>(T) {
    if constexpr (meets_register<T, R>) {
      const T* from = array.template data<T>();
      for_each_run(loop, loop.strides[k], begin, n,
                   [&](std::int64_t offset, std::int64_t count, std::int64_t stride) {
                     load(to, from + offset, stride, count);
                     to += count;
                   });
    }
  });
}

}  // namespace needle::cpu

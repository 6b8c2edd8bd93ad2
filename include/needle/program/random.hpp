// From the words of Philox to numbers of a distribution, the same on every device.
#pragma once

#include "needle/core/philox.hpp"
#include "needle/program/math.hpp"

namespace needle {

namespace detail {
/// a + b x, rounded twice.
struct Affine {
  NEEDLE_FN static float apply(float a, float b, float x) { return a + b * x; }
};
}  // namespace detail

/// The number a word (and, for `normal`, its neighbour in the block) stands for.
///
/// Fractions are calculated in float on every device. Normals come in pairs by Box and Muller's
/// transform: an even word gives the radius, the odd one after it the angle.
template <class T, class Scale = detail::Affine>
NEEDLE_FN T random_value(const Distribution& d, std::uint32_t even, std::uint32_t odd,
                         bool second) {
  const std::uint32_t word = second ? odd : even;
  const auto low = static_cast<float>(d.a);
  switch (d.kind) {
    case Distribution::uniform: {
      const float value = Scale::apply(low, static_cast<float>(d.b - d.a), unit_interval(word));
      return static_cast<T>(value < static_cast<float>(d.b) ? value : low);  // it may round up to b
    }
    case Distribution::bernoulli: return static_cast<T>(unit_interval(word) < low);
    case Distribution::integer:
      return static_cast<T>(static_cast<std::int64_t>(d.a) +
                            below(word, static_cast<std::uint32_t>(d.b - d.a)));
    case Distribution::normal: break;
  }
  const float radius = math::sqrt(-2.0f * math::log(1.0f - unit_interval(even)));
  const float angle = 6.2831853071795865f * unit_interval(odd);
  const float value = radius * (second ? math::sin_small(angle) : math::cos_small(angle));
  return static_cast<T>(Scale::apply(low, static_cast<float>(d.b), value));
}

/// Elements [begin, end) of a random array of type `T`; element i is word i % 4 of block i / 4.
template <class T>
void fill_random(const Distribution& d, const RandomKey& key, T* to, std::int64_t begin,
                 std::int64_t end) {
  using Value = std::conditional_t<std::is_floating_point_v<T>, float, std::int32_t>;
  for (std::int64_t i = begin; i < end;) {
    const auto position = static_cast<std::uint64_t>(i) + key.offset;
    const PhiloxBlock block = philox(key.seed, key.stream, position / 4);
    for (std::uint64_t w = position % 4; w < 4 && i < end; ++w, ++i) {
      to[i] = static_cast<T>(
          random_value<Value>(d, block.word[w & 2], block.word[w | 1], (w & 1) != 0));
    }
  }
}

}  // namespace needle

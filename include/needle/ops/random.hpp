// Random tensors: functions of a seed and a position, the same on every device.
#pragma once

#include "needle/core/philox.hpp"
#include "needle/graph/apply.hpp"

namespace needle {

/// A place in a stream of random numbers; each random tensor takes the next numbers when it is
/// built. Save and restore it to continue a run with the same bits.
struct Generator {
  /// Which numbers they are, and the next one of the stream.
  std::uint64_t seed = 0, stream = 0, offset = 0;

  /// Reserves numbers for a tensor of this size: whole blocks of four.
  RandomKey take(std::int64_t size) {
    const auto blocks = (static_cast<std::uint64_t>(size) + 3) / 4;
    return {seed, stream, __atomic_fetch_add(&offset, 4 * blocks, __ATOMIC_RELAXED)};
  }
};

/// The generator that random tensors use when none is given.
inline Generator& default_generator() {
  static Generator generator;
  return generator;
}

/// Starts the default generator anew.
inline void manual_seed(std::uint64_t seed) { default_generator() = {seed, 0, 0}; }

namespace detail {
inline constexpr OpTraits random_traits{.kind = Kind::other,
                                        .name = [] { return std::string_view("random"); }};

/// A node without inputs whose value is made when it is needed.
template <Device D>
class RandomNode final : public Expression<D> {
 public:
  RandomNode(const Distribution& distribution, Generator& generator, const Shape& shape,
             Dtype dtype)
      : Expression<D>(random_traits, shape, dtype),
        distribution_(distribution),
        key_(generator.take(shape.size())) {
    this->pending_depth = 1;
  }
  Array<D> compute(std::span<const Array<D>>) const override {
    Array<D> out(this->shape, this->dtype);
    random(distribution_, key_, out);
    return out;
  }

 private:
  Distribution distribution_;
  RandomKey key_;
};

template <Device D>
Tensor<D> random_tensor(const Distribution& distribution, const Shape& shape, Dtype dtype,
                        Generator& generator, std::string_view op) {
  return finish<D>(new RandomNode<D>(distribution, generator, checked(shape, op), dtype));
}
}  // namespace detail

/// Uniform numbers in [low, high) of the device's real dtype (float32; float64 on `Reference`), in
/// steps of (high - low) / 2^24; low > high is refused.
template <Device D = DefaultDevice>
Tensor<D> rand(const Shape& shape, double low = 0, double high = 1,
               Generator& generator = default_generator()) {
  if (!(low <= high)) fail("rand: no number in [", low, ", ", high, ")");
  return detail::random_tensor<D>({Distribution::uniform, low, high}, shape, real<D>, generator,
                                  "rand");
}
/// Normal numbers of this mean and standard deviation, of the device's real dtype, by Box and
/// Muller's transform; a deviation below 0 is refused.
template <Device D = DefaultDevice>
Tensor<D> randn(const Shape& shape, double mean = 0, double deviation = 1,
                Generator& generator = default_generator()) {
  if (!(deviation >= 0)) fail("randn: a deviation of ", deviation, "; it must be at least 0");
  return detail::random_tensor<D>({Distribution::normal, mean, deviation}, shape, real<D>,
                                  generator, "randn");
}
/// 1 with this probability, else 0, as uint8: a mask. A probability outside of [0, 1] is refused.
template <Device D = DefaultDevice>
Tensor<D> randb(const Shape& shape, double probability,
                Generator& generator = default_generator()) {
  if (!(probability >= 0 && probability <= 1)) {
    fail("randb: a probability of ", probability, "; it must lie in [0, 1]");
  }
  return detail::random_tensor<D>({Distribution::bernoulli, probability, 1}, shape, Dtype::uint8,
                                  generator, "randb");
}
/// Whole numbers from low to high - 1, as int32, equally likely within (high - low) / 2^32; low >=
/// high is refused.
template <Device D = DefaultDevice>
Tensor<D> randint(const Shape& shape, std::int32_t low, std::int32_t high,
                  Generator& generator = default_generator()) {
  if (low >= high) fail("randint: no whole number in [", low, ", ", high, ")");
  return detail::random_tensor<D>({Distribution::integer, double(low), double(high)}, shape,
                                  Dtype::int32, generator, "randint");
}

}  // namespace needle

// Random arrays on the CPU: each element is a function of the key and its position.
#pragma once

#include "needle/cpu/interpreter.hpp"
#include "needle/program/random.hpp"

namespace needle {

/// Fills a compact array with numbers of a distribution, four to a block of the generator.
inline void random(const Distribution& distribution, const RandomKey& key, Array<Cpu>& out) {
  visit(out.dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      T* to = out.data<T>();
      cpu::for_each_chunk(out.size(), 8, [&](std::int64_t begin, std::int64_t end) {
        fill_random<float>(distribution, key, to, begin, end);
      });
    }
  });
}

}  // namespace needle

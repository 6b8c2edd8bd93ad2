#include "hostile.hpp"

#include <needle/needle.hpp>

const char* version_of_the_other_unit() { return NEEDLE_VERSION; }

/// Continues a graph that began in the other unit, and puts the ops of both in one schedule.
needle::Tensor<> loss_of_the_other_unit(const needle::Tensor<>& x) {
  return sum(exp(x * 2) + relu(x));
}

// A library that hides its symbols, so that it counts nodes by itself.
#pragma once

#include <needle/needle.hpp>

/// 3 x^2, evaluated or not.
__attribute__((visibility("default"))) needle::Tensor<> tripled_square(const needle::Tensor<>& x,
                                                                       bool evaluated);

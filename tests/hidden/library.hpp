// A library that hides its symbols, so that it counts nodes by itself.
#pragma once

#include <needle/needle.hpp>

/// 3 x^2, evaluated or not.
__attribute__((visibility("default"))) needle::Tensor<> tripled_square(const needle::Tensor<>& x,
                                                                       bool evaluated);
/// 2 x on another device.
__attribute__((visibility("default"))) needle::Tensor<needle::Reference> doubled_elsewhere(
    const needle::Tensor<>& x);

// The devices that tests run on: DEVICE_TEST_CASE("what holds") { ... D ... } holds on each of
// them.
#pragma once

#include <tuple>

#include "catch.hpp"
#include "needle/cpu/kernels.hpp"
#include "needle/graph/backward.hpp"
#include "needle/reference/kernels.hpp"

#if defined(__CUDACC__)
#include "needle/cuda/kernels.hpp"
using Devices = std::tuple<needle::Reference, needle::Cpu, needle::Cuda>;
#else
using Devices = std::tuple<needle::Reference, needle::Cpu>;
#endif

/// Whether this machine has the device.
template <class D>
bool available() {
#if defined(__CUDACC__)
  int count = 0;
  if (std::is_same_v<D, needle::Cuda>)
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
#endif
  return true;
}

/// A test case for every device, which its body knows as `D`.
#define DEVICE_TEST_CASE(...) \
  DEVICE_TEST_CASE_NAMED(INTERNAL_CATCH_UNIQUE_NAME(on_device_), __VA_ARGS__)
#define DEVICE_TEST_CASE_NAMED(function, ...)                         \
  template <needle::Device D>                                         \
  static void function();                                             \
  TEMPLATE_LIST_TEST_CASE(__VA_ARGS__, "", Devices) {                 \
    if (!available<TestType>()) SKIP("no device " << TestType::name); \
    function<TestType>();                                             \
  }                                                                   \
  template <needle::Device D>                                         \
  static void function()

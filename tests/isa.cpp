// The kernels that run are those of the widest instructions there are.
#include "needle/cpu/isa.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "catch.hpp"

TEST_CASE("The widest instruction set is the one that the operating system lists") {
#if NEEDLE_X86
  using needle::cpu::Isa;
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && !line.starts_with("flags")) {
  }
  std::istringstream words(line);
  const std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  if (flags.empty()) SKIP("there is no list");
  const auto has = [&](const char* flag) { return flags.count(flag) == 1; };
  const bool avx2 = has("avx2") && has("fma");
  const bool avx512 = has("avx512f") && has("avx512dq") && has("avx512bw") && has("avx512vl");
  CHECK(needle::cpu::widest_isa() == (avx2 && avx512 ? Isa::avx512
                                      : avx2         ? Isa::avx2
                                                     : Isa::baseline));
#else
  CHECK(needle::cpu::isa() == needle::cpu::Isa::baseline);
#endif
}

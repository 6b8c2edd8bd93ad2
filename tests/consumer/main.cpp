#include <cstdio>
#include <needle/needle.hpp>

int main() {
  std::printf("needle %s\n", NEEDLE_VERSION);
#if NEEDLE_COMPILED  // then there is a library to link, and something to ask of it
  return needle::sum(needle::Tensor<>{1, 2}).item() == 3 ? 0 : 1;
#endif
}

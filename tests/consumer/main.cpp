#include <cstdio>
#include <needle/needle.hpp>

int main() { std::printf("needle %s\n", NEEDLE_VERSION); }

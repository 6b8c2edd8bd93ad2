#include "hostile.hpp"

#include <needle/needle.hpp>

const char* version_of_the_other_unit();

int main() { return std::strcmp(NEEDLE_VERSION, version_of_the_other_unit()); }

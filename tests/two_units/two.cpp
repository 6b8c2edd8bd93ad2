#include "hostile.hpp"

#include <needle/needle.hpp>

const char* version_of_the_other_unit() { return NEEDLE_VERSION; }

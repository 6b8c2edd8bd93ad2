// flags: -ffast-math
// message: needle: -ffast-math breaks its polynomials
#include <needle/needle.hpp>

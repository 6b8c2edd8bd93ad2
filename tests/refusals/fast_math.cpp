// flags: -ffast-math -Wfatal-errors
// message: needle: -ffast-math breaks its polynomials
#include <needle/needle.hpp>

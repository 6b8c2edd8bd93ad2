// flags: -ffast-math -Wfatal-errors
// message: needle: -ffast-math and its parts break its polynomials
#include <needle/needle.hpp>

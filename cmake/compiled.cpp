// What needle/compiled.hpp lists.
#define NEEDLE_INSTANCE template
#include <needle/compiled.hpp>

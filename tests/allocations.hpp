// `live_allocations()`: how many objects made with `new` there are. A graph that grows shows in it.
// Programs that include this are linked with allocations.cpp, which counts.
#pragma once

#include "needle/core/pool.hpp"

/// Blocks of memory that `new` gave and `delete` did not get back.
long live_blocks();

/// Of them, those that this thread does not merely keep for its next objects.
inline long live_allocations() { return live_blocks() - needle::detail::Pool::kept(); }

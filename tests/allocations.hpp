// `live_allocations()`: how many objects made with `new` there are. A graph that grows shows in it.
// `refuse_allocation(n)`: what happens when there is no memory for one. Programs that include this
// are linked with allocations.cpp, which counts.
#pragma once

#include "needle/core/pool.hpp"

/// Blocks of memory that `new` gave and `delete` did not get back.
long live_blocks();

/// Of them, those that this thread does not merely keep for its next objects.
inline long live_allocations() { return live_blocks() - needle::detail::Pool::kept(); }

/// Lets the `new` of this thread that comes after n others throw std::bad_alloc; none if n < 0.
void refuse_allocation(long n);
/// Whether that one has come.
bool allocation_refused();

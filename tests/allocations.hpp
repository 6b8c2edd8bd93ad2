// `live_allocations()`: how many objects made with `new` there are. A graph that grows shows in it.
// Programs that include this are linked with allocations.cpp, which counts.
#pragma once

long live_allocations();

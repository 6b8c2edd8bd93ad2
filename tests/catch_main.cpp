// Catch2's main function, for a version 2 without a library.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

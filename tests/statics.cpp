// What destructors of static objects may do: evaluate, when all of the thread's own variables are
// gone. What fails there ends the program with a status of its own.

#include <cstdio>
#include <cstdlib>

#include "check.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/ops/matmul.hpp"
#include "needle/ops/random.hpp"

using namespace needle;

namespace {

void demand(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "wrong while static objects end: %s\n", what);
  std::_Exit(3);
}

/// Made before needle's own variables, so it ends after them.
struct Last {
  Tensor<> a;
  std::optional<nn::BatchNorm1d<>> norm;

  ~Last() {
    if (!norm) return;
    demand(sum(exp(a * 0)).item() == 300 * 300, "a chain and a sum");
    demand(sum(matmul(a, a) * 0).item() == 0, "a matrix product, packed");
    const Tensor<> y = (*norm)(a);
    demand(mean(square(y)).item() > 0.5, "batch norm");
    demand(sum(square(*norm->running_mean)).item() > 0, "its running mean");
  }
} last;

}  // namespace

TEST_CASE("Static objects evaluate while the program ends") {
  last.a = randn({300, 300});
  CHECK(sum(matmul(last.a, last.a) * 0).item() == 0);
  last.norm.emplace(nn::BatchNorm1d<>{.features = 300});
  (*last.norm)(last.a);  // assigns to running statistics that nobody evaluates
}

TEST_CASE("An empty environment variable is none") {
  ::setenv("NEEDLE_TEST_EMPTY", "", 1);
  CHECK(detail::environment("NEEDLE_TEST_EMPTY") == nullptr);
}

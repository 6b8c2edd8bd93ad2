// Gradients: backward, gradients of gradients, and an op of your own.
//
//   02_gradients
#include <array>
#include <iostream>
#include <needle/needle.hpp>

#include "options.hpp"

using namespace needle;

/// An op that needle does not have: sums up to each element of the last axis. It is written here as
/// needle writes its own: a kernel for each device, a shape, and a gradient that is graph again.
namespace mine {

/// The kernels turn the rows of a compact array into their running sums. Which one runs follows
/// from the device of the array; a device without one is refused by the compiler.
void run_sums(Array<Cpu>& y) {
  const std::int64_t n = y.shape.back();
  parallel_for(n ? y.size() / n : 0, [&](std::int64_t row) {
    float* at = y.data<float>() + row * n;
    for (std::int64_t i = 1; i < n; ++i) at[i] += at[i - 1];
  });
}
void run_sums(Array<Reference>& y) {
  double* at = y.data<double>();
  for (std::int64_t i = 0; i < y.size(); ++i) {
    if (i % y.shape.back() != 0) at[i] += at[i - 1];
  }
}

struct Cumsum {
  // What the gradient reads of inputs and output: nothing, so they need not be kept for it.
  static constexpr unsigned reads = reads_nothing;

  static Shape shape(const Shape& x) {
    if (x.ndim() == 0) fail("cumsum: a scalar has no axis to sum along");
    return x;
  }
  template <Device D>
  static Array<D> compute(const Array<D>& x) {
    Array<D> y(x.shape, real<D>);
    copy(x, y);  // from any view and any dtype
    run_sums(y);
    return y;
  }
  // y_j is the sum of x_i over i <= j, so dL/dx_i is the sum of g_j over j >= i. (Of apply there is
  // another in namespace std.)
  static auto gradient(const auto& g, const auto&, const auto&) {
    return std::array{flip(needle::apply(Cumsum{}, flip(g, -1)), -1)};
  }
};

/// Sums of the first elements along the last axis: (1, 2, 3) becomes (1, 3, 6).
template <Device D>
Tensor<D> cumsum(const Tensor<D>& x) {
  return needle::apply(Cumsum{}, x);
}

}  // namespace mine

int main(int argc, char** argv) {
  examples::no_options(argc, argv, "02_gradients",
                       "Shows gradients, gradients of gradients, and an op of one's own.");
  std::cout << "# backward() of a scalar adds a gradient to every leaf that asked for one.\n";
  Tensor<> x = {1, 2, 3};
  x.requires_grad(true);
  sum(x * x * x).backward();
  std::cout << "d sum(x^3) / dx at " << x << " = " << x.grad() << "\n";

  std::cout
      << "\n# grad() gives gradients as expressions, to be differentiated again, to any order.\n";
  Tensor<> t = {0.5};
  t.requires_grad(true);
  Tensor<> derivative = tanh(t);
  for (int order = 0; order < 5; ++order) {
    std::cout << "order " << order << " of tanh at 0.5: " << derivative.item() << "\n";
    derivative = grad(sum(derivative), {t})[0];
  }

  std::cout
      << "\n# Newton's method needs the second derivative: the minimum of Rosenbrock's valley,\n"
         "# f(x, y) = (1 - x)^2 + 100 (y - x^2)^2, with both rows of its Hessian from grad of "
         "grad.\n";
  Tensor<Reference> p = {-1.2, 1};
  for (int step = 0; step < 7; ++step) {
    p = p.detach();
    p.requires_grad(true);
    const auto a = p[0], b = p[1];
    const auto f = square(1 - a) + 100 * square(b - a * a);
    const auto g = grad(f, {p})[0];
    const auto h0 = grad(g[0], {p})[0], h1 = grad(g[1], {p})[0];
    std::cout << "step " << step << ": f = " << f << " at " << p << "\n";
    // The solution of H d = g for two unknowns, by Cramer's rule.
    const auto determinant = h0[0] * h1[1] - h0[1] * h1[0];
    const auto d = stack({g[0] * h1[1] - g[1] * h0[1], g[1] * h0[0] - g[0] * h1[0]}) / determinant;
    p = p - d;
  }

  std::cout
      << "\n# An op of your own, written outside of needle, differentiates like any other:\n"
         "# the gradient of sum(cumsum(x)^2), and the second derivative by x_0 (it is 2 n).\n";
  Tensor<Cpu> v = {1, 2, 3};
  v.requires_grad(true);
  const auto g = grad(sum(square(mine::cumsum(v))), {v})[0];
  std::cout << "cumsum " << mine::cumsum(v) << ", gradient " << g << ", second "
            << grad(g[0], {v})[0][0] << "\n";
  std::cout << "# The same op on the device that checks the others, with the kernel for that.\n"
            << "cumsum " << mine::cumsum(v.to<Reference>()) << "\n";
}

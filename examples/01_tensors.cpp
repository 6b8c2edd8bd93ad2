// Tensors: N-d arrays with NumPy's rules for shapes, indices and broadcasting.
//
//   01_tensors
#include <iostream>
#include <needle/needle.hpp>

#include "options.hpp"

using namespace needle;

int main(int argc, char** argv) {
  examples::no_options(argc, argv, "01_tensors",
                       "Shows tensors, from shapes and indices to what is refused.");
  std::cout
      << "# Numbers in braces are a vector, rows in braces a matrix; Tensor<> is one on the CPU.\n";
  const Tensor<> v = {1, 2, 3};
  const Tensor<> m = {{1, 2, 3}, {4, 5, 6}};
  std::cout << v << "\n" << m << "\nshape " << str(m.shape()) << ", " << str(m.dtype()) << "\n";

  std::cout
      << "\n# A sequence under another shape. Nothing is copied: both see the same 24 numbers.\n";
  const Tensor<> x = reshape(arange(24), {2, 3, 4});
  std::cout << x << "\n";

  std::cout
      << "\n# Indices as in NumPy: x[0, 1:3, :], x[..., -1] and x[:, ::-1, 0]. All are views.\n";
  std::cout << x[{0, range(1, 3), all}] << "\n";
  std::cout << x[{ellipsis, -1}] << "\n";
  std::cout << x[{all, range({}, {}, -1), 0}] << "\n";

  std::cout << "\n# Shapes broadcast: a row and a column make a table.\n";
  const Tensor<> row = arange(1, 6), column = reshape(row, {5, 1});
  std::cout << row * column << "\n";

  std::cout << "\n# A tensor never changes under another handle: put makes a new one.\n";
  const Tensor<> crossed = put(zeros({3, 4}), {1, all}, 1.0);
  std::cout << put(crossed, {all, 2}, v) << "\n";

  std::cout << "\n# Reductions take one axis, several, or none, and may keep them.\n";
  std::cout << "sum " << sum(m) << ", of columns " << sum(m, 0) << ", largest in rows " << max(m, 1)
            << " at " << argmax(m, 1) << "\n";
  const Tensor<> centred = m - mean(m, 1, true);
  std::cout << centred << "\n";

  std::cout << "\n# Linear algebra: a quarter turn, of the vector (3, 4) and of itself.\n";
  const Tensor<> turn = {{0, -1}, {1, 0}};
  std::cout << matmul(turn, Tensor<>{3, 4}) << "\n" << matmul(turn, turn) << "\n";

  std::cout << "\n# Random numbers follow from a seed, on every device.\n";
  manual_seed(7);
  const Tensor<> a = randn({3, 3});
  std::cout << a << "\n";

  std::cout << "\n# Comparisons are masks, and integers index: where, one_hot, gather.\n";
  std::cout << where(a > 0, a, 0) << "\n"
            << one_hot(argmax(a, 1), 3) << "\n"
            << gather(a, 1, argmax(a, 1, true)) << "\n";

  std::cout << "\n# Nothing is calculated until somebody asks. Here y is a plan of four ops, ...\n";
  const Tensor<> y = exp(-square(x) / 2);
  std::cout << "y is " << y.op() << " of " << y.inputs()[0].op() << " of "
            << y.inputs()[0].inputs()[0].op() << " of "
            << y.inputs()[0].inputs()[0].inputs()[0].op() << "\n";
  std::cout << "# ... which its first use evaluates in one pass over memory.\n";
  std::cout << "sum(y) = " << sum(y).item() << "\n";

  std::cout << "\n# The same in double precision, on the device that checks the others.\n";
  const Tensor<Reference> z = x.to<Reference>();
  std::cout << "sum(y) = " << str(sum(exp(-square(z) / 2)).item()) << "\n";

  std::cout
      << "\n# What does not fit is refused where it is written, in the terms it was written.\n";
  try {
    matmul(m, m);
  } catch (const Error& error) {
    std::cout << error.what() << "\n";
  }
}

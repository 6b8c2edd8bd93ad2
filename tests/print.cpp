#include "needle/ops/print.hpp"

#include <sstream>

#include "check.hpp"
#include "needle/ops/slice.hpp"

using namespace needle;

DEVICE_TEST_CASE("Tensors print as NumPy writes them") {
  CHECK(str(Tensor<D>{1, 2.5, -3}) == "[  1, 2.5,  -3]");
  CHECK(str(Tensor<D>{{1, 20}, {3, 4}}) == "[[ 1, 20],\n [ 3,  4]]");
  CHECK(str(full<D>({}, 1.25)) == "1.25");
  CHECK(str(zeros<D>({0})) == "[]");
  CHECK(str(zeros<D>({2, 0})) == "[[],\n []]");
  CHECK(str(reshape(arange<D>(8), {2, 2, 2})) == "[[[0, 1],\n  [2, 3]],\n [[4, 5],\n  [6, 7]]]");
  CHECK(str(Tensor<D>{1.0f / 3, 1e10f, NAN, -INFINITY}) == "[0.33333,   1e+10,     nan,    -inf]");
  CHECK(str(bytes<D>({1, 200})) == "[  1, 200]");
  CHECK(str(ints<D>({-2147483647, 7})) == "[-2147483647,           7]");
}

DEVICE_TEST_CASE("The middle of long axes is left out") {
  CHECK(str(arange<D>(10)) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]");
  CHECK(str(arange<D>(11)) == "[ 0,  1,  2, ...,  8,  9, 10]");
  CHECK(str(arange<D>(1000000, Dtype::int32)).ends_with("..., 999997, 999998, 999999]"));
  CHECK(str(zeros<D>({500, 500})).size() < 300);
}

DEVICE_TEST_CASE("A tensor goes to a stream, and views print what they see") {
  std::ostringstream stream;
  stream << transpose(Tensor<D>{{1, 2}, {3, 4}}) << "!";
  CHECK(stream.str() == "[[1, 3],\n [2, 4]]!");
  stream.str("");
  stream << ones<D>({2, 3}).shape() << " " << Dtype::int32;
  CHECK(stream.str() == "(2, 3) int32");
}

#include "needle/data/mnist.hpp"

#include "check.hpp"
#include "temporary_folder.hpp"

using namespace needle;

namespace {

/// An IDX file of bytes.
std::string idx(const std::vector<int>& shape, const std::string& values) {
  std::string file = {0, 0, 8, static_cast<char>(shape.size())};
  for (const int n : shape) file += {0, 0, 0, static_cast<char>(n)};
  return file + values;
}

/// A training set of these two files.
std::string refused(const std::string& pictures, const std::string& labels) {
  const TemporaryFolder folder;
  folder.file("train-images-idx3-ubyte", pictures);
  folder.file("train-labels-idx1-ubyte", labels);
  std::string message = refusal([&] { data::mnist(folder / ".", true); });
  const std::string path = folder / "./";
  for (auto at = message.find(path); at != message.npos; at = message.find(path)) {
    message.erase(at, path.size());
  }
  return message;
}

}  // namespace

TEST_CASE("MNIST is read as bytes, training set and test set apart") {
  const TemporaryFolder folder;
  folder.file("train-images-idx3-ubyte", idx({2, 1, 3}, "abcdef"));
  folder.file("train-labels-idx1-ubyte", idx({2}, {7, 9}));
  folder.file("t10k-images-idx3-ubyte", idx({1, 1, 3}, "xyz"));
  folder.file("t10k-labels-idx1-ubyte", idx({1}, {0}));
  const data::TensorDataset train = data::mnist(folder / ".", true),
                            test = data::mnist(folder / ".", false);
  CHECK(train.size() == 2);
  CHECK(train.x.shape() == Shape{2, 1, 3});
  CHECK(train.x.dtype() == Dtype::uint8);
  CHECK(list(train.x) == List{97, 98, 99, 100, 101, 102});
  CHECK(list(train.y) == List{7, 9});
  CHECK(list(test.x) == List{120, 121, 122});
  CHECK(list(test.y) == List{0});
}

#if defined(NEEDLE_ZLIB) && NEEDLE_ZLIB
TEST_CASE("The real MNIST has 60,000 and 10,000 digits, the first a 5 and a 7") {
  const std::string folder = NEEDLE_SHARED_DIR "/data/mnist";
  if (!io::exists(folder)) SKIP("no MNIST in " << folder);
  const data::TensorDataset train = data::mnist(folder, true), test = data::mnist(folder, false);
  CHECK(train.x.shape() == Shape{60000, 28, 28});
  CHECK(test.x.shape() == Shape{10000, 28, 28});
  CHECK(train.y[0].item<int>() == 5);
  CHECK(test.y[0].item<int>() == 7);
}
#endif

TEST_CASE("Pictures and labels that do not belong together are refused by name") {
  CHECK(refused(idx({2, 1, 1}, "ab"), idx({3}, {1, 2, 3})) ==
        "mnist: train-images-idx3-ubyte of shape (2, 1, 1) and train-labels-idx1-ubyte of shape "
        "(3,); expected (n, rows, columns) and (n,)");
  CHECK(refused(idx({1}, "a"), idx({1}, {1})) ==
        "mnist: train-images-idx3-ubyte of shape (1,) and train-labels-idx1-ubyte of shape (1,); "
        "expected (n, rows, columns) and (n,)");
  CHECK(refused(idx({2, 1, 1}, "ab"), idx({2}, {1, 10})) ==
        "mnist: train-labels-idx1-ubyte: item 1 has label 10; digits are 0 to 9");
}

TEST_CASE("Files without a picture are refused: a mean over none is not a number") {
  CHECK(refused(idx({0, 28, 28}, ""), idx({0}, "")) ==
        "mnist: train-images-idx3-ubyte of shape (0, 28, 28) has no pictures");
  CHECK(refused(idx({1, 0, 28}, ""), idx({1}, {1})) ==
        "mnist: train-images-idx3-ubyte of shape (1, 0, 28) has no pictures");
}

TEST_CASE("Missing files are named") {
  const TemporaryFolder folder;
  CHECK_THAT(refusal([&] { data::mnist(folder / "none", true); }),
             Catch::Matchers::ContainsSubstring("none/train-images-idx3-ubyte"));
}

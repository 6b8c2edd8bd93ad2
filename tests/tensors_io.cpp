#include "needle/io/tensors.hpp"

#include "check.hpp"
#include "needle/ops/factory.hpp"
#include "needle/ops/slice.hpp"
#include "needle/ops/transfer.hpp"
#include "temporary_folder.hpp"

using namespace needle;
using io::ElementType;
using io::TensorEntry;

namespace {

/// A file of one tensor "t" with these elements, as another program would write it.
template <class T>
std::string file_of(const TemporaryFolder& folder, ElementType type, const std::vector<T>& values,
                    std::vector<std::int64_t> shape) {
  const std::string path = folder / "t.safetensors";
  io::write_safetensors(path, {{"t", type, std::move(shape)}},
                        [&](const TensorEntry&) { return std::as_bytes(std::span(values)); });
  return path;
}

/// Reads it on a device: the dtype, and the elements.
template <Device D, class T>
std::pair<Dtype, List> read(ElementType type, const std::vector<T>& values) {
  const TemporaryFolder folder;
  const auto n = static_cast<std::int64_t>(values.size());
  const io::Contents<D> file = io::load_tensors<D>(file_of(folder, type, values, {n}));
  const Tensor<D>& t = file.tensors.at("t");
  return {t.dtype(), list(t)};
}

template <class T>
std::string refused(ElementType type, const std::vector<T>& values) {
  const TemporaryFolder folder;
  const auto n = static_cast<std::int64_t>(values.size());
  const std::string path = file_of(folder, type, values, {n});
  const std::string message = refusal([&] { io::load_tensors<Cpu>(path); });
  return message.starts_with(path) ? message.substr(path.size()) : message;
}

}  // namespace

DEVICE_TEST_CASE("What is saved is loaded: every dtype, shape and view, and the metadata") {
  const TemporaryFolder folder;
  const Tensor<D> matrix{{1.5, -0.0, 1e-42}, {NAN, INFINITY, 3}};
  io::Tensors<D> tensors;
  tensors["real"] = matrix;
  tensors["transposed"] = transpose(matrix);
  tensors["every other, backwards"] = matrix[{needle::all, range(std::nullopt, std::nullopt, -2)}];
  tensors["a sum \"\u00e4\" not yet calculated"] = matrix + 1;
  tensors["scalar"] = full<D>({}, 7);
  tensors["empty"] = zeros<D>({0, 3});
  tensors["int32"] = Tensor<D>(std::vector<std::int32_t>{INT32_MIN, -1, INT32_MAX}, {3});
  tensors["uint8"] = Tensor<D>(std::vector<std::uint8_t>{0, 255}, {2, 1, 1, 1, 1, 1, 1, 1});
  const io::Metadata metadata{{"format", "pt"}, {"note", "two\nlines"}};
  io::save_tensors(folder / "all.safetensors", tensors, metadata);
  const io::Contents<D> file = io::load_tensors<D>(folder / "all.safetensors");
  CHECK(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    const Tensor<D>& loaded = file.tensors.at(name);
    CHECK(loaded.shape() == tensor.shape());
    CHECK(loaded.dtype() == tensor.dtype());
    const List x = list(loaded), y = list(tensor);
    CHECK((x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0));
  }
  io::save_tensors(folder / "none.safetensors", io::Tensors<D>{});
  CHECK(io::load_tensors<D>(folder / "none.safetensors").tensors.empty());
}

TEST_CASE("Tensors go from device to device through a file") {
  const TemporaryFolder folder;
  io::save_tensors<Reference>(folder / "t", {{"x", Tensor<Reference>{0.1, 2}}});
  CHECK(io::load_tensors<Cpu>(folder / "t").tensors.at("x").values() ==
        std::vector<float>{0.1f, 2});
  io::save_tensors<Cpu>(folder / "t", {{"x", Tensor<Cpu>{0.1f, 2}}});
  CHECK(list(io::load_tensors<Reference>(folder / "t").tensors.at("x")) == List{0.1f, 2});
}

DEVICE_TEST_CASE("Element types a device does not have are converted") {
  using Result = std::pair<Dtype, List>;
  CHECK(read<D>(ElementType::f64, List{0.5, -2}) == Result{real<D>, {0.5, -2}});
  CHECK(read<D>(ElementType::f32, std::vector<float>{0.5f}) == Result{real<D>, {0.5}});
  CHECK(read<D>(ElementType::f16, std::vector<std::uint16_t>{0x3C00, 0xC500}) ==
        Result{real<D>, {1, -5}});
  CHECK(read<D>(ElementType::bf16, std::vector<std::uint16_t>{0x3F80, 0xC0A0}) ==
        Result{real<D>, {1, -5}});
  CHECK(read<D>(ElementType::i64, std::vector<std::int64_t>{INT32_MIN, INT32_MAX}) ==
        Result{Dtype::int32, {INT32_MIN, INT32_MAX}});
  CHECK(read<D>(ElementType::i16, std::vector<std::int16_t>{-32768, 32767}) ==
        Result{Dtype::int32, {-32768, 32767}});
  CHECK(read<D>(ElementType::i8, std::vector<std::int8_t>{-128, 127}) ==
        Result{Dtype::int32, {-128, 127}});
  CHECK(read<D>(ElementType::u16, std::vector<std::uint16_t>{0, 65535}) ==
        Result{Dtype::int32, {0, 65535}});
  CHECK(read<D>(ElementType::u32, std::vector<std::uint32_t>{0, INT32_MAX}) ==
        Result{Dtype::int32, {0, INT32_MAX}});
  CHECK(read<D>(ElementType::u64, std::vector<std::uint64_t>{0, INT32_MAX}) ==
        Result{Dtype::int32, {0, INT32_MAX}});
  CHECK(read<D>(ElementType::u8, std::vector<std::uint8_t>{0, 200}) ==
        Result{Dtype::uint8, {0, 200}});
  CHECK(read<D>(ElementType::boolean, std::vector<std::uint8_t>{0, 1}) ==
        Result{Dtype::uint8, {0, 1}});
}

TEST_CASE("Doubles round to float, and keep infinities and NaN") {
  const List values = read<Cpu>(ElementType::f64, List{0.1, 1e-300, INFINITY, NAN}).second;
  CHECK(values[0] == 0.1f);
  CHECK(values[1] == 0);
  CHECK(values[2] == INFINITY);
  CHECK(std::isnan(values[3]));
  const double largest = 3.4028234663852886e38, rounds_to_it = std::nextafter(0x1.ffffffp127, 0);
  CHECK(read<Cpu>(ElementType::f64, List{-largest, rounds_to_it}).second ==
        List{-largest, largest});
}

TEST_CASE("What the element types of a device cannot hold is refused by name and value") {
  CHECK(refused(ElementType::i64, std::vector<std::int64_t>{1, std::int64_t{INT32_MAX} + 1}) ==
        ": tensor 't' holds 2147483648, which does not fit in int32");
  CHECK(refused(ElementType::i64, std::vector<std::int64_t>{INT64_MIN}) ==
        ": tensor 't' holds -9223372036854775808, which does not fit in int32");
  CHECK(refused(ElementType::u32, std::vector<std::uint32_t>{UINT32_MAX}) ==
        ": tensor 't' holds 4294967295, which does not fit in int32");
  CHECK(refused(ElementType::u64, std::vector<std::uint64_t>{UINT64_MAX}) ==
        ": tensor 't' holds 18446744073709551615, which does not fit in int32");
  CHECK(refused(ElementType::f64, List{1e39}) ==
        ": tensor 't' holds 1e+39, which does not fit in float32");
  CHECK_THAT(refused(ElementType::f64, List{-0x1.ffffffp127}),
             Catch::Matchers::ContainsSubstring("does not fit in float32"));
  CHECK(read<Reference>(ElementType::f64, List{1e39}).second == List{1e39});
}

TEST_CASE("More than eight dimensions are refused") {
  const TemporaryFolder folder;
  const std::string path =
      file_of(folder, ElementType::u8, std::vector<std::uint8_t>{1}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  CHECK(refusal([&] { io::load_tensors(path); }) ==
        path + ": tensor 't' has 9 dimensions, the most is 8");
}

TEST_CASE("A tensor without elements has no enormous dimensions either") {
  const TemporaryFolder folder;
  const std::int64_t huge = std::int64_t{1} << 62;
  const std::string path =
      file_of(folder, ElementType::u8, std::vector<std::uint8_t>{}, {0, huge, huge});
  CHECK(refusal([&] { io::load_tensors(path); }) ==
        path +
            ": tensor 't': shape (0, 4611686018427387904, 4611686018427387904) has more "
            "elements than memory has addresses");
}

TEST_CASE("A tensor that cannot be saved leaves the file that was there") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  io::save_tensors<Cpu>(path, {{"x", ones({2})}});
  const auto untouched = [&] {
    CHECK(list(io::load_tensors(path).tensors.at("x")) == List{1, 1});
    CHECK(folder.size() == 1);
  };
  CHECK(refusal([&] {
          io::save_tensors<Cpu>(path, {{"x", ones({2})}, {"y", {}}});
        }) == "save_tensors: " + path + ": tensor 'y' is empty");
  untouched();
  CHECK(refusal([&] {
          io::save_tensors<Cpu>(path, {{"__metadata__", ones({2})}});
        }) == "safetensors: no tensor may have the name '__metadata__'");
  untouched();
  CHECK_THAT(refusal([&] {
               io::save_tensors<Cpu>(path, {{"\xff", ones({2})}});
             }),
             Catch::Matchers::ContainsSubstring("is not UTF-8"));
  untouched();
  const Setting checked(settings.check_nan, true);
  CHECK_THAT(refusal([&] {
               io::save_tensors<Cpu>(path, {{"x", log(zeros({2}))}});
             }),
             Catch::Matchers::ContainsSubstring("log: made -inf"));
  untouched();
}

TEST_CASE("Places that cannot be written to are named") {
  const TemporaryFolder folder;
  const io::Tensors<Cpu> x{{"x", ones({2})}};
  CHECK(refusal([&] { io::save_tensors(folder / "no/x", x); }) ==
        "cannot write " + (folder / "no/x") + ": No such file or directory");
  CHECK(refusal([&] { io::save_tensors(folder / ".", x); }) ==
        "cannot write " + (folder / ".") + ": it is a directory");
  CHECK(refusal([&] { io::load_tensors(folder / "no"); }) ==
        "cannot read " + (folder / "no") + ": No such file or directory");
  CHECK(folder.size() == 0);
}

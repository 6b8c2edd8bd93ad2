// PyTorch's answers: every case of a file in shared/vectors, its outputs, first and second
// derivatives. What the tensors mean, and which tolerances apply, says the README beside the files.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "check.hpp"
#include "json.hpp"
#include "needle/io/safetensors_reader.hpp"

#if !defined(NEEDLE_SHARED_DIR)
#define NEEDLE_SHARED_DIR "shared"
#endif

namespace vectors {

using namespace needle;
using needle::io::Json;

inline std::string path_of(const std::string& file) { return NEEDLE_SHARED_DIR "/vectors/" + file; }
inline bool present() { return std::filesystem::exists(path_of("manifest.json")); }

inline const Json& manifest() {
  static const Json whole = [] {
    const auto bytes = io::read_file(path_of("manifest.json"));
    return Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                       "manifest.json");
  }();
  return whole;
}

inline Shape shape_of(const Json& sizes) {
  Shape shape;
  for (const Json& n : sizes.array()) shape.push_back(n.integer());
  return shape;
}

/// One case: its attributes, and its tensors as doubles.
class Case {
 public:
  Case(const Json& entry, const io::SafetensorsFile& file) : entry_(entry), file_(file) {}
  const std::string& name() const { return entry_["name"].string(); }
  const std::string& op() const { return entry_["op"].string(); }
  const Json& operator[](std::string_view key) const { return entry_[key]; }
  const Json& attr(std::string_view key) const { return entry_["attrs"][key]; }
  int integer(std::string_view key) const { return static_cast<int>(attr(key).integer()); }

  /// A list of axes; null means all.
  Axes axes(std::string_view key) const {
    Axes result;
    const Json& list = attr(key);
    if (list.is_null()) return result;
    if (list.kind() == Json::Kind::number) return static_cast<int>(list.integer());
    for (const Json& axis : list.array()) result.push_back(axis.integer());
    return result;
  }
  bool has(const std::string& tensor) const { return file_.find(name() + "/" + tensor); }
  List values(const std::string& tensor) const {
    const io::TensorEntry* found = file_.find(name() + "/" + tensor);
    if (!found) fail(name(), " has no tensor ", tensor);
    const std::span<const std::byte> data = file_.data(*found);
    const auto as = [&]<class T>(T) {
      std::vector<T> all(data.size() / sizeof(T));
      std::memcpy(all.data(), data.data(), data.size());
      return List(all.begin(), all.end());
    };
    switch (found->type) {
      case io::ElementType::f64: return as(double{});
      case io::ElementType::f32: return as(float{});
      case io::ElementType::i64: return as(std::int64_t{});
      case io::ElementType::boolean: return as(std::uint8_t{});
      default: fail(name(), ": ", tensor, " has an element type that is not expected here");
    }
  }

 private:
  const Json& entry_;
  const io::SafetensorsFile& file_;
};

/// What an op gives: one tensor or several.
template <Device D>
struct Outputs : std::vector<Tensor<D>> {
  Outputs(const Tensor<D>& only) : std::vector<Tensor<D>>{only} {}
  Outputs(std::vector<Tensor<D>> all) : std::vector<Tensor<D>>(std::move(all)) {}
};
template <Device D>
using Inputs = std::vector<Tensor<D>>;
/// The ops of a file by the manifest's names.
template <Device D>
using Ops = std::map<std::string, std::function<Outputs<D>(const Case&, const Inputs<D>&)>>;

template <Device D>
Tensor<D> tensor(const Case& c, const std::string& name, const Json& about) {
  const std::string& type = about["dtype"].string();
  const Input::Kind kind = type == "I64"    ? Input::whole
                           : type == "BOOL" ? Input::byte
                                            : Input::real;
  return Tensor<D>(check::upload<D>(c.values(name), shape_of(about["shape"]), kind));
}

inline void compare(const std::string& what, const List& x, List expected, double tolerance) {
  check::compare(what, x, expected, tolerance);
}

/// One case on one device; `exact` says that outputs have no rounding of their own.
template <Device D>
void conform(const Case& c, const typename Ops<D>::mapped_type& op, bool exact) {
  constexpr bool wide = std::is_same_v<typename D::Real, double>;
  const auto tolerance = [&](const char* of, double in_double, double in_float) {
    return wide ? in_double : in_float + 10 * c["f32_error"][of].number();
  };
  Inputs<D> inputs, by, upstream;
  std::vector<std::size_t> numbers;  // of the inputs that are differentiated by
  for (const Json& about : c["inputs"].array()) {
    inputs.push_back(tensor<D>(c, "in/" + str(inputs.size()), about));
    if (!about["grad"].boolean()) continue;
    numbers.push_back(inputs.size() - 1);
    by.push_back(inputs.back().requires_grad(true));
  }
  const Outputs<D> outputs = op(c, inputs);
  REQUIRE(outputs.size() == c["outputs"].size());
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    CHECK(str(outputs[k].shape()) == str(shape_of(c["outputs"][k]["shape"])));
    List expected = c.values("out/" + str(k));
    if (exact) {
      for (double& value : expected) value = static_cast<typename D::Real>(value);
    }
    compare("out " + str(k), list(outputs[k]), expected, exact ? 0 : tolerance("out", 1e-11, 2e-6));
  }
  if (!c["first_order"].boolean()) return;

  Tensor<D> l = sum(by[0] * 0.0);  // so that everything depends on every input
  for (const Tensor<D>& x : by) l = l + sum(x * 0.0);
  const Tensor<D> nothing = l;
  std::vector<std::size_t> fed;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!c["outputs"][k]["upstream"].boolean()) continue;
    fed.push_back(k);
    upstream.push_back(tensor<D>(c, "upstream/" + str(k), c["outputs"][k]).requires_grad(true));
    l = l + sum(upstream.back() * outputs[k]);
  }
  const std::vector<Tensor<D>> gradients = grad(l, by);
  for (std::size_t i = 0; i < by.size(); ++i) {
    CHECK(gradients[i].shape() == by[i].shape());
    compare("grad " + str(numbers[i]), list(gradients[i]), c.values("grad/" + str(numbers[i])),
            tolerance("grad", 1e-10, 5e-6));
  }
  if (c["second_order"].boolean()) {
    Tensor<D> s = nothing;
    for (std::size_t i = 0; i < by.size(); ++i) {
      const Json& about = c["inputs"][numbers[i]];
      s = s + sum(tensor<D>(c, "hvec/" + str(numbers[i]), about) * gradients[i]);
    }
    for (const Tensor<D>& up : upstream) s = s + sum(up * 0.0);
    Inputs<D> all = by;
    all.insert(all.end(), upstream.begin(), upstream.end());
    const std::vector<Tensor<D>> second = grad(s, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string name =
          i < by.size() ? "grad2/" + str(numbers[i]) : "grad2_up/" + str(fed[i - by.size()]);
      compare(name, list(second[i]), c.values(name), tolerance("grad2", 1e-9, 2e-5));
    }
  }
  l.backward();
  for (std::size_t i = 0; i < by.size(); ++i) {
    compare("backward " + str(numbers[i]), list(by[i].grad()), c.values("grad/" + str(numbers[i])),
            tolerance("grad", 1e-10, 5e-6));
  }
}

/// Every case of a file. Each of its ops is in `ops`, or named in `later` because needle does not
/// have it yet; anything else is a failure, so that no case is missed in silence.
template <Device D>
void conform(const std::string& file, const Ops<D>& ops, const std::set<std::string>& later,
             const std::set<std::string>& exact = {}) {
  if (!present()) SKIP("no vectors in " << path_of(""));
  const io::SafetensorsFile content = io::read_safetensors(path_of(file));
  std::set<std::string> seen;
  for (const Json& entry : manifest()["cases"].array()) {
    if (entry["file"].is_null() || entry["file"].string() != file) continue;
    const Case c(entry, content);
    INFO("case " << c.name());
    seen.insert(c.op());
    if (later.count(c.op())) continue;
    const auto op = ops.find(c.op());
    if (op == ops.end()) FAIL_CHECK("no op is named for " << c.op());
    else conform<D>(c, op->second, exact.count(c.op()) > 0);
  }
  for (const auto& [name, op] : ops) {
    INFO(name << " has cases, and is not among the ops to come");
    CHECK((seen.count(name) > 0 && later.count(name) == 0));
  }
  for (const std::string& name : later) {
    INFO(name << " has cases");
    CHECK(seen.count(name) > 0);
  }
}

}  // namespace vectors

#include "needle/io/state.hpp"

#include "check.hpp"
#include "mlp_resnet.hpp"
#include "needle/data/loader.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/adam.hpp"
#include "needle/optim/one_cycle.hpp"
#include "temporary_folder.hpp"

using namespace needle;

namespace {

struct Small {
  nn::Linear<> fc{.in = 3, .out = 2};
  nn::BatchNorm1d<> norm{2};
  nn::Buffer<> steps{zeros<Cpu>({1}, Dtype::int32)};
};

/// A module that gives two values one name.
struct Twice {
  nn::Parameter<> a{Tensor<>{1}}, b{Tensor<>{2}};
  void fields(auto&& f) { f("weight", a), f("weight", b); }
};

/// An op that fails when it is calculated.
struct NoValue {
  static Shape shape(const Shape& x) { return x; }
  static Array<Cpu> compute(const Array<Cpu>&) { return {}; }
};

/// A training run that can stop after any batch and go on from a file.
class Run {
 public:
  explicit Run(int workers = 1)
      : loader_(dataset(), {.batch = 64,
                            .shuffle = true,
                            .seed = 3,
                            .workers = workers,
                            .transform = data::RandomShift{1}}) {}

  /// Trains to a step, counted from the start.
  Run& train(std::int64_t to) {
    while (step_ < to) {
      const std::int64_t epoch = step_ / loader_.batches(), first = step_ % loader_.batches();
      for (auto [x, y] : loader_.epoch(static_cast<std::uint64_t>(epoch), first)) {
        adam_.options.lr = cycle_.lr(step_);
        adam_.zero_grad();
        cross_entropy(model_(to_real(flatten(x, 1)) / 255), y).backward();
        adam_.step();
        if (++step_ == to) break;
      }
    }
    return *this;
  }

  void save(const std::string& path) const {
    io::Tensors<> all = io::state_dict(model_);
    for (const auto& [name, tensor] : adam_.state_dict()) all["adam." + name] = tensor;
    io::save_tensors(path, all,
                     {{"step", str(step_)}, {"random", str(default_generator().offset)}});
  }
  Run& load(const std::string& path) {
    const io::Contents<> file = io::load_tensors(path);
    io::Tensors<> model, adam;
    for (const auto& [name, tensor] : file.tensors) {
      if (name.starts_with("adam.")) adam[name.substr(5)] = tensor;
      else model[name] = tensor;
    }
    io::load_state(model_, model, path);
    adam_.load_state(adam);
    step_ = std::stoll(file.metadata[0].second);
    default_generator().offset = std::stoull(file.metadata[1].second);
    return *this;
  }

  /// Parameters and buffers, bit by bit.
  std::map<std::string, std::vector<std::uint32_t>> bits() const {
    std::map<std::string, std::vector<std::uint32_t>> all;
    for (const auto& [name, tensor] : io::state_dict(model_)) {
      for (const float value : tensor.values()) {
        all[name].push_back(std::bit_cast<std::uint32_t>(value));
      }
    }
    return all;
  }

 private:
  static data::TensorDataset dataset() {
    Generator generator{9};
    return {cast(randint<Cpu>({320, 28, 28}, 0, 256, generator), Dtype::uint8),
            randint<Cpu>({320}, 0, 10, generator)};
  }

  data::DataLoader<> loader_;
  decltype(mlp_resnet<Cpu>()) model_ = mlp_resnet<Cpu>(784, 256, 0.25);
  optim::Adam<> adam_{nn::parameters(model_), {.weight_decay = 1e-3}};
  optim::OneCycle cycle_{.max_lr = 1e-2, .total_steps = 20};
  std::int64_t step_ = 0;
};

/// A run from the same beginning.
Run fresh(int workers = 1) {
  manual_seed(4);
  return Run(workers);
}

}  // namespace

TEST_CASE("Training gives the same bits for any number of threads") {
  const int before = num_threads();
  set_num_threads(1);
  const auto alone = fresh().train(10).bits();
  CHECK(alone != fresh().bits());
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    CHECK((fresh().train(10).bits() == alone));
  }
  set_num_threads(before);
}

TEST_CASE("Training gives the same bits for any number of loading threads") {
  const auto alone = fresh(0).train(10).bits();
  CHECK((fresh(1).train(10).bits() == alone));
  CHECK((fresh(3).train(10).bits() == alone));
}

TEST_CASE("A run that was saved and resumed gives the bits of one that was not") {
  const TemporaryFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  const auto whole = fresh().train(20).bits();
  for (const std::int64_t stop : {10, 13, 0}) {  // the end of an epoch, its middle, the start
    fresh().train(stop).save(path);
    manual_seed(4);
    rand({1000}).realize();  // the seed is the program's, the place in the stream the file's
    CHECK((Run().load(path).train(20).bits() == whole));
  }
}

TEST_CASE("A module has the values of the one that was saved, and the metadata comes with them") {
  const TemporaryFolder folder;
  Small from, to;
  from.norm.running_mean.assign(Tensor<>{3, 4});
  from.steps.assign(Tensor<>(std::vector<std::int32_t>{5}, {1}));
  const Small& read_only = from;
  io::save(folder / "m", read_only, {{"epoch", "7"}});
  CHECK(list(*to.fc.weight) != list(*from.fc.weight));
  CHECK(io::load(folder / "m", to) == io::Metadata{{"epoch", "7"}});
  const io::Tensors<> state = io::state_dict(to);
  CHECK(state.size() == 7);
  for (const auto& [name, tensor] : io::state_dict(from))
    CHECK(list(state.at(name)) == list(tensor));
  CHECK(to.fc.weight->requires_grad());
}

TEST_CASE("What is loaded into a module is calculated, so that threads may share it") {
  Small from, to;
  io::Tensors<> state = io::state_dict(from);
  for (auto& [name, tensor] : state) {
    if (name != "steps") tensor = tensor + 1;
  }
  io::load_state(to, state);
  CHECK(to.norm.running_mean->node().evaluated());
  CHECK(to.fc.weight->node().evaluated());
  CHECK(list(*to.norm.running_mean) == List{1, 1});
}

TEST_CASE("A state is a snapshot: training goes on without it, and it without training") {
  Small model;
  const io::Tensors<> state = io::state_dict(model);
  const List before = list(*model.fc.weight);
  optim::Adam adam(nn::parameters(model), {.lr = 0.1});
  sum(model.norm(model.fc(Tensor<>{{1, 2, 3}, {3, 1, 1}})) * Tensor<>{{1, 2}, {3, 5}}).backward();
  adam.step();
  CHECK(list(*model.fc.weight) != before);
  CHECK(list(state.at("fc.weight")) == before);
  io::load_state(model, state);
  CHECK(list(*model.fc.weight) == before);
  adam.step();
  CHECK(list(state.at("fc.weight")) == before);
}

TEST_CASE("All that does not fit a module is said in one message, and nothing changes") {
  Small model;
  io::Tensors<> state = io::state_dict(model);
  const List before = list(*model.fc.weight);
  state["fc.weight"] = zeros({2, 3});
  state["fc.bias"] = zeros({3});
  state["steps"] = zeros({1});
  state["norm.bias"] = {};
  state["norm.num_batches_tracked"] = zeros({}, Dtype::int32);
  state["head.weight"] = zeros({2, 2});
  state.erase("norm.weight");
  CHECK(refusal([&] { io::load_state(model, state, "m.safetensors"); }) ==
        "m.safetensors: does not fit the module:\n"
        "  shape: fc.bias is (3,), expected (2,)\n"
        "  missing: norm.weight (2,)\n"
        "  empty: norm.bias, expected (2,)\n"
        "  dtype: steps is float32, expected int32\n"
        "  unexpected: head.weight (2, 2)");
  CHECK(list(*model.fc.weight) == before);
}

TEST_CASE("A state whose values cannot be calculated changes nothing") {
  Small model;
  io::Tensors<> state = io::state_dict(model);
  for (auto& [name, tensor] : state) tensor = zeros(tensor.shape(), tensor.dtype());
  state["norm.weight"] = apply(NoValue{}, ones({2}));
  const List before = list(*model.fc.weight);
  CHECK(refusal([&] { io::load_state(model, state); }) == "no_value: its compute gives no array");
  CHECK(list(*model.fc.weight) == before);
  CHECK(list(*model.fc.bias) != List{0, 0});
}

TEST_CASE("A file that does not fit is named") {
  const TemporaryFolder folder;
  Small model;
  io::save_tensors<Cpu>(folder / "m", {{"x", ones({1})}});
  CHECK_THAT(refusal([&] { io::load(folder / "m", model); }),
             Catch::Matchers::StartsWith((folder / "m") + ": does not fit the module:\n"));
}

TEST_CASE("Two values of one name are refused when a module is saved") {
  CHECK(refusal([] { io::state_dict(Twice()); }) ==
        "state_dict: two values of the module have the name 'weight'");
}

TEST_CASE("Weights that PyTorch saved load under its names") {
  const std::string path = NEEDLE_SHARED_DIR "/vectors/trace_mlp_resnet_mnist.safetensors";
  if (!io::exists(path)) SKIP("no " << path);
  const io::Contents<> file = io::load_tensors(path);
  io::Tensors<> weights;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with("init/")) weights[name.substr(5)] = tensor;
  }
  auto model = mlp_resnet<Cpu>();
  io::load_state(model, weights);
  CHECK(list(*model.get<8>().bias) == list(weights.at("8.bias")));
  CHECK(io::state_dict(model).size() == weights.size() - 6);  // num_batches_tracked
}

TEST_CASE("Tied values are read from a file that has them under one name and says so") {
  struct Tied {
    nn::Linear<> encoder{3, 3, false}, decoder{3, 3, false};
    nn::Linear<> head{3, 1, false};
  } model;
  nn::tie(model.encoder.weight, model.decoder.weight);
  const TemporaryFolder folder;
  const std::string path = folder / "tied.safetensors";
  const io::Tensors<> state{{"encoder.weight", reshape(arange<Cpu>(9), {3, 3})},
                            {"head.weight", ones<Cpu>({1, 3})}};
  // As safetensors.torch.save_model does; a text that happens to be a name means nothing.
  io::save_tensors(path, state, {{"decoder.weight", "encoder.weight"}, {"best", "head.weight"}});
  io::load(path, model);
  CHECK(list(*model.decoder.weight) == list(arange<Cpu>(9)));
  CHECK(model.decoder.weight.cell() == model.encoder.weight.cell());

  Tied apart;
  io::load(path, apart);
  CHECK(list(*apart.decoder.weight) == list(arange<Cpu>(9)));
  io::save_tensors(path, state, {{"decoder.weight", "embedding.weight"}});
  CHECK(refusal([&] { io::load(path, apart); }) ==
        path + ": does not fit the module:\n  missing: decoder.weight (3, 3)");
}

TEST_CASE("A module's values go to another device and back") {
  auto a = nn::Linear<Cpu>{3, 2}, b = nn::Linear<Cpu>{3, 2};
  auto on_reference = nn::Linear<Reference>{3, 2};
  io::copy_state<Cpu, Reference>(a, on_reference);
  io::copy_state<Reference, Cpu>(on_reference, b);
  CHECK(list(*on_reference.weight) == list(*a.weight));
  CHECK(list(*b.weight) == list(*a.weight));
  auto other = nn::Linear<Reference>{4, 2};
  CHECK_THAT(refusal([&] { io::copy_state<Cpu, Reference>(a, other); }),
             Catch::Matchers::ContainsSubstring("shape: weight is (2, 3), expected (2, 4)"));
}

TEST_CASE("A state carries no gradients") {
  const nn::Linear<> model{2, 3};
  for (const auto& [name, value] : io::state_dict(model)) CHECK(!value.requires_grad());
}

TEST_CASE("A buffer without a value is not there") {
  struct Model {
    nn::Buffer<> none;
    nn::Linear<> fc{1, 1};
  };
  CHECK(io::state_dict(Model{}).size() == 2);
}

// A residual network learns to read digits: data, model, training, test, checkpoints.
//
//   04_mnist --data examples/data --epochs 20 --schedule one-cycle --shift 2
//
// The device is a template parameter, so the same lines train on each of them.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <needle/needle.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"
#include "progress.hpp"

using namespace needle;

namespace {

struct Training {
  std::string data = "examples/data", schedule = "constant", device = "cpu", save, resume;
  // The seed is that of PyTorch's MNIST example; README.md has the accuracy over twenty of them.
  std::int64_t epochs = 10, batch = 100, seed = 1, threads = num_threads();
  // What is not given follows from the schedule.
  std::optional<double> lr;
  std::optional<std::int64_t> shift;

  bool one_cycle() const { return schedule == "one-cycle"; }
  double learning_rate() const { return lr.value_or(one_cycle() ? 1e-2 : 1e-3); }
  std::int64_t shift_pixels() const { return shift.value_or(one_cycle() ? 1 : 0); }
};

// A module is an aggregate: its fields are its parameters, and their names are the names in files.

template <Device D>
struct Block {
  std::int64_t width;
  nn::Linear<D> fc1{width, width / 2};
  nn::BatchNorm1d<D> norm1{width / 2};
  nn::Dropout dropout{0.1};
  nn::Linear<D> fc2{width / 2, width};
  nn::BatchNorm1d<D> norm2{width};

  Tensor<D> operator()(const Tensor<D>& x) const {
    return relu(x + norm2(fc2(dropout(relu(norm1(fc1(x)))))));
  }
};

template <Device D>
struct MlpResNet {
  std::int64_t hidden = 100;
  nn::Linear<D> input{784, hidden};
  std::vector<Block<D>> blocks{Block<D>{hidden}, Block<D>{hidden}, Block<D>{hidden}};
  nn::Linear<D> output{hidden, 10};

  /// Pictures (n, 28, 28) of bytes to logits (n, 10).
  Tensor<D> operator()(const Tensor<D>& pictures) const {
    Tensor<D> x = relu(input(to_real(flatten(pictures, 1)) / 255));
    for (const Block<D>& block : blocks) x = block(x);
    return output(x);
  }
};

/// How many rows have their largest logit at their label.
template <Device D>
Tensor<D> hits(const Tensor<D>& logits, const Tensor<D>& labels) {
  return sum(argmax(logits, 1) == labels);
}

/// The share of a dataset that a model reads right, in percent.
template <Device D>
double test(MlpResNet<D>& model, const data::DataLoader<D>& loader) {
  no_grad guard;
  nn::eval<D>(model);
  std::int64_t right = 0;
  for (auto [x, y] : loader.epoch(0)) right += hits(model(x), y).template item<std::int32_t>();
  nn::train<D>(model);
  return 100.0 * static_cast<double>(right) / static_cast<double>(loader.items());
}

// A checkpoint is one safetensors file: the model under "model.", Adam under "adam.", and in its
// metadata the epoch, the place in the stream of random numbers and the options.

/// The options a run goes on with. Those of a file or a machine are its own in each run.
constexpr std::string_view kept_options[] = {"epochs", "batch", "seed", "schedule", "lr", "shift"};

template <Device D>
void save(const std::string& path, MlpResNet<D>& model, const optim::Adam<D>& adam,
          std::int64_t epoch, const Training& training) {
  io::Tensors<D> all;
  for (const auto& [name, tensor] : io::state_dict<D>(model)) all["model." + name] = tensor;
  for (const auto& [name, tensor] : adam.state_dict()) all["adam." + name] = tensor;
  io::save_tensors<D>(path, all,
                      {{"epoch", str(epoch)},
                       {"random", str(default_generator().offset)},
                       {"options.epochs", str(training.epochs)},
                       {"options.batch", str(training.batch)},
                       {"options.seed", str(training.seed)},
                       {"options.schedule", training.schedule},
                       {"options.lr", str(training.learning_rate())},
                       {"options.shift", str(training.shift_pixels())}});
}

/// Continues where a checkpoint was written; returns how many epochs it has.
template <Device D>
std::int64_t resume(const std::string& path, MlpResNet<D>& model, optim::Adam<D>& adam) {
  const io::Contents<D> file = io::load_tensors<D>(path);
  io::Tensors<D> parts[2];
  for (const auto& [name, tensor] : file.tensors) {
    const bool optimizer = name.starts_with("adam.");
    if (!optimizer && !name.starts_with("model.")) fail(path, ": unexpected: ", name);
    parts[optimizer][name.substr(name.find('.') + 1)] = tensor;
  }
  const auto note = [&](std::string_view key) {
    for (const auto& [name, value] : file.metadata) {
      if (name == key) return value;
    }
    fail(path, ": not a checkpoint of this program");
  };
  const std::string epoch = note("epoch"), random = note("random");
  io::load_state<D>(model, parts[0], path);
  adam.load_state(parts[1], path);
  default_generator().offset = examples::parse(random, 0ull, ~0ull, path + ": random");
  return examples::parse(epoch, std::int64_t{0}, std::int64_t{1} << 40, path + ": epoch");
}

/// Gives the options the values of a checkpoint, which may come from anybody: no others are taken.
void take_options(const std::string& path, const examples::Options& options) {
  for (const auto& [key, value] : io::read_safetensors(path).metadata) {
    if (!key.starts_with("options.")) continue;
    const std::string name = key.substr(8);
    if (std::ranges::find(kept_options, name) == std::end(kept_options)) {
      fail(path, ": --", name, " is no option that a checkpoint has");
    }
    try {
      options.set(name, value);
    } catch (const examples::UsageError& error) {
      fail(path, ": ", error.what());
    }
  }
}

/// Refuses a checkpoint's path before the training: does everything that writing it does, up to the
/// first byte.
void check_writable(const std::string& path) {
  struct NotYet {};
  try {
    io::write_file(path, [](io::FileWriter&) { throw NotYet{}; });
  } catch (const NotYet&) {
  }
}

template <Device D>
int train(const Training& training) {
  data::LoaderOptions options{
      .batch = training.batch, .shuffle = true, .seed = static_cast<std::uint64_t>(training.seed)};
  if (training.shift_pixels() > 0) {
    options.transform = data::RandomShift{static_cast<int>(training.shift_pixels())};
  }
  const data::DataLoader<D> train_set(data::mnist(training.data, true), options);
  const data::DataLoader<D> test_set(data::mnist(training.data, false), {.batch = 1000});
  if (train_set.items() % training.batch == 1) {
    throw examples::UsageError(text("--batch ", training.batch, ": the last of ", train_set.items(),
                                    " digits would be alone, and batch norm needs two; take "
                                    "another size"));
  }

  manual_seed(static_cast<std::uint64_t>(training.seed));
  MlpResNet<D> model;
  optim::Adam<D> adam(nn::parameters<D>(model),
                      {.lr = training.learning_rate(), .weight_decay = 1e-3});
  const std::int64_t first = training.resume.empty() ? 0 : resume<D>(training.resume, model, adam);
  const optim::OneCycle cycle{training.learning_rate(), training.epochs * train_set.batches()};
  std::printf("%lld parameters, %lld training and %lld test digits, device %s, %d threads\n",
              static_cast<long long>(nn::parameter_count<D>(model)),
              static_cast<long long>(train_set.items()), static_cast<long long>(test_set.items()),
              std::string(D::name).c_str(), num_threads());

  examples::Progress progress(training.epochs - first, train_set.items());
  double accuracy = 0;
  if (first >= training.epochs) {  // nothing is left to train
    accuracy = test<D>(model, test_set);
    if (!training.save.empty()) save<D>(training.save, model, adam, first, training);
  }
  for (std::int64_t epoch = first; epoch < training.epochs; ++epoch) {
    progress.begin_epoch();
    // Metrics are tensors too: they are added up where they are, and read only to be shown.
    Tensor<D> total_loss = zeros<D>({}), total_hits = zeros<D>({}, Dtype::int32);
    std::int64_t seen = 0, step = epoch * train_set.batches();
    const auto metrics = [&] {
      char text[80];
      const double n = static_cast<double>(seen);
      std::snprintf(text, sizeof text, "epoch %2lld/%lld  loss %.4f  accuracy %5.2f %%",
                    static_cast<long long>(epoch + 1), static_cast<long long>(training.epochs),
                    total_loss.template item<double>() / n,
                    100 * total_hits.template item<double>() / n);
      return std::string(text);
    };
    for (auto [x, y] : train_set.epoch(static_cast<std::uint64_t>(epoch))) {
      if (training.one_cycle()) {
        adam.options.lr = cycle.lr(step);
        adam.options.beta1 = cycle.momentum(step);
      }
      const Tensor<D> logits = model(x);
      const Tensor<D> loss = cross_entropy(logits, y);
      adam.zero_grad();
      loss.backward();
      adam.step();

      ++step, seen += x.shape(0);
      total_loss = total_loss + loss.detach() * x.shape(0);
      total_hits = total_hits + hits(logits.detach(), y);
      if (progress.add(x.shape(0))) progress.show(metrics());
    }
    realize(total_loss, total_hits);
    progress.stop_clock();
    accuracy = test<D>(model, test_set);
    if (!training.save.empty()) save<D>(training.save, model, adam, epoch + 1, training);
    char result[40];
    std::snprintf(result, sizeof result, "test %.2f %%", accuracy);
    progress.end_epoch(metrics(), result);
  }
  std::printf("%.2f %% of the test digits read right, after %.1f s\n", accuracy,
              progress.seconds());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run("04_mnist", [&] {
    Training training;
    examples::Options options(
        "Trains an MLP with residual blocks on MNIST and tests it after each epoch.");
    options.text("data", training.data, "folder with the four MNIST files, .gz or not");
    options.number("epochs", training.epochs, std::int64_t{1}, std::int64_t{100000},
                   "passes over the training set");
    options.number("batch", training.batch, std::int64_t{2}, std::int64_t{100000},
                   "digits a step; one alone must not be left for the last step");
    options.choice("schedule", training.schedule, {"constant", "one-cycle"},
                   "constant or one-cycle: the learning rate over the run");
    options.number("lr", training.lr, 1e-8, 10.0,
                   "Adam's learning rate, one-cycle's largest [constant 0.001, one-cycle 0.01]");
    options.number("shift", training.shift, std::int64_t{0}, std::int64_t{14},
                   "random shift of training digits in pixels [constant 0, one-cycle 1]");
    options.choice("device", training.device, {"cpu", "cuda"}, "cpu or cuda");
    options.number("seed", training.seed, std::int64_t{0}, std::int64_t{1} << 53,
                   "seed of all random numbers");
    options.number("threads", training.threads, std::int64_t{1}, std::int64_t{1024},
                   "threads on the CPU");
    options.text("save", training.save, "checkpoint to write after each epoch");
    options.text("resume", training.resume,
                 "checkpoint to continue, with its options unless given");
    options.parse(argc, argv);
    if (!training.resume.empty()) {
      take_options(training.resume, options);
      options.parse(argc, argv);
    }
    if (!io::exists(training.data)) {
      throw examples::UsageError("--data " + training.data +
                                 ": no such folder; give the one with the four MNIST files");
    }
    if (!training.save.empty()) check_writable(training.save);
    set_num_threads(static_cast<int>(training.threads));
    if (training.device == "cpu") return train<Cpu>(training);
#if defined(__CUDACC__)
    return train<Cuda>(training);
#else
    throw examples::UsageError(
        "--device cuda: this program was compiled without CUDA; configure "
        "with -DNEEDLE_CUDA=ON and build it again");
#endif
  });
}

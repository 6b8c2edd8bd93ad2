// Training steps (forward, cross entropy, zero_grad, backward, Adam) in turns with libtorch's.
//
// Two models: the MLP-ResNet of the MNIST example at batch 100, and an MLP so small that only
// overhead is left. Checked first: the loss starts where that of an untrained classifier does and
// falls, as libtorch's does, and the trained parameters have the same bits at one and two threads.
//
// Each line: microseconds of a step at best, and of Adam's part of it by itself; for the MLP-ResNet
// the matrix products' share of the measured peak, and our time over libtorch's (median of
// neighbouring runs, and of the minima). ATEN_CPU_CAPABILITY and NEEDLE_ISA lower the instructions
// that each side uses.
#include <cmath>
#include <cstring>
#include <needle/needle.hpp>

#include "rivals/torch.hpp"
#include "timing.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
using namespace needle;

namespace {

struct Block {
  std::int64_t width;
  nn::Linear<> fc1{width, width / 2};
  nn::BatchNorm1d<> norm1{width / 2};
  nn::Dropout dropout{0.1};
  nn::Linear<> fc2{width / 2, width};
  nn::BatchNorm1d<> norm2{width};

  Tensor<> operator()(const Tensor<>& x) const {
    return relu(x + norm2(fc2(dropout(relu(norm1(fc1(x)))))));
  }
};

struct MlpResNet {
  nn::Linear<> input{784, 100};
  std::vector<Block> blocks{Block{100}, Block{100}, Block{100}};
  nn::Linear<> output{100, 10};

  Tensor<> operator()(const Tensor<>& pictures) const {
    Tensor<> x = relu(input(pictures));
    for (const Block& block : blocks) x = block(x);
    return output(x);
  }
};

struct TinyMlp {
  nn::Linear<> fc1{16, 32}, fc2{32, 32}, fc3{32, 4};

  Tensor<> operator()(const Tensor<>& x) const { return fc3(relu(fc2(relu(fc1(x))))); }
};

/// A batch of made-up rows, with the labels in order.
struct Batch {
  std::int64_t rows, columns, classes;
  std::vector<float> x;
  std::vector<std::int64_t> labels;
  Batch(std::int64_t rows, std::int64_t columns, std::int64_t classes)
      : rows(rows), columns(columns), classes(classes) {
    std::uint32_t state = 1;
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      state = state * 1664525u + 1013904223u;
      x.push_back(static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
    }
    for (std::int64_t i = 0; i < rows; ++i) labels.push_back(i % classes);
  }
};

template <class Model>
class Ours final : public rival::Trainer {
 public:
  Ours(const Batch& batch, double weight_decay)
      : x_(batch.x, {batch.rows, batch.columns}),
        y_(std::vector<std::int32_t>(batch.labels.begin(), batch.labels.end()), {batch.rows}),
        adam_(nn::parameters(model_), {.lr = 1e-3, .weight_decay = weight_decay}) {}

  void step() override {
    loss_ = cross_entropy(model_(x_), y_);
    adam_.zero_grad();
    loss_.backward();
    adam_.step();
  }
  /// Adam's part of a step, with the gradients of the last one.
  void update() { adam_.step(); }
  double loss() const override { return loss_.item<double>(); }

  std::vector<float> parameters() const {
    std::vector<float> all;
    nn::for_each_parameter(model_, [&](const std::string&, const auto& parameter) {
      const std::vector<float> values = parameter->values();
      all.insert(all.end(), values.begin(), values.end());
    });
    return all;
  }

 private:
  Model model_;
  Tensor<> x_, y_, loss_;
  optim::Adam<> adam_;
};

/// Whether a loss starts near log(classes), stays finite, and has become less than half after 300
/// steps.
bool learns(rival::Trainer& trainer, const Batch& batch) {
  trainer.step();
  const double first = trainer.loss();
  for (int i = 0; i < 300; ++i) trainer.step();
  const double last = trainer.loss(), start = std::log(static_cast<double>(batch.classes));
  return std::fabs(first - start) < 0.5 * start && std::isfinite(last) && last < first / 2;
}

template <class Model>
std::vector<float> trained(const Batch& batch, double weight_decay, int threads) {
  set_num_threads(threads);
  manual_seed(7);
  Ours<Model> trainer(batch, weight_decay);
  for (int i = 0; i < 25; ++i) trainer.step();
  return trainer.parameters();
}

/// The multiply-adds of matrix products in a step of the MLP-ResNet; the gradient of the pictures
/// is not calculated.
constexpr double resnet_flops =
    2.0 * 100 * (3 * (784 * 100 + 3 * (2 * 100 * 50) + 100 * 10) - 784 * 100);

template <class Model>
void report(const char* name, const Batch& batch, double weight_decay, double flops,
            [[maybe_unused]] std::unique_ptr<rival::Trainer> rival, double required, double reach) {
  const std::vector<float> one = trained<Model>(batch, weight_decay, 1);
  const std::vector<float> two = trained<Model>(batch, weight_decay, 2);
  bench::require(std::memcmp(one.data(), two.data(), one.size() * sizeof(float)) == 0,
                 "the bits of parameters depend on the number of threads");
  manual_seed(7);
  Ours<Model> ours(batch, weight_decay);
  bench::require(learns(ours, batch), "needle's loss does not fall as it should");
  if (rival) bench::require(learns(*rival, batch), "libtorch's loss does not fall as it should");

  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    double best = 1e30;
    bench::Turns turns;
#if NEEDLE_BENCH_TORCH
    rival::torch_set_num_threads(threads);
    bench::Pace pace{.turns = 61, .least = 8e-3};
    if (threads > 1) {
      pace.clock = bench::now;
      pace.pause = std::chrono::milliseconds(15);
    }
    turns = bench::in_turns([&] { ours.step(); }, [&] { rival->step(); }, pace);
    best = turns.ours;
#else
    for (int i = 0; i < 31; ++i) {
      best = (std::min)(best, bench::seconds_per_call([&] { ours.step(); }, 20e-3));
    }
#endif
    double adam = 1e30;
    for (int i = 0; i < 9; ++i) {
      adam = (std::min)(adam, bench::seconds_per_call([&] { ours.update(); }));
    }
    std::printf("%-11s %d threads  %7.1f us (%6.0f steps/s, Adam %5.1f us)", name, threads,
                best * 1e6, 1 / best, adam * 1e6);
    if (flops > 0) {
      std::printf("  %5.1f %% of peak", 100e-9 * flops / best / threads / bench::fma_peak());
    }
    if (rival) {
      const double ratio = (std::max)(turns.median, turns.of_minima());
      std::printf("  libtorch %7.1f us  ratio %.3f (minima %.3f), required %.2f, reach %.2f %s",
                  turns.theirs * 1e6, turns.median, turns.of_minima(), required, reach,
                  ratio <= reach      ? ""
                  : ratio <= required ? "not reached"
                                      : "OVER");
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

}  // namespace

int main() {
#if defined(__GLIBC__) && NEEDLE_BENCH_TORCH
  // libtorch leaves memory to malloc, which by default hands large blocks back to the system at
  // every step, to be faulted in again at the next.
  mallopt(M_TOP_PAD, 256 << 20);
  mallopt(M_MMAP_MAX, 0);
#endif
  const Batch digits(100, 784, 10), rows(8, 16, 4);
  std::unique_ptr<rival::Trainer> resnet, tiny;
#if NEEDLE_BENCH_TORCH
  resnet = rival::torch_mlp_resnet(digits.x.data(), digits.labels.data());
  tiny = rival::torch_tiny_mlp(rows.x.data(), rows.labels.data());
#endif
  report<MlpResNet>("MLP-ResNet", digits, 1e-3, resnet_flops, std::move(resnet), 0.5, 0.38);
  report<TinyMlp>("tiny MLP", rows, 0, 0, std::move(tiny), 0.2, 0.1);
}

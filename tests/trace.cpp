#include "mlp_resnet.hpp"
#include "needle/data/loader.hpp"
#include "needle/data/mnist.hpp"
#include "needle/io/state.hpp"
#include "needle/ops/loss.hpp"
#include "needle/optim/adam.hpp"
#include "vectors.hpp"

using namespace needle;

// PyTorch trained the network for 60 steps on MNIST in file order; here the same steps are taken
// from the same weights. In double they agree to the ninth digit, in float as far as PyTorch agrees
// with itself over thread counts and kernels.
DEVICE_TEST_CASE("Training goes the way it goes in PyTorch") {
  constexpr bool wide = std::is_same_v<typename D::Real, double>;
  const std::string folder = NEEDLE_SHARED_DIR "/data/mnist";
  if (!vectors::present() || !io::exists(folder)) SKIP("no data in " << NEEDLE_SHARED_DIR);
#if !defined(NEEDLE_ZLIB) || !NEEDLE_ZLIB
  SKIP("compressed MNIST takes zlib");
#endif
  const io::Json& trace = vectors::manifest()["traces"][0];
  const io::Contents<Reference> file =
      io::load_tensors<Reference>(vectors::path_of(trace["file"].string()));
  const List losses = list(file.tensors.at("losses_f64")),
             tolerance = list(file.tensors.at("tolerance"));

  auto model = mlp_resnet<D>();
  CHECK(nn::parameter_count<D>(model) == trace["parameters"].integer());
  io::Tensors<D> start;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with("init/")) start[name.substr(5)] = tensor.template to<D>();
  }
  io::load_state<D>(model, start, "PyTorch's weights");

  optim::Adam<D> adam(nn::parameters<D>(model), {.weight_decay = 1e-3});
  const auto pixels = [](const Tensor<D>& x) { return to_real(flatten(x, 1)) / 255; };
  const data::DataLoader<D> train(data::mnist(folder, true), {.batch = 100});
  double worst = 0;
  std::size_t step = 0;
  for (auto [x, y] : train.epoch(0)) {
    if (step == losses.size()) break;
    const Tensor<D> loss = cross_entropy(model(pixels(x)), y);
    adam.zero_grad();
    loss.backward();
    adam.step();
    const double error = std::fabs(loss.template item<double>() - losses[step]);
    const double allowed = wide ? 1e-9 : tolerance[step];
    INFO("step " << step << ": " << loss.item() << ", in PyTorch " << losses[step]);
    CHECK(error <= allowed);
    worst = (std::max)(worst, error / allowed);
    ++step;
  }
  REQUIRE(step == 60);

  for (const auto& [name, tensor] : io::state_dict<D>(model)) {
    const io::Json& norm = trace["final_norms"][name];
    const double expected = norm["f64"].number();
    const double allowed =
        wide ? 1e-9 * (std::max)(1.0, expected) : 1e-5 * expected + 5 * norm["spread"].number();
    INFO("the norm of " << name);
    CHECK(std::fabs(sqrt(sum(square(tensor))).template item<double>() - expected) <= allowed);
  }

  nn::eval<D>(model);
  no_grad guard;
  int right = 0;
  const data::DataLoader<D> test(data::mnist(folder, false), {.batch = 1000});
  for (auto [x, y] : test.epoch(0)) {
    right += sum(argmax(model(pixels(x)), 1) == y).template item<std::int32_t>();
  }
  const io::Json& accuracy = trace["test_accuracy"];
  if (wide) {
    CHECK(right == std::lround(1e4 * accuracy["f64"].number()));
  } else {  // as near as PyTorch's own runs are to each other, a few pictures on the edge aside
    CHECK(right >= 1e4 * accuracy["reruns_min"].number() - 10);
    CHECK(right <= 1e4 * accuracy["reruns_max"].number() + 10);
  }
  UNSCOPED_INFO(std::string(D::name)
                << ": " << worst << " of the tolerance, " << right << " right");
  SUCCEED();
}

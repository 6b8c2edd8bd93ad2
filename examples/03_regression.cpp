// Regression: a module of your own, trained, saved and loaded.
//
//   03_regression
#include <cstdio>
#include <needle/needle.hpp>

#include "options.hpp"

using namespace needle;

/// y = w_0 + w_1 x + ... + w_degree x^degree.
///
/// A module is an aggregate with operator(): fields before the parameters are its hyper-parameters,
/// and fields of type Parameter are what optimizers train and files hold, under the field's name.
struct Polynomial {
  int degree = 3;
  nn::Parameter<> w{zeros({degree + 1})};

  Tensor<> operator()(const Tensor<>& x) const {
    Tensor<> y = (*w)[degree];
    for (int i = degree; i-- > 0;) y = y * x + (*w)[i];  // Horner's rule
    return y;
  }
};

int main(int argc, char** argv) {
  examples::no_options(argc, argv, "03_regression",
                       "Fits a polynomial to noisy points, saves it and loads it again.");
  // Noisy observations of y = 1 - 2 x + 3 x^3.
  manual_seed(1);
  const Tensor<> x = rand({200}, -1, 1);
  const Tensor<> y = 1 - 2 * x + 3 * pow(x, 3) + randn({200}, 0, 0.1);

  Polynomial model{.degree = 3};
  optim::SGD sgd(nn::parameters(model), {.lr = 0.2, .momentum = 0.9});
  for (int step = 0; step <= 200; ++step) {
    const Tensor<> loss = mse_loss(model(x), y);
    sgd.zero_grad();
    loss.backward();
    sgd.step();
    if (step % 40 == 0) std::printf("step %3d  loss %.5f\n", step, loss.item());
  }
  std::printf("w = %s, from 1, -2, 0, 3 and noise of variance 0.01\n", str(*model.w).c_str());

  // Files are safetensors: PyTorch, NumPy and JAX read them too.
  io::save("polynomial.safetensors", model);
  Polynomial loaded{.degree = 3};
  io::load("polynomial.safetensors", loaded);
  std::printf("%sat x = 0.5 the loaded model says %.4f, the curve is 0.375\n",
              nn::summary(loaded).c_str(), loaded(Tensor<>{0.5}).item());

  // A file that does not fit is refused before anything changes.
  try {
    Polynomial larger{.degree = 5};
    io::load("polynomial.safetensors", larger);
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
  }
  std::remove("polynomial.safetensors");
}

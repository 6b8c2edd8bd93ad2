#include <set>

#include "needle/nn/activation.hpp"
#include "needle/nn/any_module.hpp"
#include "needle/nn/batch_norm.hpp"
#include "needle/nn/container.hpp"
#include "needle/nn/linear.hpp"
#include "needle/ops/factory.hpp"
#include "needle/optim/adam.hpp"
#include "needle/optim/sgd.hpp"
#include "vectors.hpp"

using namespace needle;

namespace {

// Rules for one running value m, after gradients of 2.
struct ReadsOld {
  void operator()(const auto& number, auto& p, auto g, auto& m) const {
    const auto old = m;
    m = number(0.5) * m + g;
    p = p - number(0.25) * (m + old);
  }
};
struct Swaps {
  void operator()(const auto&, auto& p, auto g, auto& m) const {
    const auto old = m;
    m = p;
    p = old + g;
  }
};
struct Sets {
  void operator()(const auto& number, auto& p, auto, auto& m) const { m = number(3), p = p + m; }
};
struct LeavesAlone {
  void operator()(const auto&, auto& p, auto g, auto& m) const { p = p - g * (g + m); }
};

/// One step towards y = 1; returns the loss before it.
float trained(optim::SGD<>& opt, const Tensor<>& y) {
  const Tensor<> loss = sum(square(y - 1));
  opt.zero_grad();
  loss.backward();
  opt.step();
  return loss.item();
}

/// A module that cannot be assigned.
class Fixed {
 public:
  explicit Fixed(double value) : value_(value) {}
  Fixed(const Fixed&) = default;
  Fixed& operator=(const Fixed&) = delete;
  Tensor<> operator()(const Tensor<>& x) const { return x + value_; }
  void fields(auto&&) {}

 private:
  double value_;
};

struct Long {
  void operator()(const auto& number, auto& p, auto g) const {
    for (int i = 0; i < 20; ++i) p = p - number(0.001) * g / (number(2) + p * p);
  }
};
struct ManyNumbers {
  void operator()(const auto& number, auto& p, auto) const {
    for (int i = 0; i < 40; ++i) p = p + number(i);
  }
};

/// The last element of a parameter of n ones after two steps of a rule, and of m.
template <Device D, class Rule>
List after_two_steps(std::int64_t n, const Rule& rule) {
  const nn::Parameter<D> p(ones<D>({n}));
  optim::Optimizer<D> optimizer("test", {"m"}, {p.cell()});
  for (int i = 0; i < 2; ++i) {
    optimizer.zero_grad();
    sum(*p * 2).backward();
    optimizer.template update<1>([&](std::int64_t) { return rule; });
  }
  return {list(*p).back(), list(optimizer.state_dict().at("0.m")).back()};
}

/// A parameter whose next gradient is `gradient`.
template <Device D>
void feed(const nn::Parameter<D>& parameter, const Tensor<D>& gradient) {
  parameter.zero_grad();
  sum(*parameter * gradient).backward();
}

template <Device D>
std::vector<Ref<Cell<D>>> cells(const std::vector<nn::Parameter<D>>& parameters) {
  std::vector<Ref<Cell<D>>> result;
  for (const auto& parameter : parameters) result.push_back(parameter.cell());
  return result;
}

/// Follows the path that PyTorch's optimizer took, from its start and with its gradients.
template <Device D>
void follow(const vectors::Case& c, auto make_optimizer) {
  std::vector<nn::Parameter<D>> parameters;
  std::vector<Shape> shapes;
  const auto number = [](std::size_t i) { return "/" + str(i); };
  while (c.has("param" + number(shapes.size()))) {
    const std::string name = "param" + number(shapes.size());
    shapes.push_back(vectors::shape_of(c["tensors"][name]["shape"]));
    parameters.emplace_back(Tensor<D>(c.values(name), shapes.back()));
  }
  REQUIRE(shapes.size() == 3);
  auto optimizer = make_optimizer(cells(parameters));
  for (int t = 0; t < 10; ++t) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const List gradients = c.values("grads" + number(i));
      const auto at = gradients.begin() + t * shapes[i].size();
      feed(parameters[i], Tensor<D>(List(at, at + shapes[i].size()), shapes[i]));
    }
    optimizer.step();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const List path = c.values("traj" + number(i));
      const auto at = path.begin() + t * shapes[i].size();
      check::compare(c.name() + " parameter " + str(i) + " after step " + str(t + 1),
                     list(*parameters[i]), List(at, at + shapes[i].size()),
                     std::is_same_v<typename D::Real, double> ? 1e-12 : 1e-5);
    }
  }
}

/// One parameter of these numbers.
nn::Parameter<> parameter(const List& values) {
  return nn::Parameter<>(Tensor<>(values, {static_cast<std::int64_t>(values.size())}));
}

}  // namespace

DEVICE_TEST_CASE("Optimizers take the path that PyTorch's take") {
  using namespace vectors;
  if (!present()) SKIP("no vectors in " << path_of(""));
  const io::SafetensorsFile file = io::read_safetensors(path_of("optim.safetensors"));
  const std::set<std::string> later = {"adamw", "adagrad", "rmsprop"};
  int followed = 0;
  for (const Json& entry : manifest()["cases"].array()) {
    const Json* kind = entry.find("kind");
    if (!kind || kind->string() != "optimizer") continue;
    const Case c(entry, file);
    const auto option = [&](const char* name) { return c.attr(name).number(); };
    if (c.op() == "sgd") {
      follow<D>(c, [&](const auto& parameters) {
        return optim::SGD<D>(parameters, {.lr = option("lr"),
                                          .momentum = option("momentum"),
                                          .dampening = option("dampening"),
                                          .weight_decay = option("weight_decay"),
                                          .nesterov = c.attr("nesterov").boolean()});
      });
    } else if (c.op() == "adam") {
      follow<D>(c, [&](const auto& parameters) {
        return optim::Adam<D>(parameters, {.lr = option("lr"),
                                           .beta1 = c.attr("betas")[0].number(),
                                           .beta2 = c.attr("betas")[1].number(),
                                           .eps = option("eps"),
                                           .weight_decay = option("weight_decay")});
      });
    } else {
      INFO(c.op() << " is among the optimizers to come");
      CHECK(later.count(c.op()) == 1);
      continue;
    }
    ++followed;
  }
  CHECK(followed == 5);
}

DEVICE_TEST_CASE("SGD with all its options follows its formula") {
  for (const bool nesterov : {false, true}) {
    const nn::Parameter<D> p(Tensor<D>{1, -2});
    optim::SGD<D> sgd({p.cell()}, {.lr = 0.5,
                                   .momentum = 0.75,
                                   .dampening = nesterov ? 0 : 0.25,
                                   .weight_decay = 0.125,
                                   .nesterov = nesterov});
    List value{1, -2}, running(2);
    for (int t = 0; t < 4; ++t) {
      const List gradient{0.5 + t, -1};
      feed(p, Tensor<D>(gradient, {2}));
      sgd.step();
      for (std::size_t i = 0; i < 2; ++i) {
        const double g = gradient[i] + 0.125 * value[i];
        running[i] = t == 0 ? g : 0.75 * running[i] + (nesterov ? 1 : 0.75) * g;
        value[i] -= 0.5 * (nesterov ? g + 0.75 * running[i] : running[i]);
      }
      check::compare("step", list(*p), value, 1e-6);
    }
  }
}

DEVICE_TEST_CASE("Adam's weight decay is added to the gradient") {
  const nn::Parameter<D> p(Tensor<D>{4}), q(Tensor<D>{4});
  optim::Adam<D> decayed({p.cell()}, {.lr = 0.1, .weight_decay = 0.5}),
      plain({q.cell()}, {.lr = 0.1});
  for (int t = 0; t < 3; ++t) {
    feed(q, Tensor<D>{0.25 + 0.5 * q->item()});
    feed(p, Tensor<D>{0.25});
    decayed.step();
    plain.step();
    CHECK(p->item() == Approx(q->item()).epsilon(1e-6));
  }
}

TEST_CASE("A parameter without a gradient stays, and is not counted as updated") {
  const nn::Parameter<> p = parameter({1}), late = parameter({1}), alone = parameter({1});
  optim::Adam both({p.cell(), late.cell()}, {.lr = 0.1});
  for (int t = 0; t < 5; ++t) {
    feed(p, Tensor<>{1});
    both.step();
  }
  CHECK(late->item() == 1);
  // Its first step is a first step: as large as for an optimizer of its own.
  feed(late, Tensor<>{0.5});
  both.step();
  optim::Adam own({alone.cell()}, {.lr = 0.1});
  feed(alone, Tensor<>{0.5});
  own.step();
  CHECK(late->item() == alone->item());
  CHECK(late->item() == Approx(0.9));
}

TEST_CASE("A parameter that comes twice steps once") {
  const nn::Parameter<> p = parameter({1});
  optim::SGD sgd({p.cell(), p.cell()}, {.lr = 0.5});
  feed(p, Tensor<>{1});
  sgd.step();
  CHECK(p->item() == 0.5);
}

TEST_CASE(
    "A snapshot that is copied back goes on being trained, what replaces a parameter does not") {
  nn::Sequential model{nn::Linear<>{2, 3}, nn::BatchNorm1d<>{3}, nn::Linear<>{3, 1}};
  optim::SGD opt(nn::parameters(model), {.lr = 0.1});
  const Tensor<> x{{1, 2}, {3, -1}, {0, 1}};
  const auto step = [&] { return trained(opt, model(x)); };
  const auto best = model;
  const float first = step(), second = step();
  model = best;
  CHECK(step() == first);
  CHECK(step() == second);  // a step and a running mean were undone, not the training
  CHECK(list(*best.get<1>().running_mean) == List{0, 0, 0});

  model.get<0>().weight = nn::Parameter<>(ones({3, 2}));
  CHECK(refusal(step) ==
        "sgd: a parameter of shape (3, 2) is in no module any more; it was replaced after the "
        "optimizer was made, which assign() avoids");
}

TEST_CASE("A snapshot reaches what is inside of an AnyModule, where the types agree") {
  std::vector<nn::AnyModule<>> model{nn::Linear<>{2, 3}, nn::ReLU{}, nn::Linear<>{3, 1}};
  std::vector<Ref<Cell<Cpu>>> cells = nn::parameters(model[0]);
  for (const auto& cell : nn::parameters(model[2])) cells.push_back(cell);
  optim::SGD opt(cells, {.lr = 0.1});
  const Tensor<> x{{1, 2}, {3, -1}};
  const auto step = [&] { return trained(opt, model[2](model[1](model[0](x)))); };
  const auto best = model;
  const float first = step(), second = step();
  model = best;
  CHECK(step() == first);
  CHECK(step() == second);

  model[1] = nn::Linear<>{3, 3};  // of another type: the new one is held
  CHECK(nn::parameters(model[1]).size() == 2);
  model[1] = nn::AnyModule<>();
  CHECK(nn::parameters(model[1]).empty());
  model[1] = best[1];
  CHECK(list(model[1](Tensor<>{0})) == List{0});
  nn::AnyModule<> a = Fixed(1), b = Fixed(2);
  a = std::as_const(b);
  CHECK(list(a(Tensor<>{1})) == List{3});
}

TEST_CASE("Options may change between steps, momentum from none and back too") {
  const nn::Parameter<> p = parameter({0});
  optim::SGD sgd({p.cell()}, {.lr = 1});
  const auto step = [&] {
    const float before = p->item();
    feed(p, Tensor<>{1});
    sgd.step();
    return before - p->item();
  };
  CHECK(step() == 1);
  sgd.options.lr = 0.5;
  CHECK(step() == 0.5);
  sgd.options.momentum = 0.5;
  CHECK(step() == 0.5);   // its first: the gradient alone
  CHECK(step() == 0.75);  // 0.5 of it is kept
  sgd.options.momentum = 0;
  CHECK(step() == 0.5);
}

TEST_CASE("Sizes that fill no vector, and views as gradients, are updated to the last element") {
  for (const std::int64_t n : {1, 7, 15, 16, 17, 511, 513, 20000}) {
    const nn::Parameter<> p(zeros({n})), q(zeros({n, 3}));
    optim::SGD sgd({p.cell(), q.cell()}, {.lr = 1, .momentum = 0.5});
    for (int t = 0; t < 2; ++t) {
      sgd.zero_grad();
      const Tensor<> rows = arange(n);
      (sum(*p * rows) + sum(transpose(*q) * rows)).backward();
      sgd.step();
    }
    float worst = 0;
    const std::vector<float> values = p->values(), matrix = q->values();
    for (std::size_t i = 0; i < values.size(); ++i) {
      worst = (std::max)(worst, std::fabs(values[i] + 2.5f * static_cast<float>(i)));
      worst = (std::max)(worst, std::fabs(matrix[3 * i + 2] + 2.5f * static_cast<float>(i)));
    }
    CHECK(worst == 0);
  }
}

TEST_CASE("A saved optimizer goes on as the one that was never stopped") {
  const nn::Parameter<> p = parameter({1, 2, 3}), q = parameter({1, 2, 3}), idle = parameter({0});
  const auto resumed = [&](auto first, auto second) {
    p.assign(Tensor<>{1, 2, 3});
    for (int t = 0; t < 3; ++t) feed(p, Tensor<>{0.5, -1, 2}), first.step();
    q.assign(*p);
    second.load_state(first.state_dict());
    for (int t = 0; t < 3; ++t) {
      feed(p, Tensor<>{1, 1, -1}), first.step();
      feed(q, Tensor<>{1, 1, -1}), second.step();
    }
    CHECK(p->values() == q->values());
    CHECK(p->values() != std::vector<float>{1, 2, 3});
  };
  resumed(optim::Adam({p.cell(), idle.cell()}, {.lr = 0.1}),
          optim::Adam({q.cell(), idle.cell()}, {.lr = 0.1}));
  resumed(optim::SGD({p.cell(), idle.cell()}, {.lr = 0.1, .momentum = 0.9}),
          optim::SGD({q.cell(), idle.cell()}, {.lr = 0.1, .momentum = 0.9}));
  resumed(optim::SGD({p.cell()}, {.lr = 0.1}), optim::SGD({q.cell()}, {.lr = 0.1}));
}

TEST_CASE("A saved state does not change when training goes on") {
  const nn::Parameter<> p = parameter({1});
  optim::Adam adam({p.cell()});
  feed(p, Tensor<>{1});
  adam.step();
  const auto state = adam.state_dict();
  const float before = state.at("0.exp_avg").item();
  adam.step();
  CHECK(state.at("0.exp_avg").item() == before);
  optim::Adam other({p.cell()});
  other.load_state(state);
  other.step();
  CHECK(state.at("0.exp_avg").item() == before);
  CHECK(state.at("0.step").item<std::int32_t>() == 1);
}

TEST_CASE("A state that does not fit is refused in one message, and nothing changes") {
  const nn::Parameter<> p = parameter({1, 2}), q = parameter({3});
  optim::Adam adam({p.cell(), q.cell()});
  feed(p, Tensor<>{1, 1});
  adam.step();
  const auto good = adam.state_dict();
  CHECK(good.size() == 4);  // two steps, and the running values of p
  auto bad = good;
  bad.erase("1.step");
  bad["0.exp_avg"] = zeros({3});
  bad["0.exp_avg_sq"] = {};
  CHECK(refusal([&] { adam.load_state(bad); }) ==
        "adam: the state does not fit:\n"
        "  0.exp_avg is (3,) of float32, expected (2,) of float32\n"
        "  empty: 0.exp_avg_sq (2,)\n"
        "  missing: 1.step ()");
  bad = good;
  bad["1.step"] = full({}, -3, Dtype::int32);
  CHECK(refusal([&] { adam.load_state(bad, "a.safetensors"); }) ==
        "adam: a.safetensors does not fit:\n  1.step is -3, expected 0 or more");
  bad = good;
  bad["0.momentum_buffer"] = zeros({2});
  CHECK(refusal([&] { adam.load_state(bad); }) ==
        "adam: the state does not fit:\n  unexpected: 0.momentum_buffer (2,)");
  bad["0.momentum_buffer"] = {};
  CHECK(refusal([&] { adam.load_state(bad); }) ==
        "adam: the state does not fit:\n  unexpected: 0.momentum_buffer");
  std::vector<Ref<Cell<Cpu>>> ten;
  for (int i = 0; i < 10; ++i) ten.push_back(parameter({1}).cell());
  CHECK_THAT(refusal([&] { optim::Adam(ten).load_state({}); }),
             Catch::Matchers::EndsWith("\n  missing: 7.step ()\n  and 2 more"));
  const auto after = adam.state_dict();
  REQUIRE(after.size() == good.size());
  for (const auto& [name, value] : good) CHECK(list(after.at(name)) == list(value));
}

TEST_CASE("Options out of range are refused, at once and when they are changed") {
  const nn::Parameter<> p = parameter({1});
  const std::vector<Ref<Cell<Cpu>>> one{p.cell()};
  CHECK(refusal([&] { optim::Adam(one, {.lr = 0.1, .beta1 = 1}); }) ==
        "adam: a beta1 of 1; it must lie in [0, 1)");
  CHECK(refusal([&] { optim::Adam(one, {.lr = -1}); }) ==
        "adam: a lr of -1; it must lie in [0, inf)");
  CHECK(refusal([&] { optim::SGD(one, {.weight_decay = NAN}); }) ==
        "sgd: a weight_decay of nan; it must lie in [0, inf)");
  CHECK(refusal([&] { optim::SGD(one, {.momentum = 0.9, .dampening = NAN}); }) ==
        "sgd: a dampening of nan; it must lie in [0, inf)");
  CHECK(refusal([&] { optim::SGD(one, {.momentum = NAN}); }) ==
        "sgd: a momentum of nan; it must lie in [0, inf)");
  CHECK(refusal([&] { optim::SGD(one, {.nesterov = true}); }) ==
        "sgd: nesterov takes a momentum above 0 and no dampening; got momentum 0, dampening 0");
  CHECK(refusal([&] { optim::SGD<Cpu>(std::vector<Ref<Cell<Cpu>>>{}); }) ==
        "sgd: there are no parameters to train");
  CHECK(refusal([&] { optim::Adam<Cpu>({nn::Parameter<>().cell()}); }) ==
        "adam: one of the parameters has no value");
  optim::Adam adam(one);
  adam.options.beta2 = 2;
  feed(p, Tensor<>{1});
  CHECK(refusal([&] { adam.step(); }) == "adam: a beta2 of 2; it must lie in [0, 1)");
  CHECK(p->item() == 1);
}

DEVICE_TEST_CASE("A rule may read what was before it, swap values, set them and leave them alone") {
  for (const std::int64_t n : {1, 300, 3000}) {
    INFO(n << " elements");
    CHECK(after_two_steps<D>(n, ReadsOld{}) == List{1 - 0.25 * 2 - 0.25 * (3 + 2), 3});
    CHECK(after_two_steps<D>(n, Swaps{}) == List{3, 2});
    CHECK(after_two_steps<D>(n, Sets{}) == List{7, 3});
    CHECK(after_two_steps<D>(n, LeavesAlone{}) == List{1 - 4 - 4, 0});
  }
}

DEVICE_TEST_CASE("The check for NaN finds the step that makes an infinity of a parameter") {
  const nn::Parameter<D> p(Tensor<D>{1, 2});
  optim::SGD<D> sgd({p.cell()}, {.lr = 1e300});
  sum(*p * Tensor<D>{1e10, 0}).backward();
  const Setting check(settings.check_nan, true);
  CHECK(refusal([&] { sgd.step(); }) ==
        "sgd: made -inf in a parameter of shape (2,) (NEEDLE_CHECK_NAN)");
}

TEST_CASE("A rule that cannot be made has counted no step") {
  const nn::Parameter<> p = parameter({2});
  optim::Optimizer<Cpu> optimizer("test", {"m"}, {p.cell()});
  feed(p, Tensor<>{1});
  CHECK(refusal([&] {
          optimizer.update<1>([](std::int64_t t) -> LeavesAlone { fail("no rule for ", t); });
        }) == "no rule for 1");
  CHECK(optimizer.state_dict().at("0.step").item<std::int32_t>() == 0);
  CHECK(p->item() == 2);
}

TEST_CASE("A rule that is too long, or has more running values than names, is refused") {
  const nn::Parameter<> p = parameter({2});
  const auto feed_and_step = [&]<std::size_t count>(auto rule, std::vector<std::string> names) {
    optim::Optimizer<Cpu> optimizer("test", std::move(names), {p.cell()});
    feed(p, Tensor<>{1, 2});
    return refusal([&] { optimizer.update<count>([&](std::int64_t) { return rule; }); });
  };
  CHECK(feed_and_step.operator()<0>(Long{}, {}) ==
        "optim: a rule of more than 48 steps; that is what a program holds");
  CHECK(feed_and_step.operator()<0>(ManyNumbers{}, {}) == "optim: a rule of more than 32 numbers");
  CHECK(feed_and_step.operator()<1>(LeavesAlone{}, {}) ==
        "test: a rule of 1 running values, of which 0 have names");
  CHECK(refusal([&] {
          optim::Optimizer<Cpu>("test", {"m", "m"}, {p.cell()});
        }) == "test: two running values named m (\"step\" is one already)");
}

DEVICE_TEST_CASE("A state of another dtype is refused") {
  const nn::Parameter<D> p(Tensor<D>{1, 2});
  optim::Adam<D> adam({p.cell()});
  std::map<std::string, Tensor<D>> state{{"0.step", Tensor<D>(std::vector<std::int32_t>{1}, {})},
                                         {"0.exp_avg", ints<D>({1, 2})},
                                         {"0.exp_avg_sq", Tensor<D>{1, 2}}};
  CHECK(refusal([&] { adam.load_state(state); }) ==
        "adam: the state does not fit:\n  0.exp_avg is "
        "(2,) of int32, expected (2,) of " +
            str(real<D>));
}

TEST_CASE("Options are refused in step() too, and nesterov with dampening") {
  const nn::Parameter<> p(Tensor<>{1});
  const std::vector<Ref<Cell<Cpu>>> one{p.cell()};
  CHECK(refusal([&] { optim::SGD(one, {.momentum = 0.5, .dampening = 0.5, .nesterov = true}); }) ==
        "sgd: nesterov takes a momentum above 0 and no dampening; got momentum 0.5, dampening 0.5");
  CHECK(refusal([&] { optim::Adam(one, {.eps = -1}); }) ==
        "adam: a eps of -1; it must lie in [0, inf)");
  optim::SGD sgd(one);
  sgd.options.lr = NAN;
  sum(*p).backward();
  CHECK(refusal([&] { sgd.step(); }) == "sgd: a lr of nan; it must lie in [0, inf)");
  CHECK(p->item() == 1);
}

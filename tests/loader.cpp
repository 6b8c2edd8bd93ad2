#include "needle/data/loader.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>

#if defined(__GLIBC__)
#include <pthread.h>
#endif

#include "check.hpp"

using namespace needle;
using data::DataLoader;
using data::LoaderOptions;
using data::TensorDataset;

namespace {

/// Items (i, 10 i) with labels i.
TensorDataset items(std::int64_t n) {
  const Tensor<Cpu> y = arange<Cpu>(n, Dtype::int32);
  return {concat({reshape(y, {n, 1}), reshape(y * 10, {n, 1})}, 1), y};
}

/// `n` pictures of 4 x 4 bytes, picture i full of i.
TensorDataset pictures(std::int64_t n) {
  std::vector<std::uint8_t> x;
  for (std::int64_t i = 0; i < n; ++i) x.insert(x.end(), 16, static_cast<std::uint8_t>(i));
  return {Tensor<Cpu>(x, {n, 4, 4}), arange<Cpu>(n, Dtype::int32)};
}

/// The labels of an epoch, batch by batch.
template <Device D = Cpu>
std::vector<List> labels(const DataLoader<D>& loader, std::uint64_t epoch, std::int64_t first = 0) {
  std::vector<List> batches;
  for (auto [x, y] : loader.epoch(epoch, first)) {
    batches.push_back(list(y));
    CHECK(x.shape(0) == y.shape(0));
  }
  return batches;
}

/// The pixels of an epoch.
List pixels(const DataLoader<Cpu>& loader, std::uint64_t epoch) {
  List all;
  for (auto [x, y] : loader.epoch(epoch)) {
    const List some = list(x);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

List joined(const std::vector<List>& batches) {
  List all;
  for (const List& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

}  // namespace

DEVICE_TEST_CASE(
    "Items come in order, rows of x with their rows of y, the last batch what is left") {
  const DataLoader<D> loader(items(5), {.batch = 2});
  CHECK(loader.batches() == 3);
  CHECK(loader.items() == 5);
  CHECK(labels(loader, 0) == std::vector<List>{{0, 1}, {2, 3}, {4}});
  std::vector<List> rows;
  for (auto [x, y] : loader.epoch(0)) rows.push_back(list(x));
  CHECK(rows == std::vector<List>{{0, 0, 1, 10}, {2, 20, 3, 30}, {4, 40}});
}

TEST_CASE("A last batch that is not full can be left out") {
  CHECK(labels(DataLoader(items(5), {.batch = 2, .drop_last = true}), 0) ==
        std::vector<List>{{0, 1}, {2, 3}});
  CHECK(DataLoader(items(4), {.batch = 2, .drop_last = true}).batches() == 2);
  CHECK(DataLoader(items(4), {.batch = 5, .drop_last = true}).batches() == 0);
  CHECK(labels(DataLoader(items(4), {.batch = 5, .drop_last = true}), 0).empty());
}

TEST_CASE("An epoch has every item once, in an order that seed and epoch fix") {
  const auto order = [](std::uint64_t seed, std::uint64_t epoch) {
    const LoaderOptions options{.batch = 7, .shuffle = true, .seed = seed};
    return joined(labels(DataLoader(items(3000), options), epoch));
  };
  const List first = order(1, 0), again = order(1, 0);
  CHECK(first == again);
  CHECK(first != order(1, 1));
  CHECK(first != order(2, 0));
  List sorted = first, all = list(arange(3000));
  CHECK(first != all);
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == all);
}

TEST_CASE("Shuffled items stay about where they were as often as chance has it") {
  int fixed = 0;
  for (std::uint64_t epoch = 0; epoch < 100; ++epoch) {
    const List order =
        joined(labels(DataLoader(items(100), {.shuffle = true, .workers = 0}), epoch));
    for (std::size_t i = 0; i < order.size(); ++i) fixed += order[i] == static_cast<double>(i);
  }
  CHECK(fixed == Approx(100).margin(50));  // 1 in each epoch, 5 standard deviations
}

TEST_CASE("Batches are the same for any number of workers") {
  const auto epoch = [](int workers) {
    const LoaderOptions options{.batch = 3,
                                .shuffle = true,
                                .seed = 5,
                                .workers = workers,
                                .transform = data::RandomShift{2}};
    return pixels(DataLoader(pictures(50), options), 4);
  };
  const List alone = epoch(0);
  CHECK(alone.size() == 800);
  for (const int workers : {1, 2, 3, 16, 40}) CHECK(epoch(workers) == alone);
}

#if defined(__GLIBC__)
TEST_CASE("Where the system gives no threads, batches are prepared all the same") {
  const DataLoader loader(items(20), {.batch = 3, .shuffle = true, .workers = 2});
  const auto expected = labels(loader, 1);
  pthread_attr_t usual, impossible;
  REQUIRE(pthread_getattr_default_np(&usual) == 0);
  REQUIRE(pthread_attr_init(&impossible) == 0);
  REQUIRE(pthread_attr_setstacksize(&impossible, std::size_t{1} << 52) == 0);
  REQUIRE(pthread_setattr_default_np(&impossible) == 0);
  CHECK_THROWS_AS(std::thread([] {}), std::system_error);
  std::vector<List> batches;
  for (auto [x, y] : loader.epoch(1)) batches.push_back(list(y));
  CHECK(pthread_setattr_default_np(&usual) == 0);
  CHECK(batches == expected);
}
#endif

TEST_CASE("An epoch may begin at any batch and goes on as the whole one does") {
  for (const int workers : {0, 1, 3}) {
    const LoaderOptions options{.batch = 3, .shuffle = true, .seed = 5, .workers = workers};
    const DataLoader loader(items(20), options);
    const std::vector<List> whole = labels(loader, 2);
    for (std::int64_t first = 0; first <= 7; ++first) {
      CHECK(labels(loader, 2, first) == std::vector<List>(whole.begin() + first, whole.end()));
    }
  }
  const DataLoader loader(items(20), {.batch = 3});
  CHECK(refusal([&] { loader.epoch(0, 8); }) ==
        "data loader: an epoch of 7 batches cannot begin at batch 8");
  CHECK(refusal([&] { loader.epoch(0, -1); }) ==
        "data loader: an epoch of 7 batches cannot begin at batch -1");
}

TEST_CASE("An exception in a transform reaches the loop, in its turn") {
  for (const int workers : {0, 1, 3}) {
    const auto fails_at_13 = [](std::uint8_t* item, const Shape&, data::ItemRandom&) {
      if (*item == 13) throw std::runtime_error("item 13");
    };
    const DataLoader loader(pictures(40),
                            {.batch = 2, .workers = workers, .transform = fails_at_13});
    std::vector<List> seen;
    std::string message;
    try {
      for (auto [x, y] : loader.epoch(0)) seen.push_back(list(y));
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == "item 13");
    CHECK(seen.size() == 6);
    std::atomic<bool> failed = false;  // once, so that trying again would succeed
    const auto fails_once = [&](std::uint8_t* item, const Shape&, data::ItemRandom&) {
      if (*item == 13 && !failed.exchange(true)) throw std::runtime_error("item 13");
    };
    const DataLoader once(pictures(40), {.batch = 2, .workers = workers, .transform = fails_once});
    auto pass = once.epoch(0, 6);
    for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(pass.next(), "item 13");
  }
}

TEST_CASE("A loop may be left at any batch, and the loader used again") {
  for (const int workers : {0, 1, 4}) {
    std::atomic<int> prepared = 0;
    const auto slow = [&](std::uint8_t*, const Shape&, data::ItemRandom&) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      ++prepared;
    };
    const DataLoader loader(pictures(200), {.batch = 2, .workers = workers, .transform = slow});
    for (int stop = 0; stop < 5; ++stop) {
      int batches = 0;
      for (auto [x, y] : loader.epoch(0)) {
        if (batches++ == stop) break;
      }
      CHECK(batches == stop + 1);
    }
    CHECK(prepared < 5 * 200);
    CHECK(labels(loader, 0).size() == 100);
    loader.epoch(0);  // never asked for anything
  }
}

TEST_CASE("Two epochs of a loader may run at once") {
  const DataLoader loader(items(10), {.batch = 2, .shuffle = true});
  auto a = loader.epoch(0), b = loader.epoch(1);
  std::vector<List> from_a, from_b;
  while (auto batch = a.next()) {
    from_a.push_back(list(batch->y));
    from_b.push_back(list(b.next()->y));
  }
  CHECK(from_a == labels(loader, 0));
  CHECK(from_b == labels(loader, 1));
  CHECK(!a.next());
  CHECK(!b.next());
}

TEST_CASE("An epoch may outlive its loader and its dataset") {
  std::vector<List> batches;
  for (auto [x, y] : DataLoader(items(3), {.batch = 2}).epoch(0)) batches.push_back(list(y));
  CHECK(batches == std::vector<List>{{0, 1}, {2}});
}

TEST_CASE("The dataset itself is never changed") {
  const TensorDataset dataset = pictures(3);
  const auto invert = [](std::uint8_t* item, const Shape& shape, data::ItemRandom&) {
    for (std::int64_t i = 0; i < shape.size(); ++i)
      item[i] = static_cast<std::uint8_t>(255 - item[i]);
  };
  const List before = list(dataset.x);
  const DataLoader loader(dataset, {.transform = invert});
  CHECK(pixels(loader, 0)[0] == 255);
  CHECK(pixels(loader, 1)[0] == 255);
  CHECK(list(dataset.x) == before);
}

TEST_CASE("Views as datasets, empty ones, and items without elements are loaded") {
  const TensorDataset some = data::first(items(10), 3);
  CHECK(joined(labels(DataLoader(some, {.batch = 2}), 0)) == List{0, 1, 2});
  CHECK(data::first(items(10), 30).size() == 10);
  CHECK(refusal([] { data::first(items(10), -1); }) ==
        "first: -1 items of a dataset; it takes 0 or more");
  const TensorDataset turned{transpose(reshape(arange<Cpu>(6, Dtype::int32), {2, 3})),
                             arange<Cpu>(3, Dtype::int32)};
  List rows;
  for (auto [x, y] : DataLoader(turned, {.batch = 2}).epoch(0)) {
    for (const double value : list(x)) rows.push_back(value);
  }
  CHECK(rows == List{0, 3, 1, 4, 2, 5});
  CHECK(labels(DataLoader(items(0), {.shuffle = true}), 0).empty());
  CHECK(DataLoader(items(0)).batches() == 0);
  const TensorDataset hollow{zeros<Cpu>({3, 0}, Dtype::uint8), arange<Cpu>(3, Dtype::int32)};
  const DataLoader loader(hollow, {.batch = 2, .transform = data::RandomShift{0}});
  CHECK_THAT(refusal([&] { labels(loader, 0); }),
             Catch::Matchers::ContainsSubstring("an item of shape (0,) has no rows"));
  CHECK(joined(labels(DataLoader(hollow, {.batch = 2}), 0)) == List{0, 1, 2});
}

TEST_CASE("A loader refuses what cannot be loaded") {
  CHECK(refusal([] {
          DataLoader({ones<Cpu>({3, 2}), ones<Cpu>({2})});
        }) == "data loader: x (3, 2) and y (2,) do not hold the same number of items");
  CHECK(refusal([] {
          DataLoader({ones<Cpu>({}), ones<Cpu>({})});
        }) == "data loader: x () and y () do not hold the same number of items");
  CHECK(refusal([] {
          DataLoader({ones<Cpu>({3}), {}});
        }) ==
        "data loader: an empty tensor as y of the dataset; it takes the examples and their "
        "labels");
  CHECK(refusal([] { DataLoader(items(3), {.batch = 0}); }) ==
        "data loader: a batch of 0; it takes 1 or more");
  CHECK(refusal([] { DataLoader(items(3), {.workers = -1}); }) ==
        "data loader: -1 workers; it takes 0 or more");
  CHECK(refusal([] { DataLoader(items(3), {.transform = data::RandomShift{1}}); }) ==
        "data loader: a transform of int32 items; it takes uint8");
}

TEST_CASE("Two items come in either order") {
  const data::DataLoader loader({arange<Cpu>(2), arange<Cpu>(2)}, {.batch = 2, .shuffle = true});
  int turned = 0;
  for (int epoch = 0; epoch < 100; ++epoch)
    for (auto [x, y] : loader.epoch(epoch)) turned += list(x) == List{1, 0};
  CHECK(turned > 30);
  CHECK(turned < 70);
}

TEST_CASE("Each item of each epoch is transformed by numbers of its own") {
  const auto draw = [](std::uint8_t* item, const Shape& shape, data::ItemRandom& random) {
    for (std::int64_t i = 0; i < shape.size(); ++i)
      item[i] = static_cast<std::uint8_t>(random.next(256));
  };
  const Tensor<Cpu> x(std::vector<std::uint8_t>(20 * 16), {20, 16});
  const data::DataLoader loader({x, arange<Cpu>(20)}, {.batch = 20, .transform = draw});
  std::vector<List> seen;
  for (int epoch = 0; epoch < 2; ++epoch)
    for (auto [pictures, y] : loader.epoch(epoch))
      for (int i = 0; i < 20; ++i) seen.push_back(list(pictures[i]));
  std::sort(seen.begin(), seen.end());
  CHECK(seen.size() == 40);
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("The order of a shuffled epoch is fixed by the seed, in all versions") {
  const data::DataLoader loader({arange<Cpu>(8), arange<Cpu>(8)},
                                {.batch = 8, .shuffle = true, .seed = 1});
  for (auto [x, y] : loader.epoch(3)) CHECK(list(x) == List{0, 7, 3, 4, 6, 2, 5, 1});
}

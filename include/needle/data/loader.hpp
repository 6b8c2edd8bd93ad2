// Batches of a dataset, prepared ahead by threads, in an order that a seed fixes.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "needle/data/dataset.hpp"
#include "needle/data/transform.hpp"
#include "needle/graph/parameter.hpp"

namespace needle::data {

/// Options of `DataLoader`.
struct LoaderOptions {
  std::int64_t batch = 100;
  bool shuffle = false;
  std::uint64_t seed = 0;
  /// Whether a last batch that is not full is left out.
  bool drop_last = false;
  /// Threads that prepare batches ahead; 0 prepares each when it is asked for. Results do not depend on it.
  int workers = 1;
  /// Changes one uint8 item in place: `RandomShift{2}`, or a function of (item, its shape, ItemRandom&).
  std::function<void(std::uint8_t*, const Shape&, ItemRandom&)> transform = {};
};

/// Some items: x (batch, ...), y (batch, ...), with the dtypes of the dataset.
template <Device D>
struct Batch {
  Tensor<D> x, y;
};

/// `for (auto [x, y] : loader.epoch(3))`: every item once, shuffled anew in each epoch.
template <Device D = DefaultDevice>
class DataLoader {
 public:
  DataLoader(TensorDataset dataset, LoaderOptions options)
      : dataset_(std::move(dataset)), options_(std::move(options)) {
    const Shape &x = dataset_.x.shape(), &y = dataset_.y.shape();
    if (x.ndim() == 0 || y.ndim() == 0 || x[0] != y[0]) {
      fail("data loader: x ", x, " and y ", y, " do not hold the same number of items");
    }
    if (options_.batch < 1) fail("data loader: a batch of ", options_.batch, "; it takes at least 1");
    if (options_.workers < 0) fail("data loader: ", options_.workers, " workers; 0 is none");
    if (options_.transform && dataset_.x.dtype() != Dtype::uint8) {
      fail("data loader: a transform of ", dataset_.x.dtype(), " items; it takes uint8");
    }
    for (Tensor<Cpu>* part : {&dataset_.x, &dataset_.y}) *part = Tensor<Cpu>(detail::own_array(*part));
  }

  /// How many batches an epoch has.
  std::int64_t batches() const {
    const std::int64_t n = dataset_.size(), batch = options_.batch;
    return options_.drop_last ? n / batch : (n + batch - 1) / batch;
  }
  std::int64_t items() const { return dataset_.size(); }

  /// One pass over the dataset; its order and transforms follow from the seed and this number.
  class Epoch;
  Epoch epoch(std::uint64_t number) const { return Epoch(*this, number); }

 private:
  /// The bytes of a batch before they go to the device.
  struct Prepared {
    Array<Cpu> x, y;
  };

  std::vector<std::int64_t> order(std::uint64_t epoch) const {
    std::vector<std::int64_t> items(static_cast<std::size_t>(dataset_.size()));
    for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<std::int64_t>(i);
    if (!options_.shuffle) return items;
    ItemRandom random(options_.seed, epoch, ~std::uint64_t{0} >> 8);
    for (std::size_t i = items.size(); i > 1; --i) {  // Fisher and Yates
      std::swap(items[i - 1], items[random.next(static_cast<std::uint32_t>(i))]);
    }
    return items;
  }

  static Array<Cpu> rows(const Tensor<Cpu>& from, std::span<const std::int64_t> items) {
    const Array<Cpu>& source = from.node().value;
    Shape shape = source.shape;
    shape[0] = static_cast<std::int64_t>(items.size());
    Array<Cpu> to(shape, source.dtype);
    const std::size_t bytes = static_cast<std::size_t>(source.shape[0] ? source.size() / source.shape[0] : 0) *
                              item_bytes(source.dtype);
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::memcpy(static_cast<std::byte*>(to.storage->data) + i * bytes,
                  static_cast<const std::byte*>(source.storage->data) +
                      static_cast<std::size_t>(items[i]) * bytes,
                  bytes);
    }
    return to;
  }

  Prepared prepare(std::span<const std::int64_t> items, std::uint64_t epoch) const {
    Prepared batch{rows(dataset_.x, items), rows(dataset_.y, items)};
    if (options_.transform) {
      Shape shape = batch.x.shape;
      shape.erase(0);
      for (std::size_t i = 0; i < items.size(); ++i) {
        ItemRandom random(options_.seed, epoch, static_cast<std::uint64_t>(items[i]));
        options_.transform(batch.x.template data<std::uint8_t>() + static_cast<std::int64_t>(i) * shape.size(),
                           shape, random);
      }
    }
    return batch;
  }

  static Tensor<D> on_device(const Array<Cpu>& array) {
    const Tensor<Cpu> host(array);
    if constexpr (std::same_as<D, Cpu>) return host;
    else return host.to<D>();
  }

  TensorDataset dataset_;
  LoaderOptions options_;
};

/// A running pass: batch i is prepared by worker i modulo their number, and handed out in order.
template <Device D>
class DataLoader<D>::Epoch {
 public:
  Epoch(const DataLoader& loader, std::uint64_t number)
      : loader_(loader), number_(number), order_(loader.order(number)) {
    const int workers = static_cast<int>((std::min)(std::int64_t{loader.options_.workers}, loader.batches()));
    slots_.resize(static_cast<std::size_t>(2 * workers));
    for (int w = 0; w < workers; ++w) threads_.emplace_back([this, w, workers] { work(w, workers); });
  }
  Epoch(const Epoch&) = delete;
  ~Epoch() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  struct End {};
  /// Moves through the batches once.
  class Iterator {
   public:
    explicit Iterator(Epoch& epoch) : epoch_(&epoch) {}
    Batch<D> operator*() const { return epoch_->get(); }
    Iterator& operator++() {
      ++epoch_->next_;
      return *this;
    }
    bool operator!=(End) const { return epoch_->next_ < epoch_->loader_.batches(); }

   private:
    Epoch* epoch_;
  };
  Iterator begin() { return Iterator(*this); }
  End end() const { return {}; }

 private:
  struct Slot {
    std::optional<Prepared> batch;
    std::exception_ptr error;
  };

  std::span<const std::int64_t> items(std::int64_t batch) const {
    const std::int64_t begin = batch * loader_.options_.batch;
    const std::int64_t end = (std::min)(begin + loader_.options_.batch, loader_.items());
    return {order_.data() + begin, static_cast<std::size_t>(end - begin)};
  }

  void work(int worker, int workers) {
    for (std::int64_t batch = worker; batch < loader_.batches(); batch += workers) {
      Slot& slot = slots_[static_cast<std::size_t>(batch) % slots_.size()];
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || (!slot.batch && !slot.error); });
        if (stop_) return;
      }
      std::optional<Prepared> prepared;
      std::exception_ptr error;
      try {
        prepared = loader_.prepare(items(batch), number_);
      } catch (...) {
        error = std::current_exception();
      }
      {
        std::lock_guard lock(mutex_);
        slot = {std::move(prepared), error};
      }
      changed_.notify_all();
    }
  }

  Batch<D> get() {
    Prepared batch;
    if (threads_.empty()) {
      batch = loader_.prepare(items(next_), number_);
    } else {
      Slot& slot = slots_[static_cast<std::size_t>(next_) % slots_.size()];
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return slot.batch || slot.error; });
      if (slot.error) std::rethrow_exception(slot.error);
      batch = std::move(*slot.batch);
      slot.batch.reset();
      lock.unlock();
      changed_.notify_all();
    }
    return {on_device(batch.x), on_device(batch.y)};
  }

  const DataLoader& loader_;
  std::uint64_t number_;
  std::int64_t next_ = 0;
  std::vector<std::int64_t> order_;
  std::vector<Slot> slots_;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
};

}  // namespace needle::data

// Batches of a dataset, prepared ahead by threads, in an order that a seed fixes.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "needle/core/callback.hpp"
#include "needle/data/dataset.hpp"
#include "needle/data/transform.hpp"
#include "needle/graph/parameter.hpp"
#include "needle/ops/transfer.hpp"

namespace needle::data {

/// Changes one uint8 item of a shape in place: `RandomShift{2}`, or a function of the same
/// arguments. Several threads call it at once, each with an item of its own.
using Transform = Callback<void(std::uint8_t* item, const Shape& shape, ItemRandom& random)>;

/// Options of `DataLoader`.
struct LoaderOptions {
  /// Items in a batch, at least 1.
  std::int64_t batch = 100;
  /// Whether each epoch has an order of its own; else it is that of the dataset.
  bool shuffle = false;
  /// What the order and the random numbers of `transform` follow from, with the epoch.
  std::uint64_t seed = 0;
  /// Whether a last batch that is not full is left out.
  bool drop_last = false;
  /// Threads that prepare batches ahead; 0 prepares each when it is asked for. Results do not
  /// depend on it.
  int workers = 1;
  /// Applied to each item of x, which must be uint8; none by default.
  Transform transform = {};
};

/// Some items: x (batch, ...), y (batch, ...), with the dtypes of the dataset.
template <Device D>
struct Batch {
  /// Examples and labels, in memory of the device.
  Tensor<D> x, y;
};

/// `for (auto [x, y] : loader.epoch(3))`: every item once, shuffled anew in each epoch.
template <Device D = DefaultDevice>
class DataLoader {
 public:
  /// Batches of a dataset, copied here where it is a view or borrowed; refuses x and y of different
  /// length and options out of range.
  explicit DataLoader(TensorDataset dataset, LoaderOptions options = {})
      : dataset_(std::move(dataset)), options_(std::move(options)) {
    if (!dataset_.x.defined() || !dataset_.y.defined()) {
      fail("data loader: an empty tensor as ", dataset_.x.defined() ? "y" : "x",
           " of the dataset; it takes the examples and their labels");
    }
    const Shape &x = dataset_.x.shape(), &y = dataset_.y.shape();
    if (x.ndim() == 0 || y.ndim() == 0 || x[0] != y[0]) {
      fail("data loader: x ", x, " and y ", y, " do not hold the same number of items");
    }
    if (options_.batch < 1)
      fail("data loader: a batch of ", options_.batch, "; it takes 1 or more");
    if (options_.workers < 0)
      fail("data loader: ", options_.workers, " workers; it takes 0 or more");
    if (options_.transform && dataset_.x.dtype() != Dtype::uint8) {
      fail("data loader: a transform of ", dataset_.x.dtype(), " items; it takes uint8");
    }
    for (Tensor<Cpu>* part : {&dataset_.x, &dataset_.y}) {
      *part = Tensor<Cpu>(needle::detail::own_array(*part));
    }
  }

  /// How many batches an epoch has.
  std::int64_t batches() const {
    const std::int64_t n = items(), batch = options_.batch;
    return n / batch + (!options_.drop_last && n % batch > 0);
  }
  /// How many items the dataset has.
  std::int64_t items() const { return dataset_.size(); }

  /// One pass over the dataset; its order and transforms follow from the seed and this number. It
  /// begins at a batch, so that a run goes on where it was interrupted.
  class Epoch;
  /// Begins a pass; `first_batch` lies in [0, batches()], or is refused.
  Epoch epoch(std::uint64_t number, std::int64_t first_batch = 0) const {
    return Epoch(*this, number, first_batch);
  }

 private:
  /// A batch before it goes to the device.
  struct Prepared {
    Array<Cpu> x, y;
  };

  std::vector<std::int64_t> order(std::uint64_t epoch) const {
    std::vector<std::int64_t> items(static_cast<std::size_t>(dataset_.size()));
    for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<std::int64_t>(i);
    if (!options_.shuffle) return items;
    ItemRandom random(options_.seed, ~epoch, 0);      // the items have the stream `epoch`
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
    const auto total = static_cast<std::size_t>(to.size()) * item_bytes(to.dtype);
    if (total == 0) return to;
    const std::size_t bytes = total / items.size();
    auto* out = static_cast<std::byte*>(to.storage->data);
    for (const std::int64_t item : items) {
      const auto* in = static_cast<const std::byte*>(source.storage->data);
      std::memcpy(out, in + static_cast<std::size_t>(item) * bytes, bytes);
      out += bytes;
    }
    return to;
  }

  Prepared prepare(std::span<const std::int64_t> items, std::uint64_t epoch) const {
    Prepared batch{rows(dataset_.x, items), rows(dataset_.y, items)};
    if (!options_.transform) return batch;
    Shape shape = batch.x.shape;
    shape.erase(0);
    std::uint8_t* at = batch.x.template data<std::uint8_t>();
    for (const std::int64_t item : items) {
      ItemRandom random(options_.seed, epoch, static_cast<std::uint64_t>(item));
      options_.transform(at, shape, random);
      at += shape.size();
    }
    return batch;
  }

  TensorDataset dataset_;
  LoaderOptions options_;
};

/// A running pass: batch i is prepared by worker i modulo their number, and handed out in order.
template <Device D>
class DataLoader<D>::Epoch {
 public:
  /// Begins to prepare batches from number `first` on; see `DataLoader::epoch`.
  Epoch(const DataLoader& loader, std::uint64_t number, std::int64_t first)
      : loader_(loader), number_(number), first_(first), next_(first), end_(loader.batches()) {
    if (first < 0 || first > end_) {
      fail("data loader: an epoch of ", end_, " batches cannot begin at batch ", first);
    }
    order_ = loader_.order(number);
    const int workers =
        static_cast<int>((std::min)(std::int64_t{loader_.options_.workers}, end_ - first));
    slots_ = std::vector<Slot>(static_cast<std::size_t>(2 * workers));
    try {
      for (int w = 0; w < workers; ++w) threads_.emplace_back([=, this] { work(w, workers); });
    } catch (const std::system_error&) {
      stop();  // the system gives no more threads: the calling one prepares the batches
    } catch (...) {
      stop();
      throw;
    }
  }
  Epoch(const Epoch&) = delete;
  ~Epoch() { stop(); }

  /// The next batch, or nothing when the pass is over. An exception of a transform comes out here,
  /// and whenever this is called again: the pass goes no further.
  std::optional<Batch<D>> next() {
    if (error_) std::rethrow_exception(error_);
    if (next_ == end_) return std::nullopt;
    try {
      const Prepared batch = threads_.empty() ? loader_.prepare(items(next_), number_) : take();
      ++next_;
      return Batch<D>{on_device(batch.x), on_device(batch.y)};
    } catch (...) {
      error_ = std::current_exception();
      throw;
    }
  }

  /// What a pass is compared with to see whether it is over.
  struct End {};
  /// Moves through the batches once.
  class Iterator {
   public:
    /// At the next batch of a pass.
    explicit Iterator(Epoch& epoch) : epoch_(&epoch), batch_(epoch.next()) {}
    /// The batch it is at; there is none at the end.
    const Batch<D>& operator*() const { return *batch_; }
    /// Drops the batch and waits for the next one.
    Iterator& operator++() {
      batch_.reset();
      batch_ = epoch_->next();
      return *this;
    }
    /// Whether it is at a batch.
    bool operator!=(End) const { return batch_.has_value(); }

   private:
    Epoch* epoch_;
    std::optional<Batch<D>> batch_;
  };
  /// `for (auto [x, y] : epoch)` goes from the next batch to the last, once.
  Iterator begin() { return Iterator(*this); }
  End end() const { return {}; }

 private:
  struct Slot {
    bool filled = false;
    Prepared batch;
    std::exception_ptr error;  // in place of a batch
  };

  std::span<const std::int64_t> items(std::int64_t batch) const {
    const std::int64_t begin = batch * loader_.options_.batch;
    const std::int64_t count = (std::min)(loader_.options_.batch, loader_.items() - begin);
    return {order_.data() + begin, static_cast<std::size_t>(count)};
  }
  Slot& slot(std::int64_t batch) {
    return slots_[static_cast<std::size_t>(batch - first_) % slots_.size()];
  }

  void work(int worker, int workers) {
    for (std::int64_t batch = first_ + worker; batch < end_; batch += workers) {
      Slot& place = slot(batch);
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || !place.filled; });
        if (stop_) return;
      }
      try {  // nobody else touches a place that is not filled
        place.batch = loader_.prepare(items(batch), number_);
      } catch (...) {
        place.error = std::current_exception();
      }
      {
        std::lock_guard lock(mutex_);
        place.filled = true;
      }
      changed_.notify_all();
    }
  }

  Prepared take() {
    Slot& place = slot(next_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return place.filled; });
    if (place.error) std::rethrow_exception(place.error);
    Prepared batch = std::move(place.batch);
    place.filled = false;
    lock.unlock();
    changed_.notify_all();
    return batch;
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  static Tensor<D> on_device(const Array<Cpu>& array) {
    return needle::detail::moved<D>(Tensor<Cpu>(array));
  }

  const DataLoader loader_;  // a copy of handles: the pass may outlive the loader it came from
  const std::uint64_t number_;
  const std::int64_t first_;
  std::int64_t next_;
  std::exception_ptr error_;  // what ended the pass
  const std::int64_t end_;
  std::vector<std::int64_t> order_;
  std::vector<Slot> slots_;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
};

}  // namespace needle::data

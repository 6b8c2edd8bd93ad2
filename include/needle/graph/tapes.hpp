// A differentiation over several devices: the tracked nodes below some roots, on a tape for each
// device.
//
// Ids grow over all devices. So tapes that take turns, each going on as far as the next node of
// another one, visit all nodes from the last to the first, and each just once, with its whole
// gradient.
#pragma once

#include "needle/graph/realize.hpp"

namespace needle::detail {

class Tapes;
template <Device D>
class Tape;

inline constexpr OpTraits transfer_traits{.kind = Kind::transfer,
                                          .name = [] { return std::string_view("to"); }};

/// A value that came from another device: a leaf to everything but differentiation, which goes on
/// there. What came is known to the derived class.
template <Device D>
struct Transfer : Expression<D> {
  explicit Transfer(Array<D> moved) : Expression<D>(transfer_traits, moved.shape, moved.dtype) {
    this->value = std::move(moved);
    this->tracked = true;
  }
  /// Puts what came on the tape of its device.
  virtual void collect(Tapes& tapes) const = 0;
  /// Whether a gradient for it reaches a target.
  virtual bool leads(Tapes& tapes) const = 0;
  /// Moves the gradient to where it came from.
  virtual void give(Tapes& tapes, const Tensor<D>& g) const = 0;
  /// Drops the way back.
  virtual void forget() = 0;
};

/// A tape of any device.
struct AnyTape : Counted {
  AnyTape() = default;
  AnyTape(const AnyTape&) = delete;
  virtual ~AnyTape() = default;
  friend void destroy(AnyTape* tape) { delete tape; }

  /// Adds what is below its nodes, on other tapes too; whether there was anything to look at.
  virtual bool collect(Tapes& tapes) = 0;
  /// Sorts and numbers the nodes, and marks all or none of them; then it is complete.
  virtual void number(bool all) = 0;
  /// Marks those of these nodes that lead to marked ones.
  virtual void lead(Tapes& tapes, std::size_t begin, std::size_t end) = 0;
  /// Gives the gradients of these nodes to what they were calculated from.
  virtual void differentiate(Tapes& tapes, std::size_t begin, std::size_t end) = 0;
  /// Adds the gradients of leaves to theirs.
  virtual void accumulate() = 0;
  /// Evaluates these sums, and the roots.
  virtual void evaluate(bool consuming) = 0;
  /// Gives leaves the sums back that they had before.
  virtual void restore() = 0;
  /// Drops the way from these nodes to the leaves.
  virtual void consume(std::size_t begin, std::size_t end) = 0;

  std::string_view device;         // its name; addresses differ between libraries that hide theirs
  std::vector<std::uint64_t> ids;  // of its nodes, which are in order of creation
};

/// The tapes of one differentiation.
class Tapes {
 public:
  explicit Tapes(std::string_view op) : op(op) {}

  /// That of a device, which is a new one at the first time.
  template <Device D>
  Tape<D>& of() {
    for (const auto& tape : tapes_) {
      if (tape->device == D::name) return static_cast<Tape<D>&>(*tape);
    }
    tapes_.push_back(Ref<AnyTape>(new Tape<D>));
    tapes_.back()->device = D::name;
    return static_cast<Tape<D>&>(*tapes_.back());
  }

  /// Completes the tapes with all that is below their roots; with `all`, every leaf is a target.
  void collect(bool all) {
    for (bool more = true; std::exchange(more, false);) {
      for (std::size_t i = 0; i < tapes_.size(); ++i) more |= tapes_[i]->collect(*this);
    }
    for (const auto& tape : tapes_) tape->number(all);
    find_stretches();
  }

  /// Marks the nodes that lead to marked ones.
  void lead() {
    for (const Stretch& part : stretches_) part.tape->lead(*this, part.begin, part.end);
  }
  void differentiate() {
    for (std::size_t i = stretches_.size(); i-- > 0;) {
      stretches_[i].tape->differentiate(*this, stretches_[i].begin, stretches_[i].end);
    }
  }

  /// Adds to the gradients of all leaves, and evaluates them.
  void backward(bool consuming) {
    try {
      {
        no_grad guard;
        Restore unbounded(thread_mode.bounded, false);
        differentiate();
        for (const auto& tape : tapes_) tape->accumulate();
      }
      for (const auto& tape : tapes_) tape->evaluate(consuming);
    } catch (...) {
      for (const auto& tape : tapes_) tape->restore();
      throw;
    }
    if (!consuming) return;
    // In order of creation: what this destroys has had its turn.
    for (const Stretch& part : stretches_) part.tape->consume(part.begin, part.end);
  }

  const std::string_view op;

 private:
  /// Nodes of one tape between which no other one has a node.
  struct Stretch {
    AnyTape* tape;
    std::size_t begin, end;
  };

  void find_stretches() {
    std::vector<std::size_t> at(tapes_.size());
    for (;;) {
      std::size_t next = tapes_.size();
      std::uint64_t least = UINT64_MAX, limit = UINT64_MAX;
      for (std::size_t i = 0; i < tapes_.size(); ++i) {
        if (at[i] == tapes_[i]->ids.size()) continue;
        const std::uint64_t id = tapes_[i]->ids[at[i]];
        limit = (std::min)(limit, (std::max)(id, least));
        if (id < least) least = id, next = i;
      }
      if (next == tapes_.size()) return;
      const auto& ids = tapes_[next]->ids;
      const std::size_t begin = at[next];
      at[next] = std::lower_bound(ids.begin() + begin + 1, ids.end(), limit) - ids.begin();
      stretches_.push_back({tapes_[next].get(), begin, at[next]});
    }
  }

  std::vector<Ref<AnyTape>> tapes_;
  std::vector<Stretch> stretches_;  // all nodes, in order of creation
};

}  // namespace needle::detail

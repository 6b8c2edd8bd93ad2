// The tensor users hold: a cheap handle to an expression.
#pragma once

#include <algorithm>
#include <vector>

#include "needle/core/index.hpp"
#include "needle/graph/values.hpp"

namespace needle {

/// Evaluates these tensors, and what they need, in one schedule; assignments that wait for buffers
/// are carried out with it.
template <Device D, std::same_as<Tensor<D>>... More>
void realize(const Tensor<D>& first, const More&... more);

/// Whether `backward` leaves the graph for another time.
enum class Graph { consume, keep };

namespace detail {
/// A number of a list. Its conversion makes rows of one number, `{{1}, {2}}`, a matrix.
template <class Real>
struct Entry {
  template <Number T>
  Entry(T number) : value(static_cast<Real>(number)) {}
  Real value;
};
}  // namespace detail

/// x in the memory of device `To`; see `Tensor::to`.
template <Device To, Device D>
Tensor<To> transferred(const Tensor<D>& x);

// Templates that are members have their bodies in the class: of default arguments, nvcc repeats the
// class's own at a definition outside of it, which no host compiler takes.
/// An N-dimensional array that may not be calculated yet. Copies share the expression.
template <Device D = DefaultDevice>
class Tensor {
 public:
  /// The type of the device's arithmetic: float, or double on `Reference`.
  using Real = typename D::Real;
  /// Where its elements lie.
  using device = D;

  /// No tensor at all: what an absent gradient is. Everything else refuses it.
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  /// One assignment for all, so that `x = {}` means an empty tensor to every compiler.
  /// A temporary is not assigned to: `x[0] = y` would change nothing; see `put`.
  Tensor& operator=(Tensor other) & noexcept {
    std::swap(expression_, other.expression_);
    return *this;
  }
  /// A handle to a node of the graph.
  explicit Tensor(Ref<Expression<D>> expression) : expression_(std::move(expression)) {}
  /// A leaf that holds an array.
  explicit Tensor(Array<D> value)
      : expression_(new Expression<D>(detail::leaf_traits, value.shape, value.dtype)) {
    expression_->value = std::move(value);
  }
  /// A vector of numbers: `Tensor x = {1, 2, 3};`
  Tensor(std::initializer_list<detail::Entry<typename D::Real>> values) : Tensor(vector(values)) {}
  /// A matrix, row by row; rows of different length are refused.
  Tensor(std::initializer_list<std::initializer_list<Real>> rows) : Tensor(matrix(rows)) {}
  /// These numbers (any `Element`: float, std::int32_t, ...) in row-major order.
  template <Element T>
  Tensor(const std::vector<T>& values, const Shape& shape)
      : Tensor(from_values(values.data(), static_cast<std::int64_t>(values.size()), shape)) {}

  /// Whether there is a tensor: an absent gradient is none.
  bool defined() const { return static_cast<bool>(expression_); }
  /// Whether the one element of a tensor of size 1 is not 0, as in `if (loss < 0.1)`; evaluates it.
  explicit operator bool() const { return single("bool") != 0; }

  /// Its sizes, one a dimension.
  const Shape& shape() const& { return node().shape; }
  Shape shape() && { return node().shape; }
  /// The size of one dimension; negative axes count from the end.
  std::int64_t shape(int axis) const { return shape()[normal_axis(axis, ndim(), "shape")]; }
  /// How many dimensions it has.
  int ndim() const { return shape().ndim(); }
  /// How many elements it has.
  std::int64_t size() const { return shape().size(); }
  /// The type its elements are stored in.
  Dtype dtype() const { return node().dtype; }
  /// The name of the op that makes this tensor; "leaf" where none does.
  std::string op() const { return node().name(); }
  /// The tensors this one is calculated from; none once they are forgotten.
  std::vector<Tensor> inputs() const {
    std::vector<Tensor> result;
    for (const Ref<Expression<D>>& input : node().inputs()) result.emplace_back(input);
    return result;
  }

  /// Evaluates it now, and returns it.
  const Tensor& realize() const& {
    needle::realize(*this);
    return *this;
  }
  Tensor realize() && {
    needle::realize(*this);
    return std::move(*this);
  }
  /// The evaluated array; hold it while you use its memory.
  Array<D> data() const {
    if (node().kind() != Kind::constant) realize();
    return detail::array_of(node());
  }
  /// All elements in row-major order, converted to `T`, any type of numbers.
  template <Number T = Real>
  std::vector<T> values() const {
    return detail::values_of<T>(data());
  }
  /// The one element of a tensor of size 1, converted to `T`, any type of numbers.
  template <Number T = Real>
  T item() const {
    return single<T>("item");
  }

  /// Whether gradients are tracked through this tensor.
  bool requires_grad() const { return node().tracked; }
  /// Marks a leaf before use: what is built on it from now on can be differentiated with respect to
  /// it. Any tensor is a leaf that leads to no other one that is marked; it is evaluated.
  Tensor& requires_grad(bool required) {
    if (node().tracked && !node().grad) {
      fail("requires_grad: the result of ", op(), " is not a leaf; use detach() to make it one");
    }
    if (required && !is_float(dtype())) {
      fail("requires_grad: a tensor of ", dtype(), " has no gradient; cast it to a float type");
    }
    if (required == node().tracked) return *this;  // and the gradient it has
    if (required) realize();
    node().grad = required ? Ref(new Gradient<D>) : Ref<Gradient<D>>();
    node().tracked = required;
    return *this;
  }
  /// The gradient that `backward` added up here, without history; an absent tensor before.
  Tensor grad() const { return node().grad ? Tensor(node().grad->sum) : Tensor(); }
  /// Forgets the gradient.
  void zero_grad() const {
    if (node().grad) node().grad->sum.reset();
  }
  /// Differentiates this scalar with respect to every leaf it depends on, on whatever device, adds
  /// the gradients to theirs, evaluates everything below that is still held, and drops the graph
  /// (see `Graph::keep`).
  void backward(Graph graph = Graph::consume) const;
  /// The same values without history.
  Tensor detach() const { return stop_gradient(*this); }
  /// The same values in another device's memory, which evaluates this tensor. Gradients find their
  /// way back; there they are evaluated, too.
  template <Device To>
  Tensor<To> to() const {
    return transferred<To>(*this);
  }

  /// NumPy's indexing: `x[{0, range(1, 5), all}]` is a tensor. An index drops its axis.
  Tensor operator[](std::initializer_list<Index> indices) const {
    return slice(*this, std::span(indices.begin(), indices.size()));
  }
  /// Position `i` of the first axis, which is dropped.
  template <std::convertible_to<std::int64_t> At>  // a template, so that x[{0}] is the one above
  requires(!std::floating_point<At>) Tensor operator[](At i) const {
    return (*this)[{Index(static_cast<std::int64_t>(i))}];
  }

  /// The node itself, for ops and optimizers.
  Expression<D>& node() const {
    if (!expression_) fail("tensor: it is empty; there is nothing to calculate with");
    return *expression_;
  }
  /// The node, or none, as its owners hold it.
  const Ref<Expression<D>>& expression() const { return expression_; }

 private:
  template <Number T = Real>
  T single(const char* what) const {
    if (size() != 1) {
      fail(what, ": a tensor of shape ", shape(), " has ", size(), " elements; ", what,
           "() takes exactly one");
    }
    return detail::item_of<T>(data());
  }
  static Array<D> vector(std::initializer_list<detail::Entry<Real>> entries) {
    std::vector<Real> values;
    for (const detail::Entry<Real>& entry : entries) values.push_back(entry.value);
    return upload<D>(values.data(), {static_cast<std::int64_t>(values.size())});
  }
  static Array<D> matrix(std::initializer_list<std::initializer_list<Real>> rows) {
    std::vector<Real> values;
    const std::size_t columns = rows.size() ? rows.begin()->size() : 0;
    for (const auto& row : rows) {
      if (row.size() != columns) {
        fail("tensor: rows of ", columns, " and of ", row.size(),
             " numbers; they must be of one length");
      }
      values.insert(values.end(), row.begin(), row.end());
    }
    return upload<D>(values.data(),
                     {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(columns)});
  }
  template <Element T>
  static Array<D> from_values(const T* values, std::int64_t count, const Shape& shape) {
    if (checked(shape, "tensor").size() != count) {
      fail("tensor: shape ", shape, " takes ", shape.size(), " values, ", count, " were given");
    }
    if constexpr (std::floating_point<T> && !std::same_as<T, Real>) {
      const std::vector<Real> converted(values, values + count);
      return upload<D>(converted.data(), shape);
    } else {
      return upload<D>(values, shape);
    }
  }

  Ref<Expression<D>> expression_;
};

// clang 14 does not deduce this by itself.
template <Device D = DefaultDevice>
Tensor(std::initializer_list<double>) -> Tensor<D>;

}  // namespace needle

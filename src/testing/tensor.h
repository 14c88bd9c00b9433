#pragma once
// An owning tensor for tests: simple, zeroed, convertible to views.
#include <initializer_list>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "tensor/view.h"

namespace fathom::testing {

template <typename T>
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::vector<i64> dims)
      : dims_(std::move(dims)),
        data_(static_cast<size_t>(
            std::accumulate(dims_.begin(), dims_.end(), i64{1}, std::multiplies<>()))) {}

  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  i64 size() const { return static_cast<i64>(data_.size()); }
  i64 dim(int axis) const { return dims_[static_cast<size_t>(axis)]; }
  const std::vector<i64>& dims() const { return dims_; }
  T& operator[](i64 index) { return data_[static_cast<size_t>(index)]; }
  const T& operator[](i64 index) const { return data_[static_cast<size_t>(index)]; }

  template <int R>
  View<T, R> v() {
    return {data(), dims_array<R>()};
  }
  template <int R>
  View<const T, R> v() const {
    return {data(), dims_array<R>()};
  }
  template <int R>
  View<const T, R> cv() const {
    return {data(), dims_array<R>()};
  }

  template <typename U>
  Tensor<U> to() const {
    Tensor<U> result(dims_);
    for (i64 i = 0; i < size(); ++i) result[i] = static_cast<U>((*this)[i]);
    return result;
  }

 private:
  template <int R>
  std::array<i64, R> dims_array() const {
    FATHOM_CHECK(dims_.size() == R, "tensor has ", dims_.size(), " axes, viewed with ", R);
    std::array<i64, R> dims{};
    std::copy(dims_.begin(), dims_.end(), dims.begin());
    return dims;
  }

  std::vector<i64> dims_;
  std::vector<T> data_;
};

/// Independent normals of deviation `scale`; a new stream for each `stream`.
template <typename T>
Tensor<T> normal(std::vector<i64> dims, double scale = 1.0, u64 stream = 0) {
  Tensor<T> result(std::move(dims));
  const Philox rng(20241227, stream);
  for (i64 i = 0; i < result.size(); ++i) {
    result[i] = static_cast<T>(static_cast<float>(scale * rng.normal(static_cast<u64>(i))));
  }
  return result;
}

}  // namespace fathom::testing

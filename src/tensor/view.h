#pragma once
// View<T, R>: a typed, strided, non-owning window on R axes. The shapes in doc-comments are dims().
#include <array>
#include <string>
#include <type_traits>

#include "base/check.h"
#include "base/types.h"

namespace fathom {

template <typename T, int R>
class View {
  static_assert(R >= 1 && R <= 4);

 public:
  using Dims = std::array<i64, R>;

  View() = default;
  /// Contiguous, row-major.
  View(T* data, Dims dims) : data_(data), dims_(dims) {
    i64 stride = 1;
    for (int axis = R - 1; axis >= 0; --axis) {
      strides_[at(axis)] = stride;
      stride *= dims_[at(axis)];
    }
  }
  View(T* data, Dims dims, Dims strides) : data_(data), dims_(dims), strides_(strides) {}

  /// View<T> converts to View<const T>.
  template <typename U>
  requires(std::is_same_v<const U, T> && !std::is_same_v<U, T>)
      View(const View<U, R>& other)  // NOLINT(google-explicit-constructor): as span does
      : data_(other.data()), dims_(other.dims()), strides_(other.strides()) {}

  T* data() const { return data_; }
  const Dims& dims() const { return dims_; }
  const Dims& strides() const { return strides_; }
  i64 dim(int axis) const { return dims_[at(axis)]; }
  i64 stride(int axis) const { return strides_[at(axis)]; }
  bool empty() const { return data_ == nullptr; }
  i64 size() const {
    i64 product = 1;
    for (const i64 d : dims_) product *= d;
    return product;
  }
  bool contiguous() const { return strides_ == View(data_, dims_).strides_; }

  /// Element at one index an axis.
  template <typename... Index>
  T& operator()(Index... index) const {
    static_assert(sizeof...(Index) == R);
    const Dims i = {static_cast<i64>(index)...};
    i64 offset = 0;
    for (int axis = 0; axis < R; ++axis) {
      FATHOM_DCHECK(i[at(axis)] >= 0 && i[at(axis)] < dims_[at(axis)], "index ", i[at(axis)],
                    " on axis ", axis, " of ", *this);
      offset += i[at(axis)] * strides_[at(axis)];
    }
    return data_[offset];
  }

  /// Pointer to row `index` of the first axis.
  T* row(i64 index) const { return data_ + index * strides_[0]; }

  /// `count` entries of `axis` from `begin`.
  View slice(int axis, i64 begin, i64 count) const {
    FATHOM_CHECK(
        axis >= 0 && axis < R && begin >= 0 && count >= 0 && begin + count <= dims_[at(axis)],
        "slice of axis ", axis, " [", begin, ", ", begin + count, ") of ", *this);
    View result = *this;
    result.data_ += begin * strides_[at(axis)];
    result.dims_[at(axis)] = count;
    return result;
  }

  /// The sub-view at `index` of the first axis.
  View<T, R - 1> operator[](i64 index) const requires(R > 1) {
    std::array<i64, R - 1> dims{}, strides{};
    for (int axis = 1; axis < R; ++axis) {
      dims[static_cast<size_t>(axis - 1)] = dims_[at(axis)];
      strides[static_cast<size_t>(axis - 1)] = strides_[at(axis)];
    }
    return {data_ + index * strides_[0], dims, strides};
  }

  /// [a, b, c...] -> [a, b*c*...]; the trailing axes must be contiguous among themselves.
  View<T, 2> flatten() const requires(R > 2) {
    i64 inner = 1;
    for (int axis = R - 1; axis >= 1; --axis) {
      FATHOM_CHECK(dims_[at(axis)] == 1 || strides_[at(axis)] == inner, "flatten of strided ",
                   *this);
      inner *= dims_[at(axis)];
    }
    return {data_, {dims_[0], inner}, {strides_[0], 1}};
  }

  friend std::string to_string(const View& view) {
    std::string text = "[";
    for (int axis = 0; axis < R; ++axis) {
      if (axis > 0) text += ", ";
      text += std::to_string(view.dims_[at(axis)]);
    }
    return text + "]";
  }

 private:
  static constexpr size_t at(int axis) { return static_cast<size_t>(axis); }

  T* data_ = nullptr;
  Dims dims_{};
  Dims strides_{};
};

}  // namespace fathom

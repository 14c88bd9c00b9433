#include "checkpoint/convert/recode.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fathom::checkpoint {
namespace {

/// Running comparison of values before and after.
struct ErrorSum {
  double max_difference = 0.0, max_value = 0.0, squared_difference = 0.0, squared_value = 0.0;

  void add(View<const float, 2> before, View<const float, 2> after) {
    for (i64 i = 0; i < before.size(); ++i) {
      const double value = before.data()[i], difference = value - after.data()[i];
      // Written so that a NaN stays: std::max would drop it and call the tensor unchanged.
      if (std::abs(difference) > max_difference || std::isnan(difference)) {
        max_difference = std::abs(difference);
      }
      max_value = std::max(max_value, std::abs(value));
      squared_difference += difference * difference;
      squared_value += value * value;
    }
  }
  double max_error() const { return max_value > 0.0 ? max_difference / max_value : max_difference; }
  double rms_error() const {
    return squared_value == 0.0 ? std::sqrt(squared_difference)
                                : std::sqrt(squared_difference / squared_value);
  }
};

}  // namespace

TensorConversion Recoder::recode(const Parameter& parameter, std::string from, const Storage& to,
                                 FunctionRef<void(i64, View<float, 2>)> read_rows,
                                 FunctionRef<void(i64)> on_rows) {
  const RowShape shape = row_shape(parameter.shape);
  const i64 step = chunk_rows(shape.cols);
  ErrorSum error;
  for (i64 begin = 0; begin < shape.rows; begin += step) {
    const i64 count = std::min(step, shape.rows - begin);
    before_.resize(static_cast<size_t>(count * shape.cols));
    after_.resize(before_.size());
    const View<float, 2> before(before_.data(), {count, shape.cols});
    const View<float, 2> after(after_.data(), {count, shape.cols});
    read_rows(begin, before);
    encoder_.append_rows(parameter.name, to, before, after);
    error.add(before, after);
    on_rows(count);
  }
  if (to.bits != 0) encoder_.append_shape(parameter.name, parameter.shape);
  return {.name = parameter.name,
          .role = parameter.role,
          .is_matrix = parameter.shape.size() == 2,
          .from = std::move(from),
          .to = to,
          .max_error = error.max_error(),
          .rms_error = error.rms_error(),
          .squares = error.squared_value};
}

}  // namespace fathom::checkpoint

#include "checkpoint/packed_check.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked_math.h"
#include "checkpoint/problem_text.h"
#include "checkpoint/stored_names.h"

namespace fathom::checkpoint {
namespace {

/// The numbers of an I32 or I64 tensor.
std::vector<i64> integers_of(const io::StoredTensor& tensor) {
  const size_t width = tensor.dtype == DType::kI32 ? 4 : 8;
  std::vector<i64> numbers;
  for (size_t at = 0; at + width <= tensor.bytes.size(); at += width) {
    i32 small = 0;
    i64 large = 0;
    std::memcpy(width == 4 ? static_cast<void*>(&small) : &large, tensor.bytes.data() + at, width);
    numbers.push_back(width == 4 ? small : large);
  }
  return numbers;
}

/// Every group's zero point is the middle of the codes, stored as 0 or as that code.
bool are_zero(const io::StoredTensor& zero_point, int bits) {
  return std::ranges::all_of(zero_point.bytes, [bits](u8 byte) {
    if (bits == 8) return byte == 0 || byte == 0x80;
    return (byte & 0x77) == 0;
  });
}

/// Columns are in the order of their groups, or no order was ever written.
bool is_plain_order(const io::StoredTensor& g_idx, i64 group_size) {
  if (g_idx.dtype != DType::kI32 && g_idx.dtype != DType::kI64) return false;
  const std::vector<i64> groups = integers_of(g_idx);
  bool plain = true, unset = true;
  for (size_t c = 0; c < groups.size(); ++c) {
    plain = plain && groups[c] == static_cast<i64>(c) / group_size;
    unset = unset && groups[c] == -1;
  }
  return plain || unset;
}

class Check {
 public:
  Check(const io::Checkpoint& checkpoint, const Parameter& parameter)
      : checkpoint_(checkpoint),
        names_(parameter.name),
        rows_(parameter.shape[0]),
        cols_(parameter.shape[1]),
        packed_(*take(names_.packed)),
        scale_(take(names_.scale)),
        shape_(take(names_.shape)),
        minimum_(take(names_.minimum)) {}

  PackedCheck run() {
    if (scale_ == nullptr) {
      const std::array<i64, 2> expected = {rows_, ceil_div(cols_, i64{128})};
      missing(names_.scale, expected, fmt::format(", the scales of `{}`", packed_.name));
    }
    if (shape_ == nullptr) {
      missing(names_.shape, std::array<i64, 1>{2},
              fmt::format(", the shape of `{}`", packed_.name));
    }
    if (scale_ == nullptr || shape_ == nullptr) return std::move(result_);
    form_ = packed_form(packed_, *scale_, cols_);
    check_types();
    if (minimum_ != nullptr) check_minimum();
    check_stored_shape();
    const bool rows_fit =
        packed_.shape[0] == rows_ && scale_->shape.size() == 2 && scale_->shape[0] == rows_;
    if (form_.bits == 0 || form_.group_size == 0 || !rows_fit) {
      problem(packed_,
              fmt::format("is {} with scales {}, expected {} packed as 4 or 8 bits in groups of 32 "
                          "or 128 columns",
                          shape_text(packed_.shape), shape_text(scale_->shape),
                          shape_text(std::array<i64, 2>{rows_, cols_})));
      return std::move(result_);
    }
    check_neutral();
    result_.type = fmt::format("INT{} in groups of {}, scales {}{}", form_.bits, form_.group_size,
                               dtype_name(scale_->dtype), minimum_ != nullptr ? ", minima" : "");
    return std::move(result_);
  }

 private:
  const io::StoredTensor* take(const std::string& name) {
    const io::StoredTensor* tensor = checkpoint_.find(name);
    if (tensor != nullptr) result_.used.push_back(tensor);
    return tensor;
  }
  void problem(const io::StoredTensor& tensor, const std::string& text) {
    result_.problems.push_back(tensor_problem(tensor, text));
  }
  void missing(const std::string& name, std::span<const i64> shape, const std::string& what) {
    result_.problems.push_back(missing_tensor(checkpoint_, name, shape, what));
  }

  void check_types() {
    const auto require = [this](const io::StoredTensor& tensor, bool fits, const char* expected) {
      if (fits) return;
      problem(tensor, fmt::format("is {}, expected {}", dtype_name(tensor.dtype), expected));
    };
    require(packed_, packed_.dtype == DType::kI32, "I32");
    require(*scale_, is_widened(scale_->dtype), "BF16, F16 or F32");
    require(*shape_, shape_->dtype == DType::kI64 || shape_->dtype == DType::kI32,
            "I64 or I32");  // writers differ
  }

  void check_minimum() {
    if (minimum_->dtype != scale_->dtype || minimum_->shape != scale_->shape) {
      problem(*minimum_, fmt::format("is {} {}, expected {} {} as its scales",
                                     dtype_name(minimum_->dtype), shape_text(minimum_->shape),
                                     dtype_name(scale_->dtype), shape_text(scale_->shape)));
    }
    if (form_.bits != 4 || form_.group_size != 32) {
      problem(*minimum_, "is not supported but beside 4 bits in groups of 32 columns");
    }
  }

  void check_stored_shape() {
    const std::vector<i64> stored = integers_of(*shape_);
    if (stored == std::vector<i64>{rows_, cols_}) return;
    problem(*shape_, fmt::format("says {}, expected {} from config.json", shape_text(stored),
                                 shape_text(std::array<i64, 2>{rows_, cols_})));
  }

  void check_neutral() {
    const std::string matrix = names_.scale.substr(0, names_.scale.size() - std::strlen("_scale"));
    const io::StoredTensor* zero_point = take(matrix + "_zero_point");
    if (zero_point != nullptr && !are_zero(*zero_point, form_.bits)) {
      problem(*zero_point, "holds zero points; only symmetric integers are supported");
    }
    const io::StoredTensor* order = take(matrix + "_g_idx");
    if (order != nullptr && !is_plain_order(*order, form_.group_size)) {
      problem(*order, "gives the columns an order of their own (actorder), which is not supported");
    }
  }

  PackedCheck result_;
  const io::Checkpoint& checkpoint_;
  const PackedNames names_;
  const i64 rows_, cols_;
  const io::StoredTensor& packed_;
  const io::StoredTensor* scale_;
  const io::StoredTensor* shape_;
  const io::StoredTensor* minimum_;  // of a matrix from a GGUF file, or nullptr
  PackedForm form_;
};

}  // namespace

PackedCheck packed_check(const io::Checkpoint& checkpoint, const Parameter& parameter) {
  return Check(checkpoint, parameter).run();
}

}  // namespace fathom::checkpoint

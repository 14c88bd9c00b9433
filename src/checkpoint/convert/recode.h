#pragma once
// Internal to checkpoint/: one parameter from f32 rows to its new storage, chunk by chunk.
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "checkpoint/convert/convert.h"
#include "checkpoint/tensor_codec.h"
#include "config/model/parameter_list.h"
#include "tensor/view.h"

namespace fathom::checkpoint {

class Recoder {
 public:
  explicit Recoder(TensorEncoder& encoder) : encoder_(encoder) {}

  /// Encodes `parameter` as `to`. read_rows(begin, out) gives its rows from `begin` on, as many as
  /// out [count, cols] holds; on_rows(count) is called after each chunk. `from` is what the report
  /// calls the old storage.
  TensorConversion recode(const Parameter& parameter, std::string from, const Storage& to,
                          FunctionRef<void(i64, View<float, 2>)> read_rows,
                          FunctionRef<void(i64)> on_rows);

 private:
  TensorEncoder& encoder_;
  std::vector<float> before_, after_;  // [count, cols] of a chunk
};

}  // namespace fathom::checkpoint

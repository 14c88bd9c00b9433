#pragma once
// The parameters of a model in a GGUF file, as f32 rows in Hugging Face's order.
#include <string>
#include <vector>

#include "checkpoint/gguf/tensor_map.h"
#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "io/gguf/file.h"
#include "tensor/view.h"

namespace fathom::checkpoint {

/// One parameter and the tensors that hold it.
struct GgufParameter {
  Parameter parameter;
  GgufSource source;
  const io::gguf::Tensor* tensor = nullptr;
  const io::gguf::Tensor* value_tensor = nullptr;  // of kSplitKvB
};

/// Every parameter that for_each_parameter() visits, found and checked against `config`. The Error
/// lists all tensors that are missing or misshapen (the first 100, and how many more). A shared
/// copy that an MTP module lacks is left out.
[[nodiscard]] Result<std::vector<GgufParameter>> gguf_parameters(const ModelConfig& config,
                                                                 const io::gguf::File& file);

/// The row of `parameter.tensor`, whose axes but the last are taken together, that row `row` of the
/// parameter is. Not of kSplitKvB.
i64 stored_row(const GgufParameter& parameter, i64 row);

/// out [count, cols] overwritten: rows [begin, begin + count) of the parameter, a vector being one
/// row. Runs on all threads; any cut into calls gives the same numbers.
void read_rows(const GgufParameter& parameter, i64 begin, View<float, 2> out);

}  // namespace fathom::checkpoint

#include "checkpoint/flat_weights.h"

#include <algorithm>

#include "base/log.h"
#include "checkpoint/check.h"
#include "checkpoint/tensor_codec.h"
#include "checkpoint/write.h"

namespace fathom::checkpoint {

void write_model_directory(Ctx& ctx, const ModelConfig& config, const ParameterLayout& layout,
                           std::span<const float> weights, const std::string& directory,
                           DType dtype) {
  FATHOM_CHECK(std::ssize(weights) == layout.size(), "weights of ", weights.size(), " numbers vs ",
               layout.size());
  const RowSource rows = [&](const Parameter& parameter, i64 begin, i64 count) {
    const ParameterSlot* slot = layout.find(shared_source(parameter, config));
    FATHOM_CHECK(slot != nullptr, "no parameter ", parameter.name);
    const i64 cols = row_shape(parameter.shape).cols;
    return View<const float, 2>(weights.data() + slot->offset + begin * cols, {count, cols});
  };
  write_checkpoint(ctx, config, directory, rows, {.dtype = dtype});
}

namespace {

/// Training has one embedding and one head for all; a module's own that differ are not trained, and
/// that must be said.
void warn_of_own_copies(const CheckpointCheck& check, const io::Checkpoint& checkpoint) {
  for (const Parameter& parameter : check.parameters) {
    if (!parameter.shared_copy) continue;
    const io::StoredTensor* own = checkpoint.find(parameter.name);
    const io::StoredTensor* shared = checkpoint.find(shared_source(parameter, check.config));
    const bool same = own != nullptr && shared != nullptr && own->dtype == shared->dtype &&
                      std::ranges::equal(own->bytes, shared->bytes);
    if (same) continue;
    log::warn("{}: `{}` is not the main model's, which training takes in its place",
              checkpoint.directory().string(), parameter.name);
  }
}

}  // namespace

void read_model_directory(Ctx& ctx, const ModelConfig& config, const ParameterLayout& layout,
                          const std::string& directory, std::span<float> weights) {
  FATHOM_CHECK(std::ssize(weights) == layout.size(), "weights of ", weights.size(), " numbers vs ",
               layout.size());
  const io::Checkpoint checkpoint = value_or_throw(io::Checkpoint::open(directory));
  const CheckpointCheck check = require_checkpoint(config, checkpoint);
  require_mtp(check, checkpoint);
  warn_of_own_copies(check, checkpoint);
  for (const ParameterSlot& slot : layout.slots()) {
    TensorReader reader(ctx, checkpoint, slot.parameter);
    const RowShape shape = reader.shape();
    const i64 step = chunk_rows(shape.cols);
    for (i64 begin = 0; begin < shape.rows; begin += step) {
      const i64 count = std::min(step, shape.rows - begin);
      reader.read_rows(begin,
                       {weights.data() + slot.offset + begin * shape.cols, {count, shape.cols}});
    }
  }
}

}  // namespace fathom::checkpoint

#include "checkpoint/write.h"

#include <algorithm>
#include <vector>

#include "checkpoint/tensor_codec.h"

namespace fathom::checkpoint {

ModelConfig with_stored_dtype(ModelConfig config, DType dtype, ops::ScaleFormat scale_format) {
  return with_storage(std::move(config), {.linear = {.dtype = dtype}}, scale_format);
}

std::string shared_source(const Parameter& parameter, const ModelConfig& config) {
  if (!parameter.shared_copy) return parameter.name;
  const bool head = parameter.name.ends_with("shared_head.head.weight");
  return head && !config.tie_word_embeddings ? "lm_head.weight" : "model.embed_tokens.weight";
}

void write_checkpoint(Ctx& ctx, const ModelConfig& config, const std::filesystem::path& directory,
                      const RowSource& rows, const CheckpointWriteOptions& options) {
  const ModelConfig stored = with_stored_dtype(config, options.dtype, options.scale_format);
  value_or_throw(stored.validate());
  const auto config_path = directory / "config.json";
  if (std::filesystem::exists(config_path)) {
    throw Error(ErrorCode::kInvalidInput, directory.string() + " holds a model already");
  }
  const ModelStorage storage = {.linear = {.dtype = options.dtype}};
  std::vector<io::TensorSpec> specs;
  std::vector<Parameter> parameters;
  i64 total = 0, done = 0;
  for_each_parameter(stored, [&](const Parameter& parameter) {
    declare_parameter(specs, parameter, storage_of(parameter, storage));
    parameters.push_back(parameter);
    total += parameter.elements();
  });
  io::CheckpointWriter writer(directory, specs, options.max_shard_bytes);
  TensorEncoder encoder(ctx, writer, options.scale_format);
  for (const Parameter& parameter : parameters) {
    const RowShape shape = row_shape(parameter.shape);
    const i64 step = chunk_rows(shape.cols);
    for (i64 begin = 0; begin < shape.rows; begin += step) {
      const i64 count = std::min(step, shape.rows - begin);
      encoder.append_rows(parameter.name, storage_of(parameter, storage),
                          rows(parameter, begin, count));
      done += count * shape.cols;
      if (options.on_progress) options.on_progress(done, total);
    }
  }
  writer.commit();
  io::write_file_atomically(config_path, to_json(stored));
}

}  // namespace fathom::checkpoint

#include "checkpoint/gguf/convert.h"

#include "checkpoint/convert/recode.h"
#include "checkpoint/gguf/model_config.h"
#include "checkpoint/gguf/parameters.h"
#include "checkpoint/tensor_codec.h"
#include "io/files/atomic_directory.h"
#include "io/files/atomic_file.h"

namespace fathom::checkpoint {
namespace {

i64 source_bytes(const GgufParameter& p) {
  const io::gguf::TypeInfo& type = info(p.tensor->type);
  return p.parameter.elements() / type.block_elements * type.block_bytes;
}

/// Decodes and encodes the parameters one after another.
class Converter {
 public:
  Converter(Ctx& ctx, const ConvertOptions& options, std::vector<GgufParameter> parameters)
      : ctx_(ctx), options_(options), parameters_(std::move(parameters)) {
    for (const GgufParameter& p : parameters_) total_bytes_ += source_bytes(p);
  }

  void run(const std::filesystem::path& directory, ConvertReport& report) {
    std::vector<io::TensorSpec> specs;
    for (const GgufParameter& p : parameters_) {
      declare_parameter(specs, p.parameter, storage_of(p.parameter, options_.storage));
    }
    io::CheckpointWriter writer(directory, specs, options_.max_shard_bytes);
    TensorEncoder encoder(ctx_, writer, options_.scale_format);
    Recoder recoder(encoder);
    for (const GgufParameter& p : parameters_) report.tensors.push_back(recode(recoder, p));
    writer.commit();
    report.bytes_before = total_bytes_;
    report.bytes_after = writer.total_bytes();
    report.num_shards = writer.num_shards();
  }

 private:
  TensorConversion recode(Recoder& recoder, const GgufParameter& p) {
    const i64 rows = row_shape(p.parameter.shape).rows;
    return recoder.recode(
        p.parameter, std::string(info(p.tensor->type).name),
        storage_of(p.parameter, options_.storage),
        [&](i64 begin, View<float, 2> out) { read_rows(p, begin, out); },
        [&](i64 count) {
          done_bytes_ += source_bytes(p) / rows * count;
          if (options_.on_progress) options_.on_progress(done_bytes_, total_bytes_);
        });
  }

  Ctx& ctx_;
  const ConvertOptions& options_;
  std::vector<GgufParameter> parameters_;
  i64 total_bytes_ = 0;
  i64 done_bytes_ = 0;
};

}  // namespace

ConvertReport convert_gguf(Ctx& ctx, const std::filesystem::path& from,
                           const std::filesystem::path& to, const ConvertOptions& options,
                           const std::function<std::vector<std::string>(
                               const std::filesystem::path&, const io::gguf::File&)>& add_files) {
  const std::filesystem::path target = to.has_filename() ? to : to.parent_path();
  if (std::filesystem::exists(target)) {
    throw Error(ErrorCode::kInvalidInput, target.string() + " exists already");
  }
  const io::gguf::File file = value_or_throw(io::gguf::File::open(from));
  const ModelConfig config = value_or_throw(gguf_model_config(file));
  ConvertReport report;
  io::AtomicDirectory made(target, io::IfDirectoryExists::kRefuse);
  Converter(ctx, options, value_or_throw(gguf_parameters(config, file))).run(made.path(), report);
  if (add_files) report.copied_files = add_files(made.path(), file);
  io::write_file_atomically(made.path() / "config.json",
                            to_json(with_storage(config, options.storage, options.scale_format)));
  made.commit();
  return report;
}

}  // namespace fathom::checkpoint

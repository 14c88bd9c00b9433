#include "model/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>
#include <system_error>

#include "base/parallel.h"
#include "io/json.h"
#include "model/checkpoint_check.h"
#include "model/tensor_codec.h"

namespace fathom::model {
namespace {

namespace fs = std::filesystem;

/// A new directory beside `to`; removed with all in it unless it became `to`.
class PartialDirectory {
 public:
  explicit PartialDirectory(const fs::path& to) {
    const fs::path parent = to.has_parent_path() ? to.parent_path() : fs::path(".");
    std::error_code error;
    fs::create_directories(parent, error);
    std::string pattern = (parent / ("." + to.filename().string() + ".partial-XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw Error(ErrorCode::kIo, fmt::format("{}: cannot make a directory: {}", parent.string(),
                                              std::generic_category().message(errno)));
    }
    path_ = pattern;
    fs::permissions(path_, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                               fs::perms::others_read | fs::perms::others_exec);
  }
  ~PartialDirectory() {
    std::error_code ignored;  // a destructor has no one to tell
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  PartialDirectory(const PartialDirectory&) = delete;
  PartialDirectory& operator=(const PartialDirectory&) = delete;

  void become(const fs::path& to) {
    std::error_code error;
    fs::rename(path_, to, error);
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("{}: cannot rename {} to it: {}", to.string(),
                                              path_.string(), error.message()));
    }
    path_.clear();
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Running comparison of values before and after.
struct ErrorSum {
  double max_difference = 0.0, max_value = 0.0, squared_difference = 0.0, squared_value = 0.0;

  void add(View<const float, 2> before, View<const float, 2> after) {
    for (i64 i = 0; i < before.size(); ++i) {
      const double value = before.data()[i], difference = value - after.data()[i];
      // Written so that a NaN stays: std::max would drop it and call the tensor unchanged.
      if (!(std::abs(difference) <= max_difference)) max_difference = std::abs(difference);
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

/// One tensor of the model on its way.
struct Item {
  const io::StoredTensor* tensor = nullptr;
  const io::StoredTensor* scale = nullptr;
  DType to = DType::kF32;
  bool as_is = false;
};

class Converter {
 public:
  Converter(Ctx& ctx, const ConvertOptions& options, const io::Checkpoint& source,
            const CheckpointCheck& check)
      : ctx_(ctx), options_(options) {
    for (const Parameter& parameter : check.parameters) {
      add(source, parameter);
    }
    std::set<std::string> scales;  // of the model's own matrices: written anew, or no longer true
    for (const Parameter& parameter : check.parameters) scales.insert(scale_name(parameter.name));
    for (const std::string& name : check.unused) {
      if (scales.contains(name)) continue;
      copied_.push_back(source.find(name));
      declare_tensor_as_is(*copied_.back());
    }
  }

  void run(const fs::path& directory, ConvertReport& report) {
    io::CheckpointWriter writer(directory, specs_, options_.max_shard_bytes);
    TensorEncoder encoder(ctx_, writer, options_.scale_format);
    for (const Item& item : items_) {
      if (item.as_is) {
        copy_bytes(writer, *item.tensor);
        if (item.scale != nullptr) copy_bytes(writer, *item.scale);
        report.tensors.push_back({item.tensor->name, item.to, item.to, 0.0, 0.0});
      } else {
        report.tensors.push_back(recode(encoder, item));
      }
    }
    for (const io::StoredTensor* tensor : copied_) copy_bytes(writer, *tensor);
    writer.commit();
    report.copied_tensors = static_cast<i64>(copied_.size());
    report.bytes_before = total_bytes_;
    report.bytes_after = writer.total_bytes();
    report.num_shards = writer.num_shards();
  }

 private:
  void add(const io::Checkpoint& source, const Parameter& parameter) {
    Item item;
    item.tensor = source.find(parameter.name);
    const bool fp8 = item.tensor->dtype == DType::kF8E4M3;
    if (fp8) item.scale = source.find(scale_name(parameter.name));
    item.to = stored_dtype(parameter.kind, options_.dtype);
    item.as_is = item.tensor->dtype == item.to &&
                 !(fp8 && options_.scale_format == ops::ScaleFormat::kUe8m0);
    declare_tensor(specs_, parameter.name, item.to, parameter.shape);
    total_bytes_ += source_bytes(item);
    items_.push_back(item);
  }

  void declare_tensor_as_is(const io::StoredTensor& tensor) {
    specs_.push_back({tensor.name, tensor.dtype, tensor.shape});
    total_bytes_ += static_cast<i64>(tensor.bytes.size());
  }

  static i64 source_bytes(const Item& item) {
    const size_t scale = item.scale != nullptr ? item.scale->bytes.size() : 0;
    return static_cast<i64>(item.tensor->bytes.size() + scale);
  }

  void copy_bytes(io::CheckpointWriter& writer, const io::StoredTensor& tensor) {
    constexpr size_t kChunkBytes = size_t{16} << 20;
    for (size_t begin = 0; begin < tensor.bytes.size(); begin += kChunkBytes) {
      const size_t count = std::min(kChunkBytes, tensor.bytes.size() - begin);
      writer.append(tensor.name, tensor.bytes.subspan(begin, count));
      progress(static_cast<i64>(count));
    }
  }

  TensorConversion recode(TensorEncoder& encoder, const Item& item) {
    TensorReader reader(ctx_, *item.tensor, item.scale);
    const RowShape shape = reader.shape();
    const i64 step = chunk_rows(shape.cols);
    ErrorSum error;
    for (i64 begin = 0; begin < shape.rows; begin += step) {
      const i64 count = std::min(step, shape.rows - begin);
      before_.resize(static_cast<size_t>(count * shape.cols));
      after_.resize(before_.size());
      const View<float, 2> before(before_.data(), {count, shape.cols});
      const View<float, 2> after(after_.data(), {count, shape.cols});
      reader.read_rows(begin, before);
      encoder.append_rows(item.tensor->name, item.to, before, after);
      error.add(before, after);
      progress(count * shape.cols * dtype_bytes(item.tensor->dtype));
    }
    return {item.tensor->name, item.tensor->dtype, item.to, error.max_error(), error.rms_error()};
  }

  void progress(i64 bytes) {
    done_bytes_ += bytes;
    if (options_.on_progress) options_.on_progress(done_bytes_, total_bytes_);
  }

  Ctx& ctx_;
  const ConvertOptions& options_;
  std::vector<Item> items_;
  std::vector<const io::StoredTensor*> copied_;
  std::vector<io::TensorSpec> specs_;
  std::vector<float> before_, after_;
  i64 total_bytes_ = 0;
  i64 done_bytes_ = 0;
};

/// config.json with another dtype; all other keys stay as they are.
void write_config(const fs::path& from, const fs::path& to, const ConvertOptions& options) {
  io::JsonValue json = value_or_throw(io::read_json(from));
  io::JsonObject& config = json.as_object();  // load_model_config has seen that it is one
  const bool f32 = options.dtype == DType::kF32;
  config.set(config.find("dtype") != nullptr ? "dtype" : "torch_dtype",
             f32 ? "float32" : "bfloat16");
  const bool ue8m0 = options.scale_format == ops::ScaleFormat::kUe8m0;
  if (options.dtype != DType::kF8E4M3) {
    config.erase("quantization_config");
  } else if (config.find("quantization_config") == nullptr || ue8m0) {
    io::JsonObject quantization;
    quantization.set("activation_scheme", "dynamic");
    quantization.set("fmt", "e4m3");
    quantization.set("quant_method", "fp8");
    if (ue8m0) quantization.set("scale_fmt", "ue8m0");
    quantization.set("weight_block_size", io::JsonArray{kFp8Block, kFp8Block});
    config.set("quantization_config", std::move(quantization));
  }
  io::write_file_atomically(to, io::write_json(json, 2) + "\n");
}

/// Tokenizer, generation defaults, chat template, licence: what is neither weights nor config.
bool is_companion(const fs::path& path) {
  const std::string name = path.filename().string(), extension = path.extension().string();
  if (name == "config.json" || name.ends_with(".index.json")) return false;
  constexpr std::array<std::string_view, 5> kExtensions = {".json", ".jinja", ".txt", ".model",
                                                           ".md"};
  return name.starts_with("LICENSE") ||
         std::ranges::find(kExtensions, extension) != kExtensions.end();
}

std::vector<std::string> copy_companions(const fs::path& from, const fs::path& to) {
  std::vector<std::string> copied;
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file() || !is_companion(entry.path())) continue;
    std::error_code error;
    fs::copy_file(entry.path(), to / entry.path().filename(), error);
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("{}: cannot copy {}: {}", to.string(),
                                              entry.path().string(), error.message()));
    }
    copied.push_back(entry.path().filename().string());
  }
  std::ranges::sort(copied);
  return copied;
}

}  // namespace

ConvertReport convert_checkpoint(Ctx& ctx, const fs::path& from, const fs::path& to,
                                 const ConvertOptions& options) {
  const fs::path target = to.has_filename() ? to : to.parent_path();  // "out/" means "out"
  if (fs::exists(target)) {
    throw Error(ErrorCode::kInvalidInput, target.string() + " exists already");
  }
  const ModelConfig config = value_or_throw(load_model_config(from));
  const io::Checkpoint source = value_or_throw(io::Checkpoint::open(from));
  const CheckpointCheck check = require_checkpoint(config, source);

  ConvertReport report;
  PartialDirectory partial(target);
  Converter(ctx, options, source, check).run(partial.path(), report);
  report.copied_files = copy_companions(from, partial.path());
  write_config(from / "config.json", partial.path() / "config.json", options);
  partial.become(target);
  return report;
}

}  // namespace fathom::model

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/text.h"
#include "checkpoint/check.h"
#include "checkpoint/gguf/model_config.h"
#include "checkpoint/gguf/parameters.h"
#include "cli/command.h"
#include "cli/inspect/inspect_quantization.h"
#include "cli/inspect/inspect_schema.h"
#include "cli/output.h"
#include "config/model/generation_config.h"
#include "engine/prompt.h"
#include "io/gguf/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "plan/model_notes.h"
#include "plan/model_size.h"
#include "tokenizer/tokenizer.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

/// In the order of the types' numbers.
using BytesByType = std::vector<std::pair<std::string, i64>>;

/// Everything `inspect` says, gathered before a line is printed.
struct Inspection {
  ModelConfig config;
  plan::ModelSize size;
  bool has_weights = false;
  BytesByType bytes_by_type;  // of the files, else of the config
  i64 num_tensors = 0;
  i64 num_files = 0;
  std::vector<std::string> notes;
  std::vector<std::string> problems;  // of the files against the config
};

BytesByType named(const std::map<DType, i64>& bytes) {
  BytesByType by_name;
  for (const auto& [dtype, count] : bytes) by_name.emplace_back(dtype_name(dtype), count);
  return by_name;
}

bool holds_weights(const fs::path& directory) {
  return fs::exists(directory / "model.safetensors") ||
         fs::exists(directory / "model.safetensors.index.json");
}

void inspect_files(const fs::path& directory, Inspection& result) {
  const io::Checkpoint checkpoint = value_or_throw(io::Checkpoint::open(directory));
  result.has_weights = true;
  result.bytes_by_type = named(checkpoint.bytes_by_dtype());
  result.num_tensors = static_cast<i64>(checkpoint.tensors().size());
  result.num_files = static_cast<i64>(checkpoint.files().size());
  const checkpoint::CheckpointCheck check = checkpoint::check_checkpoint(result.config, checkpoint);
  result.config = check.config;
  result.size = plan::model_size(result.config);
  result.problems = check.problems;
  result.notes.insert(result.notes.end(), check.notes.begin(), check.notes.end());
  if (!check.unused.empty()) {
    result.notes.push_back(
        fmt::format("{} stored tensors that the model has no place for, such as {}",
                    check.unused.size(), check.unused.front()));
  }
  if (check.num_mtp > 0 && check.num_mtp < result.config.num_nextn_predict_layers) {
    result.notes.push_back(fmt::format("{} of {} MTP modules are stored", check.num_mtp,
                                       result.config.num_nextn_predict_layers));
  }
  if (result.config.num_nextn_predict_layers > 0 && check.num_mtp == 0) {
    result.notes.push_back(
        "num_nextn_predict_layers announces an MTP module, the files have none: the model runs "
        "without; to train it, set num_nextn_predict_layers to 0");
  }
}

/// Reads all that `generate` reads beside the weights, so that both refuse the same.
void inspect_tokenizer(const std::string& path, Inspection& result) {
  const i64 ids = value_or_throw(engine::load_text_codec(path)).tokenizer.vocab_size();
  value_or_throw(load_generation_config(path));
  const i64 rows = result.config.vocab_size;
  if (ids < rows) {
    result.notes.push_back(fmt::format(
        "{} of {} rows of the vocabulary have no token and are never sampled", rows - ids, rows));
  } else if (ids > rows) {
    result.notes.push_back(fmt::format(
        "the tokenizer has {} ids, vocab_size is {}: a prompt with an id from there on is refused",
        ids, rows));
  }
}

Inspection inspect_gguf(const std::string& path) {
  const io::gguf::File file = value_or_throw(io::gguf::File::open(path));
  Inspection result;
  result.config = value_or_throw(checkpoint::gguf_model_config(file));
  result.size = plan::model_size(result.config);
  result.has_weights = true;
  result.num_tensors = static_cast<i64>(file.tensors().size());
  result.num_files = static_cast<i64>(file.maps().size());
  std::map<io::gguf::Type, i64> bytes;
  for (const io::gguf::Tensor& tensor : file.tensors()) {
    bytes[tensor.type] += static_cast<i64>(tensor.bytes.size());
  }
  for (const auto& [type, count] : bytes) {
    result.bytes_by_type.emplace_back(io::gguf::info(type).name, count);
  }
  result.notes = plan::model_notes(result.config);
  const auto parameters = checkpoint::gguf_parameters(result.config, file);
  if (!parameters) result.problems.push_back(parameters.error().message());
  const auto tokenizer = tokenizer::Tokenizer::load_model(path);
  if (tokenizer) {
    inspect_tokenizer(path, result);
  } else {
    result.notes.push_back("no tokenizer: " + tokenizer.error().message());
  }
  return result;
}

Inspection inspect(const std::string& path) {
  if (io::gguf::is_gguf(path)) return inspect_gguf(path);
  Inspection result;
  result.config = value_or_throw(load_model_config(path));
  result.size = plan::model_size(result.config);
  result.bytes_by_type = named(result.size.bytes_by_dtype);
  result.num_tensors = result.size.num_tensors;
  result.notes = plan::model_notes(result.config);
  const fs::path directory(path);
  if (!fs::is_directory(directory)) return result;
  if (holds_weights(directory)) inspect_files(directory, result);
  if (fs::exists(directory / "tokenizer.json") || fs::exists(directory / "tiktoken.model")) {
    inspect_tokenizer(directory.string(), result);
  } else if (result.has_weights) {
    result.notes.push_back("no tokenizer: only token ids can be given to it");
  }
  return result;
}

i64 sum_bytes(const BytesByType& bytes) {
  i64 total = 0;
  for (const auto& [dtype, count] : bytes) total += count;
  return total;
}

constexpr std::array kCacheTypes = {DType::kF32, DType::kBF16, DType::kF8E4M3};

void print_parameters(const plan::ModelSize& size) {
  out::print("\nparameters         {:>12}\n", "total");
  out::print("  all              {:>12}   {}\n", format_count(size.total), size.total);
  out::print("  active           {:>12}   {}\n", format_count(size.active), size.active);
  out::print("  without embedding{:>12}   {}\n", format_count(size.active_without_embedding),
             size.active_without_embedding);
  if (size.mtp > 0) {
    out::print("  MTP module       {:>12}   {} with its copies of embedding and head\n",
               format_count(size.mtp), format_count(size.mtp_with_copies));
  }
  out::print("\n{:<18} {:>12} {:>12}\n", "by part", "total", "active");
  for (int i = 0; i < kNumModelParts; ++i) {
    const auto part = static_cast<ModelPart>(i);
    const plan::PartSize& count = size.part(part);
    if (count.total == 0) continue;
    out::print("  {:<16} {:>12} {:>12}\n", to_string(part), format_count(count.total),
               format_count(count.active));
  }
}

void print_text(const Inspection& inspection) {
  const ModelConfig& c = inspection.config;
  out::print("{} ({}), {} layers", to_string(c.architecture), c.model_type, c.num_hidden_layers);
  i64 moe_layers = 0;
  for (i64 layer = 0; layer < c.num_hidden_layers; ++layer) moe_layers += c.is_moe_layer(layer);
  if (moe_layers > 0) {
    out::print(" ({} dense, {} MoE), {} of {} experts + {} shared",
               c.num_hidden_layers - moe_layers, moe_layers, c.num_experts_per_tok,
               c.n_routed_experts, c.n_shared_experts);
  }
  out::print(", {} heads, hidden {}, vocabulary {}\n", c.num_attention_heads, c.hidden_size,
             c.vocab_size);
  print_parameters(inspection.size);

  out::print("\nbytes {}\n",
             inspection.has_weights
                 ? fmt::format("stored in {} file{}, {} tensors", inspection.num_files,
                               inspection.num_files == 1 ? "" : "s", inspection.num_tensors)
                 : fmt::format("that the config's types take, {} tensors", inspection.num_tensors));
  for (const auto& [type, bytes] : inspection.bytes_by_type) {
    out::print("  {:<16} {:>12}\n", type, format_bytes(bytes));
  }
  out::print("  {:<16} {:>12}\n", "all", format_bytes(sum_bytes(inspection.bytes_by_type)));

  out::print("\nKV cache           {:>12}   at {} tokens\n", "a token", c.max_position_embeddings);
  for (const DType dtype : kCacheTypes) {
    const i64 bytes = plan::cache_bytes_per_token(c, dtype);
    const auto all = checked_mul(bytes, c.max_position_embeddings);
    out::print("  {:<16} {:>12}   {}\n", dtype_name(dtype), fmt::format("{} B", bytes),
               all ? format_bytes(*all) : "more than can be counted");
  }
  if (!inspection.notes.empty()) out::print("\nworth knowing\n");
  for (const std::string& note : inspection.notes) out::print("  - {}\n", note);
  if (!inspection.problems.empty()) out::print("\nproblems: this model does not load\n");
  for (const std::string& problem : inspection.problems) out::print("  - {}\n", problem);
}

io::JsonArray to_array(const std::vector<std::string>& texts) {
  io::JsonArray array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

io::JsonValue to_json(const Inspection& inspection) {
  const plan::ModelSize& size = inspection.size;
  io::JsonObject parameters, parts, bytes, cache, object;
  parameters.set("total", size.total);
  parameters.set("active", size.active);
  parameters.set("active_without_embedding", size.active_without_embedding);
  parameters.set("mtp", size.mtp);
  parameters.set("mtp_with_copies", size.mtp_with_copies);
  parameters.set("attention_per_layer", size.attention_per_layer);
  parameters.set("one_expert", size.one_expert);
  parameters.set("moe_layer_ffn", size.moe_layer_ffn);
  for (int i = 0; i < kNumModelParts; ++i) {
    const auto part = static_cast<ModelPart>(i);
    io::JsonObject counts;
    counts.set("total", size.part(part).total);
    counts.set("active", size.part(part).active);
    parts.set(std::string(to_string(part)), std::move(counts));
  }
  parameters.set("parts", std::move(parts));
  for (const auto& [type, count] : inspection.bytes_by_type) bytes.set(type, count);
  for (const DType dtype : kCacheTypes) {
    cache.set(std::string(dtype_name(dtype)),
              plan::cache_bytes_per_token(inspection.config, dtype));
  }
  object.set("architecture", to_string(inspection.config.architecture));
  object.set("model_type", inspection.config.model_type);
  object.set("parameters", std::move(parameters));
  object.set("has_weights", inspection.has_weights);
  object.set("tensors", inspection.num_tensors);
  object.set("bytes_by_dtype", std::move(bytes));
  object.set("bytes", sum_bytes(inspection.bytes_by_type));
  object.set("cache_bytes_per_token", std::move(cache));
  object.set("notes", to_array(inspection.notes));
  object.set("problems", to_array(inspection.problems));
  return object;
}

class Inspect : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("inspect", "What a model is: sizes, bytes, oddities");
    Option model = command.add_option(
        "model", path_,
        "Model directory, .gguf file, or a config.json alone; a run for --quantization");
    command
        .add_option("--schema", schema_,
                    "A JSON Schema: what of it answers would be held to; - reads stdin")
        .type_name("FILE")
        .excludes(model);
    command.add_flag("--json", json_, "One JSON object");
    add_quantization_options(command, quantization_);
    command.footer(
        "Parameters are counted from the config; bytes come from the files where there are any,\n"
        "and then every tensor is checked against the config.\n"
        "Example: fathom inspect configs/models/deepseek-v3.json\n"
        "         fathom inspect --quantization models/nano --static-amax 99.9%\n"
        "         fathom inspect --schema answer.json");
    return command;
  }

  int run() override {
    if (!schema_.empty()) {
      if (quantization_.wanted) {
        throw Error(ErrorCode::kInvalidInput,
                    "--quantization is about a model: leave out --schema");
      }
      return inspect_schema(schema_, json_);
    }
    if (path_.empty()) {
      throw Error(ErrorCode::kInvalidInput, "a model is required, or --schema FILE");
    }
    if (quantization_.wanted) return inspect_quantization(path_, quantization_, json_);
    const Inspection inspection = inspect(path_);
    if (json_) {
      out::print("{}\n", io::write_json(to_json(inspection)));
    } else {
      print_text(inspection);
    }
    return inspection.problems.empty() ? kExitOk : kExitUserError;
  }

 private:
  std::string path_, schema_;
  bool json_ = false;
  QuantizationOptions quantization_;
};

}  // namespace

std::unique_ptr<Command> make_inspect() { return std::make_unique<Inspect>(); }

}  // namespace fathom::cli

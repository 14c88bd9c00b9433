#include "checkpoint/convert/convert.h"

#include <algorithm>
#include <array>

#include "checkpoint/check.h"
#include "checkpoint/convert/convert_tensors.h"
#include "io/files/atomic_directory.h"
#include "io/files/atomic_file.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace fathom::checkpoint {
namespace {

namespace fs = std::filesystem;

/// A head that was kept beside tie_word_embeddings is not tied, for every reader.
std::string untied(const std::string& text, const std::string& where) {
  io::JsonValue json = value_or_throw(io::parse_json(text, where));
  json.as_object().set("tie_word_embeddings", false);
  return io::write_json(json, 2) + "\n";
}

/// config.json with another way its weights are stored; all other keys stay as they are.
void write_config(const fs::path& from, const fs::path& to, const ModelConfig& config,
                  const ConvertOptions& options) {
  const ModelConfig stored = with_storage(config, options.storage, options.scale_format);
  auto quantization = stored.quantization_config;
  if (quantization && config.quantization_config && quantization->scale_fmt.empty()) {
    // FP8 tensors were copied, scales and all.
    quantization->scale_fmt = config.quantization_config->scale_fmt;
  }
  std::string text = value_or_throw(io::read_text(from, i64{4} << 20));
  const bool says_tied =
      value_or_throw(parse_model_config(text, from.string())).tie_word_embeddings;
  if (says_tied && !config.tie_word_embeddings) text = untied(text, from.string());
  io::write_file_atomically(to, value_or_throw(fathom::with_storage(text, stored.torch_dtype,
                                                                    quantization, from.string())));
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
    io::copy_file_atomically(entry.path(), to / entry.path().filename());
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
  const io::Checkpoint source = value_or_throw(io::Checkpoint::open(from));
  const CheckpointCheck check = require_checkpoint(value_or_throw(load_model_config(from)), source);

  ConvertReport report;
  io::AtomicDirectory written(target, io::IfDirectoryExists::kRefuse);
  convert_tensors(ctx, source, check, written.path(), options, report);
  report.copied_files = copy_companions(from, written.path());
  write_config(from / "config.json", written.path() / "config.json", check.config, options);
  written.commit();
  return report;
}

}  // namespace fathom::checkpoint

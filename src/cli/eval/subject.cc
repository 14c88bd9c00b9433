#include "cli/eval/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backend/backend.h"
#include "io/content_hash.h"
#include "tokenizer/chat/template.h"

namespace fathom::cli {
namespace {

constexpr i64 kMinCacheTokens = 16'384;

/// Names, sizes and times of a model's files.
io::Hasher hasher_of_files(const std::string& model) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files = {model};
  if (fs::is_directory(model)) {
    files.clear();
    for (const auto& entry : fs::directory_iterator(model)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::ranges::sort(files);
  }
  io::Hasher hasher;
  for (const fs::path& file : files) {
    hasher.add(file.filename().string());
    hasher.add(static_cast<i64>(fs::file_size(file)));
    hasher.add(static_cast<i64>(fs::last_write_time(file).time_since_epoch().count()));
  }
  return hasher;
}

/// What answers depend on: the files, and how they are computed.
std::string identity_of(const ModelOptions& options, const engine::EngineOptions& engine) {
  io::Hasher hasher = hasher_of_files(options.directory);
  hasher.add(static_cast<i64>(engine.run.activations));
  hasher.add(static_cast<i64>(engine.cache_dtype));
  hasher.add(static_cast<i64>(engine.run.mla_form));
  hasher.add(options.context_tokens);  // what does not fit is cut
  hasher.add(options.gguf_to);
  return io::to_string(hasher.digest());
}

std::string dtype_name(const engine::EngineOptions& options) {
  switch (options.run.activations) {
    case ops::Activations::kF32:
      return "float32";
    case ops::Activations::kBf16:
      return "bfloat16";
    case ops::Activations::kInt8:
      return "int8";
    default:
      return "float8";
  }
}

void add_chat_template(const std::string& directory, const std::string& name,
                       const engine::TextCodec& codec, eval::EngineModelOptions& settings) {
  settings.chat = value_or_throw(tokenizer::load_chat_template(directory, name));
  const tokenizer::ChatTemplate& found = *settings.chat->chat_template;
  value_or_throw(tokenizer::check_chat_tokens(found, codec.tokenizer));
  const auto end = codec.tokenizer.token_to_id(found.end_of_turn);
  if (end) settings.stop_token_ids.push_back(*end);
}

/// Ids that a chat template puts around a message, at most; the system text of some is long.
constexpr i64 kTemplateTokens = 2048;

}  // namespace

i64 longest_request_tokens(std::span<const eval::Task> tasks) {
  i64 longest = 1;
  for (const eval::Task& task : tasks) {
    const bool generates = task.output == eval::OutputKind::kGenerate;
    for (const eval::Item& item : task.items) {
      longest =
          std::max(longest, std::ssize(item.prompt) + (generates ? task.prompt.max_tokens : 0));
      for (const eval::ContextAndText& each : item.options) {
        longest = std::max(longest, std::ssize(each.context) + std::ssize(each.text));
      }
    }
  }
  return longest + 1;
}

i64 longest_judged_tokens(std::span<const eval::Task> tasks) {
  constexpr i64 kBytesPerToken = 16;  // of answers; a vocabulary has few longer ones
  i64 longest = 1;
  for (const eval::Task& task : tasks) {
    const eval::JudgeSpec& judge = task.prompt.judge;
    for (const eval::Item& item : task.items) {
      const i64 document = std::ssize(io::write_json(item.document.visible));
      longest = std::max(longest, std::ssize(judge.text) + 2 * document + judge.max_tokens +
                                      kBytesPerToken * task.prompt.max_tokens);
    }
  }
  return longest;
}

eval::EngineModelOptions engine_model_options(const ModelOptions& options,
                                              const ModelConfig& config,
                                              const engine::TextCodec& codec, i64 longest_tokens) {
  eval::EngineModelOptions settings;
  settings.engine = engine_options(options, config, longest_tokens);
  settings.engine.cache_tokens = std::max(2 * settings.engine.context_tokens, kMinCacheTokens);
  settings.engine.draft_tokens = 0;
  settings.stop_token_ids = engine::stop_token_ids(codec, config, {});
  settings.facts.kind = "fathom";
  settings.facts.name = options.directory;
  settings.facts.arguments = "pretrained=" + options.directory;
  settings.facts.dtype = dtype_name(settings.engine);
  return settings;
}

LocalSubject::LocalSubject(const ModelOptions& options, i64 longest_tokens,
                           const std::optional<std::string>& chat,
                           const std::atomic<bool>* interrupted, bool counts_experts)
    : ctx_(backend::make_context()),
      weights_(load_model(ctx_, options)),
      codec_(value_or_throw(engine::load_text_codec(options.directory))) {
  eval::EngineModelOptions settings = engine_model_options(
      options, weights_->config(), codec_, longest_tokens + (chat ? kTemplateTokens : 0));
  if (counts_experts && !weights_->config().has_experts()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--loads: {} has no experts", options.directory));
  }
  settings.engine.keep_routes = counts_experts;
  if (chat) add_chat_template(options.directory, *chat, codec_, settings);
  settings.interrupted = interrupted;
  settings.facts.identity = identity_of(options, settings.engine) + (chat ? " chat " + *chat : "");
  engine_ = std::make_unique<eval::EngineModel>(ctx_, *weights_, codec_, settings);
}

RemoteSubject::RemoteSubject(eval::EndpointOptions options, const std::string& tokenizer) {
  if (!tokenizer.empty()) {
    codec_ = value_or_throw(engine::load_text_codec(tokenizer));
    options.tokenizer = io::to_string(hasher_of_files(tokenizer).digest());
  }
  endpoint_ = std::make_unique<eval::EndpointModel>(options, codec_ ? &*codec_ : nullptr);
}

}  // namespace fathom::cli

#include "cli/serve/loaded_model.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>

#include "backend/backend.h"
#include "base/log.h"
#include "cli/options/model_options.h"
#include "cli/options/rank_options.h"
#include "config/model/generation_config.h"
#include "engine/prompt.h"
#include "grammar/match/vocabulary.h"
#include "io/content_sample.h"
#include "io/files/private_directory.h"
#include "tokenizer/chat/normal_form.h"

namespace fathom::cli {
namespace {

constexpr i64 kContextsInCache = 4;
/// Of events, before a sequence whose client lags pauses: as JSON they are several times as long.
constexpr i64 kMaxUnreadBytes = i64{64} << 10;
constexpr std::string_view kProgram = " fathom 0.1.0";  // another one may give another answer

ModelOptions model_options(const serve::ModelSection& section) {
  return {.directory = section.path,
          .gguf_to = section.gguf_to,
          .activations = section.activations,
          .cache = section.cache_dtype,
          .mla = section.mla,
          .context_tokens = section.context_tokens};
}

engine::EngineOptions engine_settings(const serve::ServeConfig& config, const ModelConfig& model,
                                      const std::string& fingerprint) {
  engine::EngineOptions options =
      engine_options(model_options(config.model), model, model.max_position_embeddings);
  options.cost_measurement_s = engine::EngineOptions().cost_measurement_s;
  options.cache_tokens = config.model.cache_tokens > 0 ? config.model.cache_tokens
                                                       : kContextsInCache * options.context_tokens;
  options.max_cache_share = config.cache.share;
  options.draft_tokens = config.model.drafts;
  options.max_unread_bytes = kMaxUnreadBytes;
  options.limits.max_running = config.limits.max_running;
  options.limits.max_waiting = config.limits.max_waiting;
  options.limits.max_queue_s = config.limits.max_queue_s;
  options.limits.wall_clock_s = config.limits.max_request_s;
  options.keep_routes = !config.model.loads_file.empty();
  options.disk = {.directory = config.cache.directory,
                  .max_bytes = static_cast<i64>(config.cache.max_gib * (i64{1} << 30)),
                  .content = fingerprint + std::string(kProgram)};
  return options;
}

void check_loads_file(const serve::ModelSection& section, const ModelConfig& model) {
  if (section.loads_file.empty() || model.has_experts()) return;
  throw Error(ErrorCode::kInvalidInput, "model.loads_file: " + section.path + " has no experts");
}

}  // namespace

std::string served_name(const serve::ModelSection& section) {
  if (!section.name.empty()) return section.name;
  std::filesystem::path path = section.path;
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  return name.empty() || name == "." || name == ".." ? "model" : name;
}

void check_model(const serve::ModelSection& section) {
  check_model_path(section.path);
  if (std::filesystem::is_directory(section.path)) {
    check_loads_file(section, value_or_throw(load_model_config(section.path)));
  }
  if (section.chat_template.empty()) return;
  value_or_throw(tokenizer::parse_chat_template_name(section.chat_template));
}

void check_cache(const serve::CacheSection& section) {
  if (section.directory.empty()) return;
  try {
    const io::PrivateDirectory ours(section.directory);
  } catch (const Error& error) {
    throw Error(error.code(), "cache.directory: " + error.message());
  }
}

struct LoadedModel::Impl {
  explicit Impl(const serve::ServeConfig& config)
      : ctx(backend::make_context()),
        model(load_model(ctx, model_options(config.model))),
        codec(value_or_throw(engine::load_text_codec(config.model.path))),
        content(value_or_throw(io::sample_content(config.model.path))),
        engine(make_engine_on(config.ranks, ctx, *model, &codec.tokenizer,
                              engine_settings(config, model->config(), content.this_write))),
        served{.engine = *engine,
               .codec = codec,
               .name = served_name(config.model),
               .aliases = serve::ModelAliases(config.model.aliases),
               .fingerprint = fmt::format(
                   "fp_{:016x}", tokenizer::fnv1a(content.content + std::string(kProgram))),
               .created = std::chrono::duration_cast<std::chrono::seconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count(),
               .vocab_size = model->config().vocab_size,
               .trained_context_tokens = model->config().max_position_embeddings,
               .advice = value_or_throw(load_generation_config(config.model.path)),
               .vocabulary = std::make_shared<const grammar::Vocabulary>(codec.tokenizer),
               .grammars = std::make_shared<grammar::CompileCache>(),
               .max_tokens = config.api.max_tokens,
               .max_thinking_tokens = config.api.max_thinking_tokens,
               .reasoning_field = std::string(
                   kReasoningFieldNames[static_cast<size_t>(config.api.reasoning_field)].second),
               .strict_fields = config.api.strict_fields},
        thread(*engine) {
    if (!config.model.loads_file.empty()) count_experts(config.model);
    served.stop_token_ids =
        engine::stop_token_ids(codec, model->config(), served.advice.eos_token_id);
    find_chat_template(config.model);
  }

  void count_experts(const serve::ModelSection& section) {
    check_loads_file(section, model->config());
    loads.emplace(model->config());
    served.expert_loads = &*loads;
  }

  /// Without one the model is served all the same: completions need none.
  void find_chat_template(const serve::ModelSection& section) {
    auto found = tokenizer::load_chat_template(section.path, section.chat_template);
    if (found) {
      const auto fits = tokenizer::check_chat_tokens(*found->chat_template, codec.tokenizer);
      if (!fits) found = tl::unexpected(fits.error());
    }
    if (found) {
      served.chat_template = found->chat_template;
      served.chat_texts = found->texts;
      log::info("chat template {}", served.chat_template->name);
      return;
    }
    if (!section.chat_template.empty()) throw Error(found.error());
    served.chat_problem = "this model is served without chat: " + found.error().message();
    log::warn("{}", served.chat_problem);
  }

  static constexpr const auto& kReasoningFieldNames = serve::kReasoningFieldNames;

  Ctx ctx;
  std::unique_ptr<model::Model> model;
  engine::TextCodec codec;
  io::ContentSample content;
  std::optional<engine::ExpertLoads> loads;  // before the engine, whose requests use it
  std::unique_ptr<engine::Engine> engine;
  serve::ServedModel served;
  engine::EngineThread thread;  // last: it steps the engine
};

LoadedModel::LoadedModel(const serve::ServeConfig& config)
    : impl_(std::make_unique<Impl>(config)) {}
LoadedModel::~LoadedModel() = default;

const serve::ServedModel& LoadedModel::served() const { return impl_->served; }
void LoadedModel::set_aliases(std::vector<std::string> aliases) {
  impl_->served.aliases.set(std::move(aliases));
}
engine::Engine& LoadedModel::engine() { return *impl_->engine; }
std::vector<std::vector<i64>> LoadedModel::expert_loads() const {
  return impl_->loads ? impl_->loads->counts() : std::vector<std::vector<i64>>();
}

}  // namespace fathom::cli

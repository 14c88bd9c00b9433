#pragma once
// What `fathom serve` can be told, by a TOML file, the environment and flags. All in one place, so
// that it can be printed as it was understood.
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "config/field_list.h"
#include "config/serving/serving_ranks.h"
#include "serve/accounts/accounts_config.h"
#include "serve/config/listen_config.h"

namespace fathom::serve {

/// [model]: what is served, and how it is run.
struct ModelSection {
  std::string path;
  std::string name;
  std::vector<std::string> aliases;
  std::string chat_template;
  std::string gguf_to = "auto", activations = "auto", cache_dtype = "auto", mla = "auto";
  i64 context_tokens = 0;
  i64 cache_tokens = 0;
  i64 drafts = 3;
  std::string loads_file;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// [server]: where it listens and how it ends.
struct ServerSection : ListenSection {
  std::vector<std::string> allowed_origins;
  i64 worker_threads = 4;
  double keep_alive_s = 10;
  double stalled_after_s = 60;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

enum class ReasoningField { kReasoningContent, kReasoning, kBoth };
inline constexpr std::array<std::pair<ReasoningField, std::string_view>, 3> kReasoningFieldNames = {
    {{ReasoningField::kReasoningContent, "reasoning_content"},
     {ReasoningField::kReasoning, "reasoning"},
     {ReasoningField::kBoth, "both"}}};

/// [api]: what clients get where they do not say.
struct ApiSection {
  i64 max_tokens = 8192;
  i64 max_thinking_tokens = 16384;
  ReasoningField reasoning_field = ReasoningField::kReasoningContent;
  bool strict_fields = false;

  void list_fields(FieldList& list);
};

/// [limits]: what one client, and all of them, may take.
struct LimitsSection : ConnectionLimits {
  i64 max_running = 64;
  i64 max_waiting = 256;
  double max_queue_s = 600;
  double max_request_s = 3600;

  void list_fields(FieldList& list);
};

/// [cache]: what is kept of prompts and answers, in memory and beside it.
struct CacheSection {
  std::string directory;
  double max_gib = 16;
  double share = 0.5;

  void list_fields(FieldList& list);
};

struct ServeConfig {
  ModelSection model;
  ServerSection server;
  ApiSection api;
  LimitsSection limits;
  CacheSection cache;
  ServingRanks ranks;
  AccountsConfig accounts;
  KeyConfigs keys;
  PriceTables prices;

  void list_fields(FieldList& list);
};

/// The variables PREFIX_SECTION_KEY of `environment` ("NAME=value"), `prefix` with its underscore,
/// as settings ("section.key=value"). Errors name every one that stands for no key.
Result<std::vector<std::string>> environment_settings(std::string_view prefix,
                                                      std::span<const std::string> environment,
                                                      const FieldList& root);

}  // namespace fathom::serve

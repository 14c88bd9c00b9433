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
#include "base/log.h"
#include "base/types.h"
#include "config/field_list.h"
#include "config/serving/serving_ranks.h"
#include "serve/accounts/accounts_config.h"

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

enum class LogFormat { kText, kJson };
inline constexpr std::array<std::pair<LogFormat, std::string_view>, 2> kLogFormatNames = {
    {{LogFormat::kText, "text"}, {LogFormat::kJson, "json"}}};

inline constexpr std::array<std::pair<log::Level, std::string_view>, 4> kLogLevelNames = {
    {{log::Level::kDebug, "debug"},
     {log::Level::kInfo, "info"},
     {log::Level::kWarn, "warn"},
     {log::Level::kError, "error"}}};

/// [server]: where it listens and how it ends.
struct ServerSection {
  std::string host = "127.0.0.1";
  i64 port = 8080;
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> allowed_origins;
  i64 http_threads = 2;
  i64 worker_threads = 4;
  std::string tls_certificate, tls_key;
  double keep_alive_s = 10;
  double drain_delay_s = 5;
  double drain_timeout_s = 60;
  double stalled_after_s = 60;
  LogFormat log_format = LogFormat::kText;
  log::Level log_level = log::Level::kInfo;

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
struct LimitsSection {
  double max_body_mib = 32;
  i64 max_connections = 4096;
  i64 max_connections_per_address = 64;
  double idle_s = 75;
  double header_s = 10;
  double write_s = 30;
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

/// The variables FATHOM_SERVE_SECTION_KEY of `environment` ("NAME=value") as settings
/// ("section.key=value"). Errors name every one that stands for no key.
Result<std::vector<std::string>> environment_settings(std::span<const std::string> environment,
                                                      const FieldList& root);

}  // namespace fathom::serve

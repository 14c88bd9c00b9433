#include "serve/accounts/keys/key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "config/run/run_file.h"

namespace fathom::serve {
namespace {

constexpr Range kLimitRange = {.min = 0, .max = 1e15};
constexpr Range kPriorityRange = {.min = -100, .max = 100};
constexpr Range kWeightRange = {.min = 0.01, .max = 100};
constexpr Range kBudgetRange = {.min = 0, .max = 1e9};
constexpr size_t kIdDigits = 16;
constexpr std::array<std::pair<Period, std::string_view>, 3> kPeriodNames = {
    {{Period::kDay, "day"}, {Period::kWeek, "week"}, {Period::kMonth, "month"}}};

}  // namespace

std::string key_id(const KeyDigest& digest) { return "key_" + to_hex(digest).substr(0, kIdDigits); }

void KeyConfig::list_fields(FieldList& list) {
  list.add("sha256", sha256, "SHA-256 of the key, as `fathom keys add --static` prints it");
  list.add("shown", shown, "the key's first characters, for lists");
  list.add("enabled", enabled, "false: refused until it is true again");
  list.add("expires", expires,
           "the first day (UTC, 2026-12-31) that it is refused on; empty: never");
  list.add("models", models, "models that it may use; one may end in *; empty: all");
  list.add("admin", admin, "may read everybody's usage and change keys");
  list.add("priority", priority,
           "of its requests, and the most urgent that they may ask for; lower is sooner",
           kPriorityRange);
  list.add("weight", weight, "its share of the engine beside other keys", kWeightRange);
  list.add("requests_per_minute", requests_per_minute, "0: no limit", kLimitRange);
  list.add("tokens_per_minute", tokens_per_minute, "prompts and answers; 0: no limit", kLimitRange);
  list.add("max_parallel", max_parallel, "requests that run at once; 0: no limit", kLimitRange);
  list.add("quota_tokens", quota_tokens, "prompts and answers of a period; 0: no limit",
           kLimitRange);
  list.add("budget", budget, "money of a period, in the unit of the prices; 0: no limit",
           kBudgetRange);
  list.add("period", period, kPeriodNames, "of quota and budget, in UTC; weeks begin on Monday");
}

void KeyConfig::check(const std::string& prefix, Problems& problems) const {
  KeyDigest digest;
  if (!from_hex(sha256, digest)) {
    problems.invalid(prefix + "sha256",
                     fmt::format("found \"{}\", expected 64 hexadecimal digits", sha256));
  }
  i64 day = 0;
  if (!expires.empty() && !parse_date(expires, day)) {
    problems.invalid(prefix + "expires",
                     fmt::format("found \"{}\", expected a date such as 2026-12-31", expires));
  }
}

Key static_key(const std::string& name, const KeyConfig& config) {
  Key key{.name = name, .shown = config.shown, .is_static = true};
  from_hex(config.sha256, key.digest);
  key.id = key_id(key.digest);
  KeySettings& settings = key.settings;
  settings = {.is_enabled = config.enabled,
              .models = config.models,
              .is_admin = config.admin,
              .priority = config.priority,
              .weight = config.weight,
              .requests_per_minute = config.requests_per_minute,
              .tokens_per_minute = config.tokens_per_minute,
              .max_parallel = config.max_parallel,
              .quota_tokens = config.quota_tokens,
              .budget = to_nano(config.budget),
              .period = config.period};
  if (!config.expires.empty()) parse_date(config.expires, settings.expires_s);
  return key;
}

}  // namespace fathom::serve

#include "cli/accounts/key_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "config/run/run_file.h"

namespace fathom::cli {
namespace {

using serve::Key;
using serve::KeyConfig;
using serve::KeySettings;

/// A file of keys alone.
struct KeyFile {
  std::map<std::string, KeyConfig> keys;
  void list_fields(FieldList& list) { list.add("keys", keys, "who may use the server"); }
};

std::string state_of(const Key& key, i64 now_s) {
  const KeySettings& settings = key.settings;
  if (key.revoked_s != 0) return "revoked " + serve::date_of(key.revoked_s);
  if (!settings.is_enabled) return "off";
  if (settings.expires_s != 0 && now_s >= settings.expires_s) {
    return "expired " + serve::date_of(settings.expires_s);
  }
  return "valid";
}

std::string limits_of(const KeySettings& settings) {
  std::vector<std::string> limits;
  const auto add = [&limits](i64 value, const char* unit) {
    if (value > 0) limits.push_back(fmt::format("{} {}", value, unit));
  };
  add(settings.requests_per_minute, "requests/min");
  add(settings.tokens_per_minute, "tokens/min");
  add(settings.max_parallel, "at once");
  const std::string period(serve::period_name(settings.period));
  if (settings.quota_tokens > 0) {
    limits.push_back(fmt::format("{} tokens/{}", settings.quota_tokens, period));
  }
  if (settings.budget > 0) {
    limits.push_back(fmt::format("budget {}/{}", serve::money_text(settings.budget), period));
  }
  if (settings.expires_s != 0) limits.push_back("until " + serve::date_of(settings.expires_s));
  if (!settings.models.empty()) {
    limits.push_back(fmt::format("models {}", fmt::join(settings.models, " ")));
  }
  if (settings.is_admin) limits.emplace_back("admin");
  return fmt::format("{}", fmt::join(limits, ", "));
}

}  // namespace

std::string key_toml(const std::string& name, const KeyConfig& config) {
  KeyFile file{.keys = {{name, config}}};
  return write_run_file(field_list(file));
}

std::string key_table(std::span<const Key> keys, i64 now_s) {
  std::string text = fmt::format("{:<20} {:<10} {:<19} {}\n", "name", "begins", "state", "limits");
  for (const Key& key : keys) {
    text += fmt::format("{:<20} {:<10} {:<19} {}{}\n", printable(key.name), printable(key.shown),
                        state_of(key, now_s), limits_of(key.settings),
                        key.is_static ? " (of the server's file)" : "");
  }
  return text;
}

}  // namespace fathom::cli

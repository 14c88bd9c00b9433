#include "serve/accounts/keys/key_json.h"

namespace fathom::serve {

io::JsonObject key_json(const Key& key) {
  const KeySettings& settings = key.settings;
  io::JsonObject object;
  object.set("id", key.id);
  object.set("name", key.name);
  object.set("shown", key.shown);
  object.set("static", key.is_static);
  object.set("enabled", settings.is_enabled);
  object.set("created_s", key.created_s);
  object.set("revoked_s", key.revoked_s);
  object.set("expires_s", settings.expires_s);
  object.set("models", io::JsonArray(settings.models.begin(), settings.models.end()));
  object.set("admin", settings.is_admin);
  object.set("priority", settings.priority);
  object.set("weight", settings.weight);
  object.set("requests_per_minute", settings.requests_per_minute);
  object.set("tokens_per_minute", settings.tokens_per_minute);
  object.set("max_parallel", settings.max_parallel);
  object.set("quota_tokens", settings.quota_tokens);
  object.set("budget", money_text(settings.budget));
  object.set("period", period_name(settings.period));
  return object;
}

}  // namespace fathom::serve

// /admin/keys: what `fathom keys` does, over HTTP.
#include "serve/accounts/keys/key_json.h"
#include "serve/api/accounts/books_of.h"
#include "serve/api/endpoints.h"

namespace fathom::serve {
namespace {

constexpr i64 kMostOfLimit = 1'000'000'000'000'000;

constexpr FieldRule kRules[] = {{"name"},
                                {"models"},
                                {"admin"},
                                {"priority"},
                                {"weight"},
                                {"requests_per_minute"},
                                {"tokens_per_minute"},
                                {"max_parallel"},
                                {"quota_tokens"},
                                {"budget"},
                                {"period"},
                                {"expires"}};
constexpr std::span<const FieldRule> kRuleLists[] = {kRules};

void read_models(FieldReader& reader, KeyConfig& config) {
  const io::JsonArray* const models = reader.array("models", 1000);
  if (models == nullptr) return;
  for (const io::JsonValue& model : *models) {
    if (model.is_string()) {
      config.models.push_back(model.as_string());
    } else {
      reader.fail_type("models", "names", model);
    }
  }
}

KeyConfig read_config(FieldReader& reader) {
  KeyConfig config;
  read_models(reader, config);
  config.admin = reader.boolean("admin").value_or(false);
  config.priority = reader.integer("priority", -100, 100).value_or(0);
  config.weight = reader.number("weight", 0.01, 100).value_or(1.0);
  const auto limit = [&reader](std::string_view name) {
    return reader.integer(name, 0, kMostOfLimit).value_or(0);
  };
  config.requests_per_minute = limit("requests_per_minute");
  config.tokens_per_minute = limit("tokens_per_minute");
  config.max_parallel = limit("max_parallel");
  config.quota_tokens = limit("quota_tokens");
  config.budget = reader.number("budget", 0, 1e9).value_or(0);
  config.expires = reader.text("expires", 10).value_or("");
  const std::string period = reader.text("period").value_or("month");
  if (!parse_period(period, config.period)) {
    reader.fail(bad_request("value_out_of_range", "period", "period: expected day, week or month"));
  }
  return config;
}

}  // namespace

ApiResult<http::Response> list_keys(Call& call) {
  const auto books = admin_books_of(call);
  if (!books) return tl::unexpected(books.error());
  try {
    io::JsonArray data;
    for (const Key& key : (*books)->keys()) data.emplace_back(key_json(key));
    io::JsonObject body;
    body.set("object", "list");
    body.set("data", std::move(data));
    return json_response(std::move(body));
  } catch (const Error& error) {
    return tl::unexpected(of_books(error));
  }
}

ApiResult<http::Response> add_key(Call& call) {
  const auto books = admin_books_of(call);
  if (!books) return tl::unexpected(books.error());
  FieldReader reader(call.fields());
  const std::string name = reader.text("name", 200).value_or("");
  const KeyConfig config = read_config(reader);
  std::vector<std::string> unknown;
  if (auto checked = check_fields(call, reader, kRuleLists, unknown); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  tell_ignored(call, unknown);
  try {
    const NewKey made = (*books)->add_key(name, config);
    io::JsonObject body = key_json(made.key);
    body.set("key", made.secret);
    return json_response(std::move(body));
  } catch (const Error& error) {
    return tl::unexpected(of_books(error));
  }
}

ApiResult<http::Response> revoke_key(Call& call) {
  const auto books = admin_books_of(call);
  if (!books) return tl::unexpected(books.error());
  try {
    if (!(*books)->revoke_key(call.rest)) {
      return tl::unexpected(
          not_found("not_found", "no key of the database that is not revoked has this name or id"));
    }
    io::JsonObject body;
    body.set("revoked", call.rest);
    return json_response(std::move(body));
  } catch (const Error& error) {
    return tl::unexpected(of_books(error));
  }
}

}  // namespace fathom::serve

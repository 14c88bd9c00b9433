#include "serve/accounts/key_accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/text.h"
#include "serve/accounts/limit_errors.h"

namespace fathom::serve {
namespace {

/// Of an answer without end no more is held back than this: it is settled when it has ended.
constexpr i64 kReservedAnswerTokens = 1024;
constexpr size_t kAddressDigits = 16;

double system_now_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// Of the first header that has one: Bearer, x-api-key, api-key.
std::string_view secret_of(const http::Request& request) {
  constexpr std::string_view kBearer = "bearer ";
  if (const auto header = request.header("authorization")) {
    std::string scheme(header->substr(0, kBearer.size()));
    std::ranges::transform(scheme, scheme.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (scheme == kBearer) return trim(header->substr(kBearer.size()));
  }
  for (const std::string_view name : {"x-api-key", "api-key"}) {
    if (const auto header = request.header(name)) return trim(*header);
  }
  return {};
}

ApiError unauthorised(std::string message) {
  return {.status = 401,
          .type = "authentication_error",
          .code = "invalid_api_key",
          .message = std::move(message),
          .headers = {{"WWW-Authenticate", "Bearer"}}};
}

ApiError forbidden(std::string code, std::string param, std::string message) {
  return {.status = 403,
          .type = "permission_error",
          .code = std::move(code),
          .message = std::move(message),
          .param = std::move(param)};
}

std::optional<ApiError> refuse_key(const Key* key, double now_s) {
  if (key == nullptr) return unauthorised("this API key is not known here");
  const KeySettings& settings = key->settings;
  if (!settings.is_enabled) return unauthorised("this API key is switched off");
  if (settings.expires_s != 0 && now_s >= static_cast<double>(settings.expires_s)) {
    return unauthorised("this API key expired on " + date_of(settings.expires_s));
  }
  return std::nullopt;
}

std::optional<ApiError> refuse_facts(const Key& key, const RequestFacts& facts,
                                     const std::string& model) {
  const auto& models = key.settings.models;
  const bool may_use = models.empty() || std::ranges::any_of(models, [&](const std::string& one) {
                         return matches(one, facts.model) || matches(one, model);
                       });
  if (!may_use) {
    return forbidden("model_not_allowed", "model",
                     fmt::format("model: this key may not use {}", printable(facts.model)));
  }
  if (facts.priority != 0 && facts.priority < key.settings.priority) {
    return forbidden("priority_not_allowed", "priority",
                     fmt::format("priority: found {}, expected at least {} with this key",
                                 facts.priority, key.settings.priority));
  }
  return std::nullopt;
}

/// Nobody pays for a request that failed by a fault of ours before its first token.
bool is_billed(const UsageRecord& record) {
  return record.completion_tokens > 0 || record.status == 200 || record.status == 499;
}

/// What rates are about.
double work_of(const UsageRow& row, double cached_weight) {
  return static_cast<double>(row.prompt_tokens + row.completion_tokens) -
         static_cast<double>(row.cached_tokens) * (1 - cached_weight);
}

i64 to_ms(double seconds) { return std::llround(seconds * 1e3); }

}  // namespace

KeyAccounts::KeyAccounts(KeyAccountsOptions options)
    : options_(std::move(options)),
      unix_now_s_(options_.unix_now_s ? options_.unix_now_s : system_now_s),
      address_salt_(make_secret()),
      books_(options_.accounts.database) {
  reload(options_.keys, options_.prices);
  if (options_.accounts.database.empty()) return;
  bookkeeper_ = std::make_unique<Bookkeeper>(
      BookkeeperOptions{.database = options_.accounts.database, .unix_now_s = unix_now_s_}, book_,
      limits_);
}

void KeyAccounts::reload(const KeyConfigs& keys, PriceTables prices) {
  std::vector<Key> list;
  for (const auto& [name, config] : keys) list.push_back(static_key(name, config));
  book_.set_static(std::move(list));
  limits_.set_keys(book_.all(), unix_now_s_());
  {
    const Lock lock(mutex_);
    prices_ = std::move(prices);
  }
  if (bookkeeper_ != nullptr) bookkeeper_->read_again();
}

ApiResult<Caller> KeyAccounts::identify(const http::Request& request) {
  const std::string_view secret = secret_of(request);
  if (secret.empty()) {
    return tl::unexpected(
        unauthorised("an API key is needed, as Authorization: Bearer KEY or x-api-key: KEY"));
  }
  const auto key = book_.find_secret(secret);
  if (auto refusal = refuse_key(key.get(), unix_now_s_())) {
    return tl::unexpected(std::move(*refusal));
  }
  return Caller{.key_id = key->id, .key_name = key->name, .is_admin = key->settings.is_admin};
}

Prices KeyAccounts::prices_of(const std::string& key_name) const {
  const Lock lock(mutex_);
  return prices_for(prices_, options_.model, key_name);
}

Reservation KeyAccounts::reservation(const RequestFacts& facts, const Prices& prices) const {
  const i64 answer = std::min(facts.max_tokens, kReservedAnswerTokens);
  return {.tokens = facts.prompt_tokens + answer,
          .cost = cost_of(prices, facts.prompt_tokens, 0, answer)};
}

ApiResult<Admission> KeyAccounts::admit(const Caller& caller, const RequestFacts& facts) {
  const double now_s = unix_now_s_();
  const auto key = book_.find_id(caller.key_id);
  if (auto refusal = refuse_key(key.get(), now_s)) return tl::unexpected(std::move(*refusal));
  if (auto refusal = refuse_facts(*key, facts, options_.model)) {
    return tl::unexpected(std::move(*refusal));
  }
  const KeySettings& settings = key->settings;
  LimitsLeft left;
  if (const auto refusal =
          limits_.admit(*key, reservation(facts, prices_of(key->name)), now_s, left)) {
    return tl::unexpected(limit_error(*refusal, settings, left, now_s));
  }
  return Admission{
      .tenant = key->id,
      .weight = settings.weight,
      .max_parallel = settings.max_parallel,
      .priority = facts.priority != 0 ? facts.priority : static_cast<int>(settings.priority),
      .headers = limit_headers(left, now_s)};
}

UsageRow KeyAccounts::row_of(const UsageRecord& record) const {
  UsageRow row;
  row.row_id = make_secret().substr(kSecretPrefix.size());
  row.request_id = record.request_id;
  row.key_id = record.caller.key_id;
  row.start_ms = to_ms(record.started_s);
  if (record.first_token_s > 0) row.first_token_ms = to_ms(record.started_s + record.first_token_s);
  row.end_ms = to_ms(record.started_s + record.total_s);
  row.endpoint = record.facts.endpoint;
  row.model = options_.model;
  row.alias = record.facts.model;
  row.status = record.status;
  row.finish_reason = record.finish_reason;
  row.error_code = record.error_code;
  row.is_stream = record.facts.stream;
  if (is_billed(record)) {
    row.prompt_tokens = record.prompt_tokens;
    row.cached_tokens = record.cached_tokens;
  }
  row.completion_tokens = record.completion_tokens;
  row.reasoning_tokens = record.reasoning_tokens;
  row.draft_tokens = record.draft_tokens;
  row.accepted_tokens = record.accepted_tokens;
  row.queue_ms = to_ms(record.queue_s);
  row.prefill_ms = to_ms(std::max(0.0, record.first_token_s - record.queue_s));
  row.decode_ms = record.first_token_s > 0 ? to_ms(record.total_s - record.first_token_s) : 0;
  row.prices = prices_of(record.caller.key_name);
  row.cost = cost_of(row.prices, row.prompt_tokens, row.cached_tokens, row.completion_tokens);
  row.end_user = record.facts.end_user;
  row.client_ip_hash = to_hex(digest_of(address_salt_ + record.peer)).substr(0, kAddressDigits);
  return row;
}

void KeyAccounts::finish(const UsageRecord& record) {
  UsageRow row = row_of(record);
  const Reservation held = reservation(record.facts, row.prices);
  const Spent spent = {.work = work_of(row, options_.accounts.cached_weight),
                       .tokens = row.tokens(),
                       .cost = row.cost};
  limits_.finish(row.key_id, held, spent, unix_now_s_());
  if (bookkeeper_ != nullptr) {
    bookkeeper_->add(std::move(row));
  } else {
    limits_.written(row.key_id, row.tokens(), row.cost, row.end_ms / 1000);
  }
}

bool KeyAccounts::flush(double seconds) {
  return bookkeeper_ == nullptr || bookkeeper_->flush(seconds);
}

std::string KeyAccounts::metrics_text() const {
  if (bookkeeper_ == nullptr) return {};
  const BookkeeperHealth now = bookkeeper_->health();
  std::string text;
  const auto add = [&text](const char* name, const char* kind, const char* help, i64 value) {
    text += fmt::format("# HELP fathom_{0} {1}\n# TYPE fathom_{0} {2}\nfathom_{0} {3}\n", name,
                        help, kind, value);
  };
  add("usage_database_up", "gauge", "1 while rows of usage can be written.", now.is_database_up);
  add("usage_rows_waiting", "gauge", "Rows of usage that are not written yet.", now.waiting_rows);
  add("usage_rows_lost_total", "counter", "Rows for which there was no room.", now.lost_rows);
  return text;
}

BookkeeperHealth KeyAccounts::health() const {
  if (bookkeeper_ == nullptr) return {.is_database_up = true};
  return bookkeeper_->health();
}

}  // namespace fathom::serve

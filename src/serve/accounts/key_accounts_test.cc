#include "serve/accounts/key_accounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/accounts/sql/schema.h"
#include "serve/accounts/test_databases.h"
#include "serve/accounts/usage/usage_table.h"
#include "testing/temp_dir.h"

namespace fathom::serve {
namespace {

using ::testing::HasSubstr;

KeyConfig key_config(const std::string& secret) {
  KeyConfig config;
  config.sha256 = to_hex(digest_of(secret));
  config.shown = shown_part(secret);
  return config;
}

http::Request with(const std::string& header, const std::string& value) {
  return {.headers = {{header, value}}};
}

class KeyAccountsTest : public ::testing::Test {
 protected:
  KeyAccountsTest() {
    options_.accounts.database = (folder_.path() / "usage.db").string();
    options_.keys["alice"] = key_config("sk-alice-of-the-tests");
    options_.model = "nano";
    options_.unix_now_s = [this] { return now_s_; };
  }
  void make() { accounts_ = std::make_unique<KeyAccounts>(options_); }
  ApiResult<Admission> admit(const RequestFacts& facts) {
    const auto caller = accounts_->identify(with("x-api-key", "sk-alice-of-the-tests"));
    return accounts_->admit(*caller, facts);
  }
  static std::string remaining_tokens(const Admission& admission) {
    for (const auto& header : admission.headers) {
      if (header.name == "x-ratelimit-remaining-tokens") return header.value;
    }
    return "";
  }
  std::unique_ptr<Sql> sql() const { return open_sql(options_.accounts.database); }

  testing::TempDir folder_;
  double now_s_ = kNow;
  KeyAccountsOptions options_;
  std::unique_ptr<KeyAccounts> accounts_;
};

TEST_F(KeyAccountsTest, KeysComeInThreeHeaders) {
  make();
  for (const auto& [header, value] : {std::pair{"authorization", "Bearer sk-alice-of-the-tests"},
                                      {"authorization", "bearer  sk-alice-of-the-tests "},
                                      {"x-api-key", "sk-alice-of-the-tests"},
                                      {"api-key", "sk-alice-of-the-tests"}}) {
    const auto caller = accounts_->identify(with(header, value));
    ASSERT_TRUE(caller) << header << ": " << value;
    EXPECT_EQ(caller->key_name, "alice");
    EXPECT_EQ(caller->key_id, key_id(digest_of("sk-alice-of-the-tests")));
    EXPECT_FALSE(caller->is_admin);
  }
  for (const auto& [header, value] : {std::pair{"authorization", "Bearer sk-alice-of-the-tests2"},
                                      {"authorization", "Basic sk-alice-of-the-tests"},
                                      {"authorization", "Bearer"},
                                      {"authorization", ""},
                                      {"x-api-key", "sk-alice-of-the-test"},
                                      {"api-key", ""},
                                      {"cookie", "sk-alice-of-the-tests"}}) {
    const auto caller = accounts_->identify(with(header, value));
    ASSERT_FALSE(caller) << header << ": " << value;
    EXPECT_EQ(caller.error().status, 401);
    EXPECT_EQ(caller.error().type, "authentication_error");
    EXPECT_EQ(caller.error().code, "invalid_api_key");
    EXPECT_EQ(caller.error().message.find("sk-alice-of-the-test"), std::string::npos);
  }
}

TEST_F(KeyAccountsTest, AKeyThatIsOffOrOverIsRefusedWithTheReason) {
  options_.keys["alice"].enabled = false;
  options_.keys["bob"] = key_config("sk-bob");
  options_.keys["bob"].expires = "2026-12-01";
  make();
  EXPECT_THAT(accounts_->identify(with("api-key", "sk-alice-of-the-tests")).error().message,
              HasSubstr("switched off"));
  EXPECT_TRUE(accounts_->identify(with("api-key", "sk-bob")));
  now_s_ += 86400;
  EXPECT_THAT(accounts_->identify(with("api-key", "sk-bob")).error().message,
              HasSubstr("expired on 2026-12-01"));
}

TEST_F(KeyAccountsTest, ModelsAndPrioritiesAreThoseOfTheKey) {
  options_.keys["alice"].models = {"gpt-*"};
  options_.keys["alice"].priority = -5;
  options_.keys["alice"].weight = 3;
  options_.keys["alice"].max_parallel = 4;
  make();
  const auto other = admit({.model = "nano-2"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().status, 403);
  EXPECT_EQ(other.error().type, "permission_error");
  EXPECT_EQ(other.error().param, "model");
  const auto urgent = admit({.model = "gpt-4", .priority = -6});
  ASSERT_FALSE(urgent);
  EXPECT_EQ(urgent.error().status, 403);
  EXPECT_EQ(urgent.error().param, "priority");
  const auto admission = admit({.model = "gpt-4"});
  ASSERT_TRUE(admission);
  EXPECT_EQ(admission->priority, -5);
  EXPECT_EQ(admission->weight, 3);
  EXPECT_EQ(admission->max_parallel, 4);
  EXPECT_EQ(admission->tenant, key_id(digest_of("sk-alice-of-the-tests")));
  EXPECT_EQ(admit({.model = "gpt-4", .priority = 7})->priority, 7);
}

TEST_F(KeyAccountsTest, LongAnswersAreHeldBackOnlyInPart) {
  options_.keys["alice"].tokens_per_minute = 10'000;
  make();
  const auto admission = admit({.model = "nano", .prompt_tokens = 100, .max_tokens = 8192});
  ASSERT_TRUE(admission);
  EXPECT_EQ(remaining_tokens(*admission), "8876") << "100 and 1,024";
}

TEST_F(KeyAccountsTest, ARequestBecomesARowWithThePriceOfThatMoment) {
  options_.prices["all"] = {.input = 0.27, .cached = 0.07, .output = 1.10};
  options_.keys["alice"].tokens_per_minute = 10'000;
  make();
  const RequestFacts facts = {.endpoint = "/chat/completions",
                              .model = "gpt-4",
                              .stream = true,
                              .prompt_tokens = 1000,
                              .max_tokens = 100,
                              .end_user = "u"};
  ASSERT_TRUE(admit(facts));
  UsageRecord record;
  record.request_id = "abc-1";
  record.caller = *accounts_->identify(with("api-key", "sk-alice-of-the-tests"));
  record.facts = facts;
  record.peer = "192.0.2.1";
  record.started_s = kNow;
  record.status = 499;
  record.finish_reason = "cancelled";
  record.prompt_tokens = 1000;
  record.cached_tokens = 400;
  record.completion_tokens = 50;
  record.reasoning_tokens = 20;
  record.queue_s = 0.1;
  record.first_token_s = 0.5;
  record.total_s = 1.5;
  accounts_->finish(record);
  ASSERT_TRUE(accounts_->flush(10));
  const auto rows = sql()->query(
      "SELECT request_id, key_id, ts_start, ts_first_token, ts_end, model, alias, status, cost,"
      " queue_ms, prefill_ms, decode_ms, price_in, end_user, client_ip_hash FROM usage",
      {});
  ASSERT_EQ(rows.size(), 1u);
  const i64 start = static_cast<i64>(kNow) * 1000;
  const SqlRow expected = {std::string("abc-1"),
                           record.caller.key_id,
                           start,
                           start + 500,
                           start + 1500,
                           std::string("nano"),
                           std::string("gpt-4"),
                           i64{499},
                           i64{245'000},
                           i64{100},
                           i64{400},
                           i64{1000},
                           i64{270'000'000},
                           std::string("u")};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), rows[0].begin()));
  const std::string& hash = text_of(rows[0].back());
  EXPECT_EQ(hash.size(), 16u);
  EXPECT_NE(hash, to_hex(digest_of("192.0.2.1")).substr(0, 16)) << "nobody can look it up";
  // 600 computed, 400 cached at a tenth, 50 generated: 690 of the 1,100 held back.
  const auto next = admit({.model = "nano", .prompt_tokens = 10});
  EXPECT_EQ(remaining_tokens(*next), "9300");
}

TEST_F(KeyAccountsTest, RefusalsAreInTheWordsOfHttp) {
  options_.keys["alice"].requests_per_minute = 1;
  options_.keys["alice"].quota_tokens = 100;
  make();
  const auto header = [](const ApiError& error, std::string_view name) {
    for (const auto& one : error.headers) {
      if (one.name == name) return one.value;
    }
    return std::string();
  };
  const auto poor = admit({.model = "nano", .prompt_tokens = 101});
  ASSERT_FALSE(poor);
  EXPECT_EQ(poor.error().status, 429);
  EXPECT_EQ(poor.error().code, "insufficient_quota");
  EXPECT_EQ(header(poor.error(), "x-should-retry"), "false");
  EXPECT_EQ(header(poor.error(), "Retry-After"), "");
  EXPECT_THAT(poor.error().message, HasSubstr("100 tokens"));
  EXPECT_THAT(poor.error().message, HasSubstr("2026-12-01T00:00:00Z"));
  ASSERT_TRUE(admit({.model = "nano", .prompt_tokens = 1}));
  now_s_ += 0.5;
  const auto fast = admit({.model = "nano", .prompt_tokens = 1});
  ASSERT_FALSE(fast);
  EXPECT_EQ(fast.error().type, "rate_limit_error");
  EXPECT_EQ(fast.error().code, "rate_limit_exceeded");
  EXPECT_EQ(header(fast.error(), "Retry-After"), "60");
  EXPECT_EQ(header(fast.error(), "retry-after-ms"), "59500");
  EXPECT_EQ(header(fast.error(), "x-should-retry"), "");
  EXPECT_EQ(header(fast.error(), "x-ratelimit-limit-requests"), "1");
  EXPECT_EQ(header(fast.error(), "x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(header(fast.error(), "x-ratelimit-reset-requests"), "59.500s");
  EXPECT_EQ(header(fast.error(), "anthropic-ratelimit-requests-reset"), "2026-11-30T00:54:20Z");
}

TEST_F(KeyAccountsTest, OfAPromptWhatWasComputedIsPaidFor) {
  options_.prices["all"] = {.input = 1, .output = 1};
  options_.keys["alice"].tokens_per_minute = 10'000;
  make();
  const RequestFacts facts = {.model = "nano", .prompt_tokens = 1000, .max_tokens = 100};
  UsageRecord record;
  record.caller = *accounts_->identify(with("api-key", "sk-alice-of-the-tests"));
  record.facts = facts;
  record.started_s = kNow;
  ASSERT_TRUE(admit(facts));
  record.status = 503;  // the engine's queue was full
  accounts_->finish(record);
  ASSERT_TRUE(admit(facts));
  record.status = 499;  // gone while it waited
  accounts_->finish(record);
  EXPECT_EQ(remaining_tokens(*admit(facts)), "8900") << "all came back before this one";
  record.prompt_tokens = 300;  // gone in the midst of its prompt
  record.cached_tokens = 100;
  accounts_->finish(record);
  EXPECT_EQ(remaining_tokens(*admit(facts)), "8690") << "200, 100 at a tenth, and this one's";
  record.status = 500;  // our fault: nobody pays
  accounts_->finish(record);
  EXPECT_EQ(remaining_tokens(*admit({.model = "nano"})), "9790");
  ASSERT_TRUE(accounts_->flush(10));
  const auto rows = sql()->query(
      "SELECT SUM(prompt_tokens), SUM(cached_tokens), SUM(cost), COUNT(*) FROM usage", {});
  EXPECT_EQ(rows.at(0), (SqlRow{i64{300}, i64{100}, i64{200'000}, i64{4}}));
}

TEST_F(KeyAccountsTest, AFileThatIsReadAgainChangesKeysAndPrices) {
  make();
  const auto caller = *accounts_->identify(with("api-key", "sk-alice-of-the-tests"));
  accounts_->reload({{"bob", key_config("sk-bob")}}, {});
  EXPECT_FALSE(accounts_->identify(with("api-key", "sk-alice-of-the-tests")));
  EXPECT_FALSE(accounts_->admit(caller, {.model = "nano"})) << "between the two checks, too";
  EXPECT_TRUE(accounts_->identify(with("api-key", "sk-bob")));
}

TEST_F(KeyAccountsTest, WithoutADatabaseLimitsHoldAndNothingIsKept) {
  options_.accounts.database = "";
  options_.keys["alice"].quota_tokens = 100;
  make();
  const RequestFacts facts = {.model = "nano", .prompt_tokens = 60};
  ASSERT_TRUE(admit(facts));
  UsageRecord record;
  record.caller = *accounts_->identify(with("api-key", "sk-alice-of-the-tests"));
  record.facts = facts;
  record.prompt_tokens = facts.prompt_tokens;
  record.started_s = kNow;
  accounts_->finish(record);
  EXPECT_EQ(admit(facts).error().code, "insufficient_quota");
  EXPECT_TRUE(accounts_->flush(0));
  EXPECT_TRUE(accounts_->health().is_database_up);
}

TEST_F(KeyAccountsTest, TheDatabaseIsForItsOwnerAloneAndHoldsNoSecret) {
  make();
  const std::filesystem::path path = options_.accounts.database;
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::mask,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    const std::string bytes = folder_.read(file.path().filename().string());
    EXPECT_EQ(bytes.find("sk-alice-of-the-tests"), std::string::npos) << file.path();
  }
}

}  // namespace
}  // namespace fathom::serve

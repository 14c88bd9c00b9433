#include "serve/accounts/usage/usage_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/accounts/keys/key_table.h"
#include "serve/accounts/test_databases.h"
#include "serve/accounts/usage/usage_text.h"

namespace fathom::serve {
namespace {

using ::testing::HasSubstr;

constexpr i64 kDayMs = 86'400'000;
constexpr i64 kMonday = 1'795'996'800;  // 2026-11-30

/// A row whose every number is another one.
UsageRow row_of(const std::string& id, i64 end_ms) {
  UsageRow row = {.row_id = id,
                  .request_id = "the same for all",
                  .key_id = "key_a",
                  .start_ms = end_ms - 1000,
                  .first_token_ms = end_ms - 600,
                  .end_ms = end_ms,
                  .endpoint = "/chat/completions",
                  .model = "nano",
                  .alias = "gpt-4",
                  .status = 200,
                  .finish_reason = "stop",
                  .error_code = "",
                  .is_stream = true,
                  .prompt_tokens = 101,
                  .cached_tokens = 64,
                  .completion_tokens = 23,
                  .reasoning_tokens = 7,
                  .draft_tokens = 11,
                  .accepted_tokens = 5,
                  .queue_ms = 3,
                  .prefill_ms = 397,
                  .decode_ms = 600,
                  .prices = {.input = 270, .cached = 70, .output = 1100},
                  .cost = 12345};
  row.end_user = "o'neill; DROP TABLE usage; --";
  row.session = "s";
  row.client_ip_hash = "h";
  return row;
}

using UsageTableTest = DatabaseTest;

TEST_P(UsageTableTest, EveryColumnIsWhatTheRowSays) {
  const auto sql = open();
  const UsageRow row = row_of("r1", kMonday * 1000);
  write_usage(*sql, {{row}});
  const auto rows = sql->query(
      "SELECT row_id, request_id, key_id, ts_start, ts_first_token, ts_end, endpoint, model, alias,"
      " status, finish_reason, error_code, stream, prompt_tokens, cached_tokens,"
      " completion_tokens, reasoning_tokens, draft_tokens, accepted_tokens, queue_ms, prefill_ms,"
      " decode_ms, price_in, price_cached, price_out, cost, end_user, session, client_ip_hash"
      " FROM usage",
      {});
  ASSERT_EQ(rows.size(), 1u);
  const SqlRow expected = {row.row_id,
                           row.request_id,
                           row.key_id,
                           row.start_ms,
                           row.first_token_ms,
                           row.end_ms,
                           row.endpoint,
                           row.model,
                           row.alias,
                           i64{200},
                           std::string("stop"),
                           std::string(),
                           i64{1},
                           i64{101},
                           i64{64},
                           i64{23},
                           i64{7},
                           i64{11},
                           i64{5},
                           i64{3},
                           i64{397},
                           i64{600},
                           i64{270},
                           i64{70},
                           i64{1100},
                           i64{12345},
                           row.end_user,
                           row.session,
                           row.client_ip_hash};
  EXPECT_EQ(rows[0], expected);
}

TEST_P(UsageTableTest, AnAnswerThatNeverBeganHasNoFirstToken) {
  const auto sql = open();
  UsageRow row = row_of("r1", kMonday * 1000);
  row.first_token_ms = 0;
  write_usage(*sql, {{row}});
  const auto rows = sql->query("SELECT ts_first_token FROM usage", {});
  EXPECT_TRUE(std::holds_alternative<std::monostate>(rows.at(0).at(0)));
}

TEST_P(UsageTableTest, DaysAreTheSumsOfTheirRowsAndRowsAreWrittenOnce) {
  const auto sql = open();
  UsageRow failed = row_of("r2", kMonday * 1000 + 5);
  failed.status = 499;
  UsageRow other = row_of("r3", kMonday * 1000 - 1);  // of the Sunday before
  write_usage(*sql, {{row_of("r1", kMonday * 1000), failed}});
  write_usage(*sql, {{failed, other}});  // as after a lost answer
  const auto lines = usage_report(*sql, {.by = {UsageColumn::kDay}});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].group, std::vector<std::string>{"2026-11-29"});
  EXPECT_EQ(lines[0].sums, (UsageSums{1, 0, 101, 64, 23, 7, 12345}));
  EXPECT_EQ(lines[1].group, std::vector<std::string>{"2026-11-30"});
  EXPECT_EQ(lines[1].sums, (UsageSums{2, 1, 202, 128, 46, 14, 24690}));
}

TEST_P(UsageTableTest, ReportsAreCutByWhatIsAskedFor) {
  const auto sql = open();
  const KeyDigest digest = digest_of("x");
  insert_key(*sql, {.id = "key_a", .name = "alice", .digest = digest, .shown = "x"});
  UsageRow b = row_of("r2", kMonday * 1000 + 2 * kDayMs);  // Wednesday, of the next month
  b.key_id = "key_b";
  b.model = "large";
  UsageRow c = row_of("r3", kMonday * 1000 - kDayMs);
  c.end_user = "";
  write_usage(*sql, {{row_of("r1", kMonday * 1000), b, c}});
  const auto groups = [&sql](UsageQuery query) {
    std::string text;
    for (const UsageLine& line : usage_report(*sql, query)) {
      for (const std::string& cell : line.group) text += cell + " ";
      text += std::to_string(line.sums.requests) + "; ";
    }
    return text;
  };
  EXPECT_EQ(groups({.by = {UsageColumn::kWeek}}), "2026-11-23 1; 2026-11-30 2; ");
  EXPECT_EQ(groups({.by = {UsageColumn::kMonth, UsageColumn::kModel}}),
            "2026-11 nano 2; 2026-12 large 1; ");
  EXPECT_EQ(groups({.by = {UsageColumn::kKey}}), "alice 2; key_b 1; ");
  EXPECT_EQ(groups({.by = {UsageColumn::kUser}}), " 1; o'neill; DROP TABLE usage; -- 2; ");
  EXPECT_EQ(groups({.by = {}}), "3; ");
  EXPECT_EQ(groups({.by = {}, .from = "2026-11-30", .to = "2026-11-30"}), "1; ");
  EXPECT_EQ(groups({.by = {UsageColumn::kKey}, .key_id = "key_b"}), "key_b 1; ");
}

TEST_P(UsageTableTest, TotalsAreOfOneKeyAndOnePeriod) {
  const auto sql = open();
  UsageRow other = row_of("r2", kMonday * 1000);
  other.key_id = "key_b";
  write_usage(*sql, {{row_of("r1", kMonday * 1000), other, row_of("r3", kMonday * 1000 - 1)}});
  const PeriodTotals week = period_totals(*sql, "key_a", Period::kWeek, kMonday + 100);
  EXPECT_EQ(week.begin_s, kMonday);
  EXPECT_EQ(week.tokens, 124);
  EXPECT_EQ(week.cost, 12345);
  EXPECT_EQ(period_totals(*sql, "key_a", Period::kMonth, kMonday).tokens, 248);
  EXPECT_EQ(period_totals(*sql, "none", Period::kMonth, kMonday).tokens, 0);
}

TEST_P(UsageTableTest, AFailureLeavesNothingOfTheBatch) {
  const auto sql = open();
  sql->execute("DROP TABLE usage_daily");
  EXPECT_THROW(write_usage(*sql, {{row_of("r1", kMonday * 1000)}}), Error);
  EXPECT_TRUE(sql->query("SELECT 1 FROM usage", {}).empty());
}

TEST_P(UsageTableTest, TablesOfALaterFathomAreRefused) {
  const auto sql = open();
  sql->execute("UPDATE fathom_meta SET value = 2 WHERE name = 'schema'");
  try {
    open();
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr("version 2, expected 1"));
  }
}

TEST_P(UsageTableTest, KeysAreReadBackAsTheyWereMade) {
  const auto sql = open();
  const Key key = {.id = "key_1",
                   .name = "alice",
                   .digest = digest_of("secret"),
                   .shown = "abcdefgh",
                   .settings = {.is_enabled = false,
                                .expires_s = 2,
                                .models = {"nano", "large-*"},
                                .is_admin = true,
                                .priority = -3,
                                .weight = 0.25,
                                .requests_per_minute = 4,
                                .tokens_per_minute = 5,
                                .max_parallel = 6,
                                .quota_tokens = 7,
                                .budget = 8,
                                .period = Period::kWeek},
                   .created_s = 9};
  const i64 version = keys_version(*sql);
  insert_key(*sql, key);
  EXPECT_GT(keys_version(*sql), version);
  const auto keys = read_keys(*sql);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].id, key.id);
  EXPECT_EQ(keys[0].name, key.name);
  EXPECT_EQ(keys[0].digest, key.digest);
  EXPECT_EQ(keys[0].shown, key.shown);
  EXPECT_EQ(keys[0].settings, key.settings);
  EXPECT_EQ(keys[0].created_s, 9);
  EXPECT_EQ(keys[0].revoked_s, 0);
}

TEST_P(UsageTableTest, ANameIsOfOneKeyUntilThatIsRevoked) {
  const auto sql = open();
  const auto key = [](const std::string& secret) {
    return Key{.id = key_id(digest_of(secret)),
               .name = "alice",
               .digest = digest_of(secret),
               .shown = secret};
  };
  insert_key(*sql, key("one"));
  try {
    insert_key(*sql, key("two"));
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.message(), HasSubstr("alice already (one...)"));
  }
  EXPECT_FALSE(revoke_key(*sql, "bob", 50));
  EXPECT_TRUE(revoke_key(*sql, "one", 50));
  EXPECT_FALSE(revoke_key(*sql, "one", 60)) << "it is already";
  insert_key(*sql, key("two"));
  const auto keys = read_keys(*sql);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].shown, "two") << "revoked ones come last";
  EXPECT_EQ(keys[1].revoked_s, 50);
}

FATHOM_FOR_EACH_DATABASE(UsageTableTest);

TEST(UsageTextTest, TablesCsvAndJsonSayTheSame) {
  const UsageQuery query = {.by = {UsageColumn::kKey, UsageColumn::kUser}};
  const std::vector<UsageLine> lines = {
      {.group = {"alice", "=cmd()"}, .sums = {1, 2, 3, 4, 5, 6, 1'500'000'000}},
      {.group = {"bob", "a,\"b\""}, .sums = {10, 20, 30, 40, 50, 60, 1}}};
  EXPECT_EQ(usage_csv(query, lines),
            "key,user,requests,errors,prompt_tokens,cached_tokens,completion_tokens,"
            "reasoning_tokens,cost\r\n"
            "alice,'=cmd(),1,2,3,4,5,6,1.50\r\n"
            "bob,\"a,\"\"b\"\"\",10,20,30,40,50,60,0.000000001\r\n");
  EXPECT_EQ(
      io::write_json(usage_json(query, lines)),
      R"j({"by":["key","user"],"usage":[{"key":"alice","user":"=cmd()","requests":1,"errors":2,)j"
      R"j("prompt_tokens":3,"cached_tokens":4,"completion_tokens":5,"reasoning_tokens":6,)j"
      R"j("cost":"1.50"},{"key":"bob","user":"a,\"b\"","requests":10,"errors":20,)j"
      R"j("prompt_tokens":30,"cached_tokens":40,"completion_tokens":50,)j"
      R"j("reasoning_tokens":60,"cost":"0.000000001"}],"total":{"requests":11,"errors":22,)j"
      R"j("prompt_tokens":33,"cached_tokens":44,"completion_tokens":55,)j"
      R"j("reasoning_tokens":66,"cost":"1.500000001"}})j");
  EXPECT_EQ(usage_table(query, lines),
            "key    user    requests  errors  prompt_tokens  cached_tokens  completion_tokens  "
            "reasoning_tokens         cost\n"
            "alice  =cmd()         1       2              3              4                  5  "
            "               6         1.50\n"
            "bob    a,\"b\"         10      20             30             40                 50  "
            "              60  0.000000001\n"
            "total                11      22             33             44                 55  "
            "              66  1.500000001\n");
}

TEST(UsageTextTest, UnknownColumnsAreNamed) {
  EXPECT_EQ(parse_usage_columns("key,day").size(), 2u);
  for (const char* text : {"", "key,", "key,days", "Key"}) {
    EXPECT_THROW(parse_usage_columns(text), Error) << text;
  }
}

}  // namespace
}  // namespace fathom::serve

// A server that is killed while it writes: the database stays consistent, and at most the last
// second is lost.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "serve/accounts/bookkeeper.h"
#include "serve/accounts/test_databases.h"
#include "serve/accounts/usage/usage_table.h"

namespace fathom::serve {
namespace {

constexpr int kFailed = 3;

double unix_now_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A thousand rows a second, each with the time at which it was added, until somebody ends it.
[[noreturn]] void write_until_killed(const std::string& database, int round) {
  try {
    KeyBook book;
    Limits limits;
    Bookkeeper bookkeeper({.database = database, .unix_now_s = unix_now_s}, book, limits);
    for (i64 i = 0;; ++i) {
      UsageRow row;
      row.row_id = std::to_string(round) + "-" + std::to_string(i);
      row.key_id = "key_a";
      row.end_ms = static_cast<i64>(unix_now_s() * 1e3);
      row.prompt_tokens = i;
      row.cost = 1;
      bookkeeper.add(std::move(row));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  } catch (const std::exception&) {
    ::_exit(kFailed);
  }
}

i64 number(Sql& sql, const std::string& statement, std::initializer_list<SqlValue> values = {}) {
  return integer_of(sql.query(statement, values).at(0).at(0));
}

/// `fathom keys` beside a running server: the last to close a database removes its log, and must
/// see that it is not the last.
TEST(KillTest, ASecondConnectionTakesNoLocksFromTheFirst) {
  testing::TempDir folder;
  const std::string database = (folder.path() / "usage.db").string();
  const auto server = open_sql(database);
  require_schema(*server, database);
  open_sql(database);  // as a report does, in the same process
  const std::string other = "python3 -c \"import sqlite3; c = sqlite3.connect('" + database +
                            "'); c.execute('UPDATE fathom_meta SET value = 7 WHERE name = "
                            "\\'keys\\''); c.commit(); c.close()\"";
  ASSERT_EQ(std::system(other.c_str()), 0);
  EXPECT_TRUE(std::filesystem::exists(database + "-wal"));
  write_usage(*server, {{UsageRow{.row_id = "1"}}});
  const auto reader = open_sql(database);
  EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM usage"), 1);
  EXPECT_EQ(number(*reader, "SELECT value FROM fathom_meta WHERE name = 'keys'"), 7);
}

TEST(KillTest, WhatWasAddedASecondBeforeIsThereAndSumsAreThoseOfTheRows) {
  testing::TempDir folder;
  const std::string database = (folder.path() / "usage.db").string();
  const char* const asked = std::getenv("FATHOM_KILLS");
  const int rounds = asked == nullptr ? 4 : std::atoi(asked);
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(database, round);
    std::this_thread::sleep_for(std::chrono::milliseconds(1500 + random() % 700));
    ::kill(child, SIGKILL);
    const i64 killed_ms = static_cast<i64>(unix_now_s() * 1e3);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    const auto sql = open_sql(database);
    EXPECT_EQ(text_of(sql->query("PRAGMA integrity_check", {}).at(0).at(0)), "ok");
    EXPECT_EQ(number(*sql, "SELECT COUNT(*) FROM usage"),
              number(*sql, "SELECT SUM(requests) FROM usage_daily"));
    EXPECT_EQ(number(*sql, "SELECT SUM(prompt_tokens) FROM usage"),
              number(*sql, "SELECT SUM(prompt_tokens) FROM usage_daily"));
    const std::string mine = std::to_string(round) + "-%";
    const i64 last =
        number(*sql, "SELECT MAX(prompt_tokens) FROM usage WHERE row_id LIKE $1", {mine});
    EXPECT_EQ(number(*sql, "SELECT COUNT(*) FROM usage WHERE row_id LIKE $1", {mine}), last + 1)
        << "no row is missing before the last";
    EXPECT_GT(number(*sql,
                     "SELECT MAX(end_ms) FROM (SELECT ts_end AS end_ms FROM usage"
                     " WHERE row_id LIKE $1)",
                     {mine}),
              killed_ms - 1000);
  }
}

}  // namespace
}  // namespace fathom::serve

#include "serve/accounts/bookkeeper.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "serve/accounts/keys/key_table.h"
#include "serve/accounts/test_databases.h"
#include "serve/accounts/usage/usage_table.h"

namespace fathom::serve {
namespace {

UsageRow row_of(int i) {
  UsageRow row;
  row.row_id = "row" + std::to_string(i);
  row.key_id = "key_a";
  row.end_ms = static_cast<i64>(kNow) * 1000;
  row.prompt_tokens = 10;
  return row;
}

class BookkeeperTest : public DatabaseTest {
 protected:
  BookkeeperOptions options() const {
    return {.database = address(),
            .write_every_s = 0.05,
            .read_every_s = 0.05,
            .unix_now_s = [start = Clock::now()] { return kNow + seconds_since(start); }};
  }
  i64 rows_there() const {
    return integer_of(open()->query("SELECT COUNT(*) FROM usage", {}).at(0).at(0));
  }
  /// Until it holds, for ten seconds.
  template <typename Condition>
  static bool soon(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  KeyBook book_;
  Limits limits_;
};

TEST_P(BookkeeperTest, RowsAreWrittenByItselfAndAtTheEnd) {
  {
    Bookkeeper bookkeeper(options(), book_, limits_);
    bookkeeper.add(row_of(1));
    EXPECT_TRUE(soon([&] { return rows_there() == 1; }));
    for (int i = 2; i <= 5000; ++i) bookkeeper.add(row_of(i));
  }
  EXPECT_EQ(rows_there(), 5000);
}

TEST_P(BookkeeperTest, KeysMadeElsewhereAreKnownSoon) {
  Bookkeeper bookkeeper(options(), book_, limits_);
  EXPECT_EQ(book_.find_secret("s1"), nullptr);
  const KeyDigest digest = digest_of("s1");
  insert_key(*open(), {.id = key_id(digest), .name = "a", .digest = digest, .shown = "s1"});
  EXPECT_TRUE(soon([&] { return book_.find_secret("s1") != nullptr; }));
  EXPECT_EQ(book_.find_secret("s2"), nullptr);
  revoke_key(*open(), "a", 1);
  EXPECT_TRUE(soon([&] { return book_.find_secret("s1") == nullptr; }));
}

TEST_P(BookkeeperTest, QuotasCountWhatOtherServersWrote) {
  Key key = {
      .id = "key_a", .name = "a", .settings = {.quota_tokens = 1000, .period = Period::kMonth}};
  key.is_static = true;
  book_.set_static({key});
  limits_.set_keys(book_.all(), kNow);
  write_usage(*open(), {{row_of(1)}});
  Bookkeeper bookkeeper(options(), book_, limits_);
  const double now_s = options().unix_now_s();
  LimitsLeft left;
  EXPECT_TRUE(limits_.admit(key, {.tokens = 991}, now_s, left)) << "known before the first request";
  write_usage(*open(), {{row_of(2)}});
  EXPECT_TRUE(soon([&] {
    const bool fits = !limits_.admit(key, {.tokens = 985}, now_s, left);
    if (fits) limits_.finish(key.id, {.tokens = 985}, {}, now_s);
    return !fits;
  }));
}

TEST_P(BookkeeperTest, WhatWaitsTooLongIsCountedAsLost) {
  BookkeeperOptions few = options();
  few.max_rows = 10;
  few.write_every_s = 3600;
  Bookkeeper bookkeeper(few, book_, limits_);
  for (int i = 0; i < 13; ++i) bookkeeper.add(row_of(i));
  EXPECT_EQ(bookkeeper.health().waiting_rows, 10);
  EXPECT_EQ(bookkeeper.health().lost_rows, 3);
  EXPECT_TRUE(bookkeeper.flush(10));
  EXPECT_EQ(bookkeeper.health().waiting_rows, 0);
  EXPECT_EQ(rows_there(), 10);
}

TEST_P(BookkeeperTest, RowsOutliveADatabaseThatIsAway) {
  Bookkeeper bookkeeper(options(), book_, limits_);
  bookkeeper.add(row_of(1));
  ASSERT_TRUE(bookkeeper.flush(10));
  std::unique_ptr<Sql> locker;
  if (postgres() != nullptr) {
    postgres()->stop();
  } else {
    locker = open();
    locker->execute("BEGIN EXCLUSIVE");
  }
  for (int i = 2; i < 100; ++i) {
    const auto before = Clock::now();
    bookkeeper.add(row_of(i));
    EXPECT_LT(seconds_since(before), 1.0) << "who answers requests never waits";
  }
  EXPECT_TRUE(soon([&] { return !bookkeeper.health().is_database_up; }));
  EXPECT_FALSE(bookkeeper.flush(0.2));
  EXPECT_EQ(bookkeeper.health().waiting_rows, 98);
  if (postgres() != nullptr) {
    postgres()->start();
  } else {
    locker->execute("ROLLBACK");
  }
  EXPECT_TRUE(soon([&] { return bookkeeper.health().is_database_up; }));
  EXPECT_TRUE(bookkeeper.flush(10));
  EXPECT_EQ(rows_there(), 99);
  EXPECT_EQ(bookkeeper.health().lost_rows, 0);
}

FATHOM_FOR_EACH_DATABASE(BookkeeperTest);

TEST(BookkeeperOpenTest, AWrongAddressIsRefusedAtTheStart) {
  KeyBook book;
  Limits limits;
  const auto open = [&](const std::string& where) {
    try {
      Bookkeeper({.database = where, .unix_now_s = [] { return kNow; }}, book, limits);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("opened");
  };
  EXPECT_EQ(open("/no/such/folder/usage.db"),
            "/no/such/folder/usage.db: cannot be opened: No such file or directory");
  testing::TempDir folder;
  const std::string text = folder.write("text.db", std::string(4096, 'x')).string();
  EXPECT_EQ(open(text), text + ": file is not a database");
  const std::string message = open("postgresql://fathom:hidden@localhost:1/x?connect_timeout=1");
  EXPECT_EQ(message.find("hidden"), std::string::npos) << message;
  EXPECT_EQ(message.find("opened"), std::string::npos);
}

}  // namespace
}  // namespace fathom::serve

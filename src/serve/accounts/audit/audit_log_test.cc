#include "serve/accounts/audit/audit_log.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "testing/temp_dir.h"

namespace fathom::serve {
namespace {

constexpr double kNow = 1'796'000'000;  // 2026-11-30

io::JsonObject line(i64 number) {
  io::JsonObject object;
  object.set("n", number);
  return object;
}

class AuditLogTest : public ::testing::Test {
 protected:
  AuditOptions options() {
    return {.folder = (temp_.path() / "audit").string(), .days = 2, .unix_now_s = [this] {
              return now_s_.load();
            }};
  }
  std::string read(const std::string& date) const {
    return temp_.read("audit/audit-" + date + ".jsonl");
  }

  testing::TempDir temp_;
  std::atomic<double> now_s_ = kNow;
};

TEST_F(AuditLogTest, LinesOfADayAreInItsFileForTheOwnerAlone) {
  for (i64 start = 0; start < 2; ++start) {  // a second start goes on in the same file
    AuditLog log(options());
    log.add(line(2 * start));
    log.add(line(2 * start + 1));
  }
  EXPECT_EQ(read("2026-11-30"), "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
  using std::filesystem::perms;
  const auto mode = [this](const std::string& name) {
    return std::filesystem::status(temp_.path() / name).permissions() & perms::mask;
  };
  EXPECT_EQ(mode("audit"), perms::owner_all);
  EXPECT_EQ(mode("audit/audit-2026-11-30.jsonl"), perms::owner_read | perms::owner_write);
}

TEST_F(AuditLogTest, FilesAreKeptForTheirDaysAndOthersAreLeftAlone) {
  for (i64 day = 0; day < 4; ++day) {
    now_s_ = kNow + static_cast<double>(day) * 86400;
    AuditLog log(options());
    log.add(line(day));
    if (day == 0) temp_.write("audit/audit-notes.jsonl", "mine");
  }
  EXPECT_EQ(read("2026-11-30"), "");
  EXPECT_EQ(read("2026-12-01"), "");
  EXPECT_EQ(read("2026-12-02"), "{\"n\":2}\n") << "today and the day before";
  EXPECT_EQ(read("2026-12-03"), "{\"n\":3}\n");
  EXPECT_EQ(temp_.read("audit/audit-notes.jsonl"), "mine");
}

TEST_F(AuditLogTest, AFolderOfOthersIsRefused) {
  temp_.write("taken", "");
  AuditOptions wrong = options();
  wrong.folder = (temp_.path() / "taken").string();
  EXPECT_THROW(AuditLog{wrong}, Error);
  AuditLog first(options());
  EXPECT_THROW(AuditLog{options()}, Error) << "another server writes there";
}

}  // namespace
}  // namespace fathom::serve

#include "serve/accounts/limits/period.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

i64 at(std::string_view date) {
  i64 unix_s = 0;
  EXPECT_TRUE(parse_date(date, unix_s)) << date;
  return unix_s;
}

TEST(PeriodTest, BeginsAndEndsAreThoseOfUtc) {
  const i64 sunday_night = at("2026-11-29") + 86399;  // the last second of a Sunday
  EXPECT_EQ(date_of(period_begin(Period::kDay, sunday_night)), "2026-11-29");
  EXPECT_EQ(date_of(period_end(Period::kDay, sunday_night)), "2026-11-30");
  EXPECT_EQ(date_of(period_begin(Period::kWeek, sunday_night)), "2026-11-23");
  EXPECT_EQ(date_of(period_end(Period::kWeek, sunday_night)), "2026-11-30");
  EXPECT_EQ(date_of(period_begin(Period::kWeek, sunday_night + 1)), "2026-11-30");
  EXPECT_EQ(date_of(period_begin(Period::kMonth, sunday_night)), "2026-11-01");
  EXPECT_EQ(date_of(period_end(Period::kMonth, sunday_night)), "2026-12-01");
  EXPECT_EQ(date_of(period_end(Period::kMonth, at("2026-12-31"))), "2027-01-01");
  EXPECT_EQ(date_of(period_end(Period::kMonth, at("2028-02-29"))), "2028-03-01");
}

TEST(PeriodTest, DatesAreReadStrictly) {
  EXPECT_EQ(at("1970-01-02"), 86400);
  EXPECT_EQ(at("2028-02-29"), 1835395200);
  i64 unused = 0;
  for (const char* text : {"", "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "26-11-29",
                           "2026-11-29 ", "2026/11/29", "-026-11-29", "2026-11--9"}) {
    EXPECT_FALSE(parse_date(text, unused)) << text;
  }
}

TEST(PeriodTest, TimesAreWrittenToTheSecond) {
  EXPECT_EQ(utc_time(at("2026-11-29") + 3600 * 20 + 60 * 5 + 9), "2026-11-29T20:05:09Z");
}

TEST(PeriodTest, NamesAreReadBack) {
  for (const Period period : {Period::kDay, Period::kWeek, Period::kMonth}) {
    Period read = Period::kDay;
    EXPECT_TRUE(parse_period(period_name(period), read));
    EXPECT_EQ(read, period);
  }
  Period unused = Period::kDay;
  EXPECT_FALSE(parse_period("year", unused));
}

}  // namespace
}  // namespace fathom::serve

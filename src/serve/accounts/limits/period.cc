#include "serve/accounts/limits/period.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <utility>

namespace fathom::serve {
namespace {

namespace chrono = std::chrono;

constexpr std::array<std::pair<Period, std::string_view>, 3> kNames = {
    {{Period::kDay, "day"}, {Period::kWeek, "week"}, {Period::kMonth, "month"}}};

chrono::sys_days day_of(i64 unix_s) {
  return chrono::floor<chrono::days>(chrono::sys_seconds(chrono::seconds(unix_s)));
}

i64 to_unix(chrono::sys_days day) {
  return chrono::duration_cast<chrono::seconds>(day.time_since_epoch()).count();
}

chrono::sys_days first_day(Period period, chrono::sys_days day) {
  switch (period) {
    case Period::kDay:
      return day;
    case Period::kWeek:
      return day - (chrono::weekday(day) - chrono::Monday);
    case Period::kMonth: {
      const chrono::year_month_day date(day);
      return chrono::sys_days(date.year() / date.month() / chrono::day(1));
    }
  }
  return day;
}

bool parse_number(std::string_view text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && text.front() != '-';
}

}  // namespace

std::string_view period_name(Period period) { return kNames[static_cast<size_t>(period)].second; }

bool parse_period(std::string_view name, Period& period) {
  for (const auto& [value, spelling] : kNames) {
    if (name != spelling) continue;
    period = value;
    return true;
  }
  return false;
}

i64 period_begin(Period period, i64 unix_s) { return to_unix(first_day(period, day_of(unix_s))); }

i64 period_end(Period period, i64 unix_s) {
  const chrono::sys_days begin = first_day(period, day_of(unix_s));
  switch (period) {
    case Period::kDay:
      return to_unix(begin + chrono::days(1));
    case Period::kWeek:
      return to_unix(begin + chrono::days(7));
    case Period::kMonth: {
      const chrono::year_month_day date(begin);
      return to_unix(chrono::sys_days(date + chrono::months(1)));
    }
  }
  return to_unix(begin);
}

std::string date_of(i64 unix_s) {
  const chrono::year_month_day date(day_of(unix_s));
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

bool parse_date(std::string_view text, i64& unix_s) {
  int year = 0, month = 0, day = 0;
  const bool has_form = text.size() == 10 && text[4] == '-' && text[7] == '-';
  if (!has_form || !parse_number(text.substr(0, 4), year) ||
      !parse_number(text.substr(5, 2), month) || !parse_number(text.substr(8, 2), day)) {
    return false;
  }
  const chrono::year_month_day date(chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return false;
  unix_s = to_unix(chrono::sys_days(date));
  return true;
}

std::string utc_time(i64 unix_s) {
  const i64 second = unix_s - to_unix(day_of(unix_s));
  return fmt::format("{}T{:02}:{:02}:{:02}Z", date_of(unix_s), second / 3600, second / 60 % 60,
                     second % 60);
}

}  // namespace fathom::serve

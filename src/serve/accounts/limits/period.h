#pragma once
// Days, weeks and months of accounts, all in UTC.
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::serve {

enum class Period { kDay, kWeek, kMonth };
/// "day", "week", "month"; false: it is none of them.
std::string_view period_name(Period period);
bool parse_period(std::string_view name, Period& period);

/// The first second of the period that `unix_s` is in, and of the one behind it. Weeks begin on
/// Monday.
i64 period_begin(Period period, i64 unix_s);
i64 period_end(Period period, i64 unix_s);

/// "2026-11-29", of the day that `unix_s` is in.
std::string date_of(i64 unix_s);
/// The first second of such a day; false: it is no date.
bool parse_date(std::string_view text, i64& unix_s);
/// "2026-11-29T20:15:00Z".
std::string utc_time(i64 unix_s);

}  // namespace fathom::serve

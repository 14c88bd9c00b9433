#pragma once
// Reports for people, spreadsheets and programs.
#include <span>
#include <string>

#include "io/json.h"
#include "serve/accounts/usage/usage_table.h"

namespace fathom::serve {

/// Columns of equal width, and a line of the sum.
std::string usage_table(const UsageQuery& query, std::span<const UsageLine> lines);
/// RFC 4180, with a header.
std::string usage_csv(const UsageQuery& query, std::span<const UsageLine> lines);
/// {"by": [...], "usage": [{group..., "requests": ..., "cost": "0.12"}], "total": {...}}
io::JsonObject usage_json(const UsageQuery& query, std::span<const UsageLine> lines);

}  // namespace fathom::serve

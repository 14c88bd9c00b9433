// GET /v1/usage: of the key that asks. GET /admin/usage: of all.
#include <array>

#include "serve/accounts/limits/period.h"
#include "serve/accounts/usage/usage_text.h"
#include "serve/api/accounts/books_of.h"
#include "serve/api/endpoints.h"
#include "serve/api/query.h"

namespace fathom::serve {
namespace {

using Query = std::map<std::string, std::string>;

std::string value_or(const Query& query, const std::string& name, const std::string& otherwise) {
  const auto found = query.find(name);
  return found == query.end() ? otherwise : found->second;
}

/// Throws Error for what is no date and no column.
UsageQuery usage_query(const Query& query, const std::string& by) {
  UsageQuery result = {.by = parse_usage_columns(value_or(query, "by", by)),
                       .from = value_or(query, "from", ""),
                       .to = value_or(query, "to", "")};
  i64 unused = 0;
  for (const std::string& date : {result.from, result.to}) {
    if (date.empty() || parse_date(date, unused)) continue;
    throw Error(ErrorCode::kInvalidInput,
                "from, to: expected a date such as 2026-12-31, found another text");
  }
  return result;
}

ApiResult<http::Response> respond(const Books& books, const Query& parameters,
                                  const UsageQuery& query) {
  const std::vector<UsageLine> lines = books.usage(query);
  const std::string format = value_or(parameters, "format", "json");
  if (format == "json") return json_response(usage_json(query, lines));
  if (format != "csv") {
    return tl::unexpected(
        bad_request("value_out_of_range", "format", "format: expected json or csv"));
  }
  http::Response response;
  response.headers.push_back({"Content-Type", "text/csv; charset=utf-8"});
  response.body = usage_csv(query, lines);
  return response;
}

}  // namespace

ApiResult<http::Response> own_usage(Call& call) {
  constexpr std::array<std::string_view, 4> kNames = {"by", "from", "to", "format"};
  const auto books = books_of(call);
  if (!books) return tl::unexpected(books.error());
  const auto parameters = read_query(call.request.query, kNames);
  if (!parameters) return tl::unexpected(parameters.error());
  try {
    UsageQuery query = usage_query(*parameters, "day,model");
    query.key_id = call.caller.key_id;
    return respond(**books, *parameters, query);
  } catch (const Error& error) {
    return tl::unexpected(of_books(error));
  }
}

ApiResult<http::Response> all_usage(Call& call) {
  constexpr std::array<std::string_view, 5> kNames = {"by", "from", "to", "format", "key"};
  const auto books = admin_books_of(call);
  if (!books) return tl::unexpected(books.error());
  const auto parameters = read_query(call.request.query, kNames);
  if (!parameters) return tl::unexpected(parameters.error());
  try {
    UsageQuery query = usage_query(*parameters, "key,day");
    const std::string key = value_or(*parameters, "key", "");
    if (!key.empty()) query.key_id = (*books)->key_id_of(key);
    return respond(**books, *parameters, query);
  } catch (const Error& error) {
    return tl::unexpected(of_books(error));
  }
}

}  // namespace fathom::serve

#pragma once
// One request on its way through an endpoint.
#include <string>
#include <vector>

#include "io/json.h"
#include "serve/accounts/accounts.h"
#include "serve/api/fields.h"
#include "serve/generate/served_model.h"
#include "serve/http/request.h"
#include "serve/metrics/ledger.h"
#include "serve/metrics/operations.h"

namespace fathom::serve {

struct Call {
  const http::Request& request;
  const ServedModel& model;
  Accounts& accounts;
  Ledger& ledger;
  const Operations& operations;
  Caller caller;
  std::string id;                          // x-request-id
  std::string endpoint;                    // "/chat/completions"
  std::string rest = {};                   // of the path, behind the endpoint's
  io::JsonValue body = {};                 // of POST: an object
  std::vector<http::Header> headers = {};  // go out with the response, whatever it is

  const io::JsonObject& fields() const { return body.as_object(); }
};

/// Refuses what the reader found wrong and what the rules refuse. Unknown members are refused where
/// the model says so, else their names go to `ignored`.
ApiResult<void> check_fields(const Call& call, FieldReader& reader,
                             std::span<const std::span<const FieldRule>> rules,
                             std::vector<std::string>& ignored);
/// The header x-fathom-ignored, where there is something to tell.
void tell_ignored(Call& call, const std::vector<std::string>& names);
/// "chatcmpl-", "call_": unguessable names.
std::string random_id(std::string_view prefix);
/// The client's own (x-request-id) where it is harmless in headers and logs, else a new one.
std::string request_id(const http::Request& request);
/// Seconds since 1970.
double unix_now_s();

}  // namespace fathom::serve

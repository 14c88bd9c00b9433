#pragma once
#include <string>
#include <vector>

#include "serve/accounts/money.h"

namespace fathom::serve {

/// What is kept of one request. Never a word of it.
struct UsageRow {
  std::string row_id;  // unguessable and the only one: ids of requests are their clients' choice
  std::string request_id;
  std::string key_id;
  i64 start_ms = 0, first_token_ms = 0, end_ms = 0;  // since 1970; 0: not reached
  std::string endpoint;
  std::string model;  // that answered
  std::string alias;  // as the client called it
  i64 status = 200;   // 499: the client went away
  std::string finish_reason;
  std::string error_code;
  bool is_stream = false;
  i64 prompt_tokens = 0;  // cached ones included
  i64 cached_tokens = 0;
  i64 completion_tokens = 0;  // thinking included
  i64 reasoning_tokens = 0;
  i64 draft_tokens = 0, accepted_tokens = 0;
  i64 queue_ms = 0, prefill_ms = 0, decode_ms = 0;
  Prices prices;  // of that moment
  Nano cost = 0;
  std::string end_user;
  std::string session;
  std::string client_ip_hash;

  i64 tokens() const { return prompt_tokens + completion_tokens; }
};

/// Sums of requests.
struct UsageSums {
  i64 requests = 0, errors = 0;  // errors: a status from 400 on, clients that went away included
  i64 prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
  Nano cost = 0;

  void add(const UsageRow& row);
  void add(const UsageSums& more);
  bool operator==(const UsageSums&) const = default;
};

}  // namespace fathom::serve

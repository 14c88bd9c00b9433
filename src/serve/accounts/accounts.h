#pragma once
// Who asks, what they may do, and what came of it. The endpoints know this interface alone.
#include <string>
#include <vector>

#include "serve/api/error.h"
#include "serve/http/request.h"

namespace fathom::serve {

/// Whose request it is.
struct Caller {
  std::string key_id;    // of the account: rows, shares of the engine and cached pages are by it
  std::string key_name;  // for people
  bool is_admin = false;
};

/// What is known of a request before it is queued.
struct RequestFacts {
  std::string endpoint;  // "/v1/chat/completions"
  std::string model;     // as the client called it
  bool stream = false;
  i64 prompt_tokens = 0;
  i64 max_tokens = 0;  // of all choices together
  int priority = 0;
  std::string end_user;
};

/// The terms on which a request runs.
struct Admission {
  std::string tenant;
  double weight = 1.0;
  i64 max_parallel = 0;  // sequences at once; 0: no limit of its own
  int priority = 0;
  std::vector<http::Header> headers = {};  // what is left of limits
};

/// What came of a request. One for each that was queued, also of clients that went away.
struct UsageRecord {
  std::string request_id;
  Caller caller;
  RequestFacts facts;
  std::string peer;
  double started_s = 0.0;  // seconds since 1970
  int status = 200;        // 499: the client went away
  std::string finish_reason;
  std::string error_code;
  /// Of the prompt, as far as the engine came: cached, computed, or being computed at its end.
  i64 prompt_tokens = 0;
  i64 cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
  i64 draft_tokens = 0, accepted_tokens = 0, preemptions = 0;
  /// What was asked and answered, only where Ledger::wants_words().
  io::JsonValue asked = {};
  io::JsonArray answers = {};
  // Seconds; 0 for what was not reached. total_s of one whose client went away: to its last token.
  double queue_s = 0.0, first_token_s = 0.0, total_s = 0.0;
};

class Books;

class Accounts {
 public:
  virtual ~Accounts() = default;
  /// 401 without a valid key, where keys are needed.
  virtual ApiResult<Caller> identify(const http::Request& request) = 0;
  /// 403 or 429 with the account's limits. Any thread.
  virtual ApiResult<Admission> admit(const Caller& caller, const RequestFacts& facts) = 0;
  /// Any thread; does not wait. Once for each admission.
  virtual void finish(const UsageRecord& record) = 0;
  /// Whether requests need a key: without, only this machine's own are served.
  virtual bool has_keys() const = 0;
  /// For those who may ask what is kept; nullptr: nothing is.
  virtual const Books* books() const { return nullptr; }
  /// Ids of keys that are valid no longer since this was last asked: nothing of theirs is to stay.
  virtual std::vector<std::string> take_gone() { return {}; }
  /// About what is kept, in Prometheus's text format.
  virtual std::string metrics_text() const { return {}; }
};

/// No keys: everyone is the local user, nothing is limited or kept.
class LocalUser : public Accounts {
 public:
  ApiResult<Caller> identify(const http::Request&) override {
    return Caller{.key_id = "local", .key_name = "local", .is_admin = true};
  }
  ApiResult<Admission> admit(const Caller& caller, const RequestFacts& facts) override {
    return Admission{.tenant = caller.key_id, .priority = facts.priority};
  }
  void finish(const UsageRecord&) override {}
  bool has_keys() const override { return false; }
};

}  // namespace fathom::serve

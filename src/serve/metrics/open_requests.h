#pragma once
// Requests between their admission and their end: operators look at them and may end them. There is
// never a word here of what was said.
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/stream.h"
#include "serve/accounts/accounts.h"

namespace fathom::serve {

/// How far a request is. Of several prompts: how far the first of them is.
enum class RequestPhase { kQueue, kPrefill, kDecode };
/// "queue", "prefill" or "decode".
std::string_view phase_name(RequestPhase phase);

/// A request as it is now.
struct OpenRequestState {
  i64 number = 0;  // of this server alone; request ids may be the clients' own
  std::string request_id;
  std::string key_name;
  RequestFacts facts;
  double age_s = 0.0;
  RequestPhase phase = RequestPhase::kQueue;
  engine::RequestStats stats;  // of all prompts together; the times are the longest ones
};

/// Any thread.
class OpenRequest {
 public:
  OpenRequest(i64 number, const UsageRecord& record);
  /// One of its prompts is queued.
  void add(std::shared_ptr<engine::Stream> stream);
  /// The engine drops it within a step, and its client is told so.
  void end();
  OpenRequestState state() const;
  i64 number() const { return number_; }

 private:
  const i64 number_;
  const std::string request_id_, key_name_;
  const RequestFacts facts_;
  const Clock::time_point begun_ = Clock::now();
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<engine::Stream>> streams_ FATHOM_GUARDED_BY(mutex_);
  bool ended_ FATHOM_GUARDED_BY(mutex_) = false;
};

/// All of them. Any thread.
class OpenRequests {
 public:
  std::shared_ptr<OpenRequest> open(const UsageRecord& record);
  void close(const OpenRequest& request);

  /// The oldest first.
  std::vector<OpenRequestState> states() const;
  /// False: there is none with this number.
  bool end(i64 number);

 private:
  mutable Mutex mutex_;
  i64 last_number_ FATHOM_GUARDED_BY(mutex_) = 0;
  std::map<i64, std::shared_ptr<OpenRequest>> requests_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::serve

#include "serve/metrics/open_requests.h"

#include <algorithm>

namespace fathom::serve {

std::string_view phase_name(RequestPhase phase) {
  switch (phase) {
    case RequestPhase::kQueue:
      return "queue";
    case RequestPhase::kPrefill:
      return "prefill";
    case RequestPhase::kDecode:
      break;
  }
  return "decode";
}

OpenRequest::OpenRequest(i64 number, const UsageRecord& record)
    : number_(number),
      request_id_(record.request_id),
      key_name_(record.caller.key_name),
      facts_(record.facts) {}

void OpenRequest::add(std::shared_ptr<engine::Stream> stream) {
  const Lock lock(mutex_);
  if (ended_) stream->cancel();
  streams_.push_back(std::move(stream));
}

void OpenRequest::end() {
  const Lock lock(mutex_);
  ended_ = true;
  for (const auto& stream : streams_) stream->cancel();
}

OpenRequestState OpenRequest::state() const {
  OpenRequestState state{.number = number_,
                         .request_id = request_id_,
                         .key_name = key_name_,
                         .facts = facts_,
                         .age_s = seconds_since(begun_)};
  engine::RequestStats& all = state.stats;
  const Lock lock(mutex_);
  for (const auto& stream : streams_) {
    const engine::RequestStats stats = stream->stats();
    all.cached_tokens += stats.cached_tokens;
    all.prefilled_tokens += stats.prefilled_tokens;
    all.generated_tokens += stats.generated_tokens;
    all.queue_s = std::max(all.queue_s, stats.queue_s);
    all.first_token_s = std::max(all.first_token_s, stats.first_token_s);
  }
  if (all.first_token_s > 0) {
    state.phase = RequestPhase::kDecode;
  } else if (all.queue_s > 0) {
    state.phase = RequestPhase::kPrefill;
  }
  return state;
}

std::shared_ptr<OpenRequest> OpenRequests::open(const UsageRecord& record) {
  const Lock lock(mutex_);
  const i64 number = ++last_number_;
  return requests_[number] = std::make_shared<OpenRequest>(number, record);
}

void OpenRequests::close(const OpenRequest& request) {
  const Lock lock(mutex_);
  requests_.erase(request.number());
}

std::vector<OpenRequestState> OpenRequests::states() const {
  std::vector<std::shared_ptr<OpenRequest>> requests;
  {
    const Lock lock(mutex_);
    for (const auto& [number, request] : requests_) requests.push_back(request);
  }
  std::vector<OpenRequestState> states;
  for (const auto& request : requests) states.push_back(request->state());
  return states;
}

bool OpenRequests::end(i64 number) {
  std::shared_ptr<OpenRequest> request;
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(number);
    if (found == requests_.end()) return false;
    request = found->second;
  }
  request->end();
  return true;
}

}  // namespace fathom::serve

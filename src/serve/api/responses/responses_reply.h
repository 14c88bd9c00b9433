#pragma once
// The answer to one request for a response, known before its first token.
#include <memory>
#include <string>

#include "serve/api/responses/response_output.h"
#include "serve/api/responses/responses_request.h"
#include "serve/generate/run.h"

namespace fathom::serve {

struct ResponsesReply {
  const ServedModel& model;
  std::string id;  // "resp_..."
  i64 created = 0;
  i64 top_logprobs = -1;
  ToolNames tools;
  io::JsonObject echo;  // what the client asked for, as a response gives it back
};

/// The members of the request that a response repeats, with what holds where it says nothing.
io::JsonObject echoed(const Call& call, const ResponsesBody& body);

/// What there is to say of a response at one time.
struct ResponseState {
  std::string_view status = "in_progress";  // "completed", "incomplete", "failed"
  std::string_view incomplete_reason = {};
  io::JsonArray output = {};
  const Usage* usage = nullptr;     // once it is known
  const ApiError* error = nullptr;  // of "failed"
};
io::JsonObject response_json(const ResponsesReply& reply, ResponseState state);

/// A response that fails before it began, for clients that look for errors in the stream alone.
std::string failed_stream(const ResponsesReply& reply, const ApiError& error);

std::unique_ptr<http::BodyStream> stream_response(ResponsesReply reply, std::unique_ptr<Run> run,
                                                  const std::string& request_id);
std::unique_ptr<http::LateResponse> whole_response(ResponsesReply reply, std::unique_ptr<Run> run,
                                                   const std::string& request_id);

}  // namespace fathom::serve

// POST /v1/responses
#include "serve/api/endpoints.h"
#include "serve/api/responses/responses_reply.h"
#include "serve/api/sse.h"

namespace fathom::serve {

ApiResult<http::Response> create_response(Call& call) {
  auto body = read_responses_body(call);
  if (!body) return tl::unexpected(std::move(body.error()));
  ResponsesReply reply{.model = call.model,
                       .id = random_id("resp_"),
                       .created = static_cast<i64>(unix_now_s()),
                       .top_logprobs = body->top_logprobs,
                       .tools = body->tools,
                       .echo = echoed(call, *body)};
  http::Response response;
  if (body->stream) response.headers = sse_headers();
  call.model.calls->restore(call.caller.key_id, body->conversation.chat);
  auto prepared = prepare_chat(call.model, std::move(body->conversation), body->sampling,
                               std::move(body->format));
  if (!prepared) {
    // Codex learns of a full context from the stream alone.
    const bool in_stream = body->stream && prepared.error().code == "context_length_exceeded";
    if (!in_stream) return tl::unexpected(std::move(prepared.error()));
    response.body = failed_stream(reply, prepared.error());
    return response;
  }
  tell_ignored(call, prepared->ignored);
  prepared->request.top_log_probs = reply.top_logprobs;
  std::vector<Prepared> prompts;
  prompts.push_back(std::move(*prepared));
  RequestFacts facts = request_facts(call, prompts, body->sampling, body->model.name, body->stream);
  auto run = Run::start(call, std::move(prompts), std::move(facts));
  if (!run) return tl::unexpected(std::move(run.error()));
  if (body->stream) {
    response.stream = stream_response(std::move(reply), std::move(*run), call.id);
  } else {
    response.late = whole_response(std::move(reply), std::move(*run), call.id);
  }
  return response;
}

}  // namespace fathom::serve

// POST /v1/chat/completions
#include "serve/api/chat/chat_reply.h"
#include "serve/api/endpoints.h"
#include "serve/api/sse.h"

namespace fathom::serve {

ApiResult<http::Response> chat_completions(Call& call) {
  auto body = read_chat_body(call);
  if (!body) return tl::unexpected(std::move(body.error()));
  call.model.calls->restore(call.caller.key_id, body->conversation.chat);
  auto prepared = prepare_chat(call.model, std::move(body->conversation), body->sampling,
                               std::move(body->format));
  if (!prepared) return tl::unexpected(std::move(prepared.error()));
  tell_ignored(call, prepared->ignored);
  ChatReply reply{.model = call.model,
                  .options = body->options,
                  .id = random_id("chatcmpl-"),
                  .created = static_cast<i64>(unix_now_s())};
  if (reply.options.return_token_ids) reply.prompt_ids = prepared->request.prompt_ids;
  prepared->request.top_log_probs = reply.options.top_logprobs;
  std::vector<Prepared> prompts;
  prompts.push_back(std::move(*prepared));
  const bool stream = reply.options.stream.stream;
  RequestFacts facts =
      request_facts(call, prompts, body->sampling, reply.options.model.name, stream);
  auto run = Run::start(call, std::move(prompts), std::move(facts));
  if (!run) return tl::unexpected(std::move(run.error()));
  http::Response response;
  if (stream) {
    response.headers = sse_headers();
    response.stream = stream_chat(std::move(reply), std::move(*run), call.id);
  } else {
    response.late = whole_chat(std::move(reply), std::move(*run), call.id);
  }
  return response;
}

}  // namespace fathom::serve

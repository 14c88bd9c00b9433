// POST /v1/messages and /v1/messages/count_tokens
#include "serve/api/endpoints.h"
#include "serve/api/messages/messages_reply.h"
#include "serve/api/sse.h"

namespace fathom::serve {

ApiResult<http::Response> create_message(Call& call) {
  auto body = read_messages_body(call, false);
  if (!body) return tl::unexpected(std::move(body.error()));
  call.model.calls->restore(call.caller.key_id, body->conversation.chat);
  auto prepared = prepare_chat(call.model, std::move(body->conversation), body->sampling,
                               std::move(body->format));
  if (!prepared) return tl::unexpected(std::move(prepared.error()));
  tell_ignored(call, prepared->ignored);
  prepared->chat->call_prefix = "toolu_";
  MessagesReply reply{.id = random_id("msg_"),
                      .model = body->model.name,
                      .is_clamped = prepared->clamped_max_tokens.has_value()};
  std::vector<Prepared> prompts;
  prompts.push_back(std::move(*prepared));
  RequestFacts facts = request_facts(call, prompts, body->sampling, body->model.name, body->stream);
  auto run = Run::start(call, std::move(prompts), std::move(facts));
  if (!run) return tl::unexpected(std::move(run.error()));
  http::Response response;
  if (body->stream) {
    response.headers = sse_headers();
    response.headers.push_back({"request-id", call.id});
    response.stream = stream_message(std::move(reply), std::move(*run), call.id);
  } else {
    response.late = whole_message(std::move(reply), std::move(*run), call.id);
  }
  return response;
}

ApiResult<http::Response> count_message_tokens(Call& call) {
  auto body = read_messages_body(call, true);
  if (!body) return tl::unexpected(std::move(body.error()));
  call.model.calls->restore(call.caller.key_id, body->conversation.chat);
  const auto prompt = render(call.model, body->conversation.chat);
  if (!prompt) return tl::unexpected(prompt.error());
  tell_ignored(call, body->conversation.ignored);
  io::JsonObject counts;
  counts.set("input_tokens", static_cast<i64>(prompt->ids.size()));
  http::Response response = json_response(std::move(counts));
  response.headers.push_back({"request-id", call.id});
  return response;
}

}  // namespace fathom::serve

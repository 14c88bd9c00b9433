// POST /v1/completions
#include "serve/api/completions/completion_reply.h"
#include "serve/api/endpoints.h"
#include "serve/api/sse.h"

namespace fathom::serve {

ApiResult<http::Response> completions(Call& call) {
  auto body = read_completion_body(call);
  if (!body) return tl::unexpected(std::move(body.error()));
  const CompletionOptions& options = body->options;
  std::vector<Prepared> prompts;
  std::vector<std::string> ignored = std::move(body->ignored);
  for (const CompletionPrompt& prompt : body->prompts) {
    auto prepared =
        prepare_text(call.model, prompt.ids, body->sampling, body->format, kCompletionTokens);
    if (!prepared) return tl::unexpected(std::move(prepared.error()));
    prepared->request.top_log_probs = options.logprobs;
    if (options.echo && options.logprobs >= 0) prepared->request.prompt_log_probs_from = 1;
    if (prompts.empty()) {
      ignored.insert(ignored.end(), prepared->ignored.begin(), prepared->ignored.end());
    }
    prompts.push_back(std::move(*prepared));
  }
  tell_ignored(call, ignored);
  RequestFacts facts =
      request_facts(call, prompts, body->sampling, options.model.name, options.stream.stream);
  auto run = Run::start(call, std::move(prompts), std::move(facts));
  if (!run) return tl::unexpected(std::move(run.error()));
  CompletionReply reply{.model = call.model,
                        .options = options,
                        .prompts = std::move(body->prompts),
                        .id = random_id("cmpl-"),
                        .created = static_cast<i64>(unix_now_s())};
  http::Response response;
  if (reply.options.stream.stream) {
    response.headers = sse_headers();
    response.stream = stream_completion(std::move(reply), std::move(*run), call.id);
  } else {
    response.late = whole_completion(std::move(reply), std::move(*run), call.id);
  }
  return response;
}

}  // namespace fathom::serve

#include "serve/generate/prepare.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/sampling/grammar_mask.h"
#include "grammar/match/vocabulary.h"
#include "tokenizer/chat/marks.h"

namespace fathom::serve {
namespace {

/// The length of the prompt and of the answer.
ApiResult<void> set_lengths(const ServedModel& model, const SamplingFields& fields,
                            i64 default_max_tokens, Prepared& prepared) {
  const i64 context = model.engine.context_tokens();
  const i64 prompt = std::ssize(prepared.request.prompt_ids);
  if (prompt > context) return tl::unexpected(context_length_exceeded(prompt, context));
  const i64 room = std::max<i64>(context - prompt, 1);
  const i64 wanted = fields.max_tokens.value_or(std::min(default_max_tokens, room));
  prepared.request.max_tokens = std::min(wanted, room);
  if (wanted > room) prepared.clamped_max_tokens = room;
  return {};
}

ApiResult<void> set_grammar(const ServedModel& model, const AnswerFormat& format,
                            Prepared& prepared) {
  auto grammar = compile_format(model, format, prepared.ignored);
  if (!grammar) return tl::unexpected(std::move(grammar.error()));
  if (*grammar == nullptr) return {};
  prepared.request.make_mask =
      engine::make_grammar_mask(*grammar, model.vocabulary, prepared.request.stop_token_ids);
  return {};
}

void set_thought(const ServedModel& model, const Conversation& conversation, Prepared& prepared) {
  const auto end = model.codec.tokenizer.token_to_id(tokenizer::kThinkEnd);
  if (!end) return;
  engine::ThinkingParams thinking{.end_id = *end};
  if (conversation.thinking_budget) thinking.max_tokens = *conversation.thinking_budget;
  prepared.request.thinking = thinking;
}

/// An answer ends at the template's end-of-turn token, whatever the configs say.
void add_end_of_turn(const ServedModel& model, engine::GenerateRequest& request) {
  const auto end = model.codec.tokenizer.token_to_id(model.chat_template->end_of_turn);
  if (end && std::ranges::find(request.stop_token_ids, *end) == request.stop_token_ids.end()) {
    request.stop_token_ids.push_back(*end);
  }
}

ApiResult<void> set_tools(const ServedModel& model, const Conversation& conversation,
                          AnswerFormat& format, Prepared& prepared) {
  auto spec = grammar::tool_spec(*model.chat_template, conversation.chat, model.codec.tokenizer);
  if (!spec) return tl::unexpected(of_reader(spec.error(), ""));
  if (!*spec) return {};
  for (const grammar::Tool& tool : (*spec)->tools) prepared.chat->tools.push_back(tool.name);
  format.spec.tools = std::move(**spec);
  return {};
}

}  // namespace

ApiError context_length_exceeded(i64 prompt_tokens, i64 context_tokens) {
  ApiError error = bad_request(
      "context_length_exceeded", "messages",
      fmt::format("This model's maximum context length is {} tokens, and the prompt of {} tokens "
                  "exceeds it.",
                  context_tokens, prompt_tokens));
  error.extra.set("n_prompt_tokens", prompt_tokens);
  error.extra.set("n_ctx", context_tokens);
  return error;
}

ApiError of_engine(const Error& error) {
  const bool is_clients =
      error.code() == ErrorCode::kInvalidInput || error.code() == ErrorCode::kUnsupported;
  if (is_clients) return bad_request("invalid_value", "", printable(error.message()));
  return overloaded("server_unavailable", printable(error.message()), kUnavailableRetryS);
}

ApiResult<Prepared> prepare_chat(const ServedModel& model, Conversation conversation,
                                 const SamplingFields& sampling, AnswerFormat format) {
  // Neither a grammar nor a budget would know of a thought that the model opens itself.
  const bool is_held = format.spec.kind != grammar::GrammarSpec::Kind::kText ||
                       !conversation.chat.tools.empty() || conversation.thinking_budget;
  auto prompt = render(model, conversation.chat, is_held);
  if (!prompt) return tl::unexpected(std::move(prompt.error()));
  Prepared prepared;
  prepared.ignored = std::move(conversation.ignored);
  prepared.include_stop_text = sampling.include_stop_text;
  prepared.chat = ChatAnswer{.in_thought = prompt->in_thought, .stop = sampling.stop};
  prepared.request.prompt_ids = std::move(prompt->ids);
  const i64 most = prompt->in_thought ? model.max_thinking_tokens : model.max_tokens;
  if (auto set = set_lengths(model, sampling, most, prepared); !set) {
    return tl::unexpected(std::move(set.error()));
  }
  apply_sampling(sampling, model, prepared.request);
  if (!sampling.ignore_eos) add_end_of_turn(model, prepared.request);
  if (prompt->in_thought) set_thought(model, conversation, prepared);
  if (auto set = set_tools(model, conversation, format, prepared); !set) {
    return tl::unexpected(std::move(set.error()));
  }
  if (auto set = set_grammar(model, format, prepared); !set) {
    return tl::unexpected(std::move(set.error()));
  }
  return prepared;
}

ApiResult<Prepared> prepare_text(const ServedModel& model, std::vector<i32> prompt_ids,
                                 const SamplingFields& sampling, const AnswerFormat& format,
                                 i64 default_max_tokens) {
  Prepared prepared;
  prepared.include_stop_text = sampling.include_stop_text;
  prepared.request.prompt_ids = std::move(prompt_ids);
  if (auto set = set_lengths(model, sampling, default_max_tokens, prepared); !set) {
    set.error().param = "prompt";
    return tl::unexpected(std::move(set.error()));
  }
  apply_sampling(sampling, model, prepared.request);
  prepared.request.stop = sampling.stop;
  if (auto set = set_grammar(model, format, prepared); !set) {
    return tl::unexpected(std::move(set.error()));
  }
  return prepared;
}

ApiResult<std::shared_ptr<engine::Stream>> submit(const ServedModel& model,
                                                  const Admission& admission,
                                                  engine::GenerateRequest request) {
  request.tenant = admission.tenant;
  request.weight = admission.weight;
  request.max_parallel = admission.max_parallel;
  request.priority = admission.priority;
  if (model.expert_loads != nullptr) model.expert_loads->count_in(request);
  auto submission = model.engine.submit(std::move(request));
  if (!submission) {
    return tl::unexpected(of_engine(submission.error()));
  }
  if (submission->stream == nullptr) {
    return tl::unexpected(
        overloaded("server_overloaded", "the server's queue is full", submission->retry_after_s));
  }
  return submission->stream;
}

}  // namespace fathom::serve

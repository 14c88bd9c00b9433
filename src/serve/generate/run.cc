#include "serve/generate/run.h"

#include <algorithm>

namespace fathom::serve {
namespace {

UsageRecord begin_record(const Call& call, RequestFacts facts) {
  return {.request_id = call.id,
          .caller = call.caller,
          .facts = std::move(facts),
          .peer = call.request.peer,
          .started_s = unix_now_s(),
          .asked = call.ledger.wants_words() ? call.body : io::JsonValue()};
}

/// Keeps what it passes on, and the calls of a choice before its end is told: the client may come
/// back with them at once.
class Recorder : public GenerationSink {
 public:
  Recorder(GenerationSink& sink, std::map<i64, tokenizer::Answer>& answers, CallMemory& calls,
           const std::string& account)
      : sink_(sink), answers_(answers), calls_(calls), account_(account) {}
  void prompt_token(const engine::Event& event) override { sink_.prompt_token(event); }
  void token(const engine::Event& event, bool reasoning) override { sink_.token(event, reasoning); }
  void part(i64 choice, const tokenizer::AnswerPart& part) override {
    tokenizer::add(part, answers_[choice]);
    sink_.part(choice, part);
  }
  void finish(const engine::Event& end, const Finish& finish) override {
    calls_.keep(account_, answers_[end.choice]);
    sink_.finish(end, finish);
  }

 private:
  GenerationSink& sink_;
  std::map<i64, tokenizer::Answer>& answers_;
  CallMemory& calls_;
  const std::string& account_;
};

io::JsonObject answer_json(const tokenizer::Answer& answer) {
  io::JsonObject object;
  io::JsonArray calls;
  for (const tokenizer::ToolCall& call : answer.tool_calls) {
    io::JsonObject one;
    one.set("name", call.name);
    one.set("arguments", call.arguments);
    calls.emplace_back(std::move(one));
  }
  if (!answer.reasoning.empty()) object.set("reasoning", answer.reasoning);
  object.set("content", answer.content);
  if (!calls.empty()) object.set("tool_calls", std::move(calls));
  return object;
}

}  // namespace

RequestFacts request_facts(const Call& call, const std::vector<Prepared>& prompts,
                           const SamplingFields& sampling, std::string model, bool stream) {
  RequestFacts facts{.endpoint = call.endpoint, .model = std::move(model), .stream = stream};
  for (const Prepared& prompt : prompts) {
    facts.prompt_tokens += std::ssize(prompt.request.prompt_ids);
    facts.max_tokens += prompt.request.max_tokens * prompt.request.num_choices;
  }
  facts.priority = static_cast<int>(sampling.priority);
  facts.end_user = sampling.end_user;
  return facts;
}

bool Run::pump(size_t prompt, GenerationSink& sink) {
  if (answers_.empty()) return generations_[prompt]->pump(sink);
  Recorder recorder(sink, answers_[prompt], *calls_, ticket_.record().caller.key_id);
  return generations_[prompt]->pump(recorder);
}

Run::Run(Call& call, RequestFacts facts)
    : ticket_(call.ledger, begin_record(call, std::move(facts))),
      calls_(call.model.calls),
      keeps_words_(call.ledger.wants_words()) {}

Run::~Run() {
  const Usage usage = this->usage();
  UsageRecord& record = ticket_.record();
  record.prompt_tokens = usage.stats.begun_tokens;
  record.cached_tokens = usage.cached_tokens;
  record.completion_tokens = usage.completion_tokens;
  record.reasoning_tokens = usage.reasoning_tokens;
  record.draft_tokens = usage.stats.draft_tokens;
  record.accepted_tokens = usage.stats.accepted_tokens;
  record.preemptions = usage.stats.preemptions;
  record.queue_s = usage.stats.queue_s;
  record.first_token_s = usage.stats.first_token_s;
  record.total_s = usage.stats.total_s;
  if (!keeps_words_) return;
  for (const auto& choices : answers_) {
    for (const auto& [choice, answer] : choices) record.answers.emplace_back(answer_json(answer));
  }
}

ApiResult<std::unique_ptr<Run>> Run::start(Call& call, std::vector<Prepared> prompts,
                                           RequestFacts facts) {
  auto admission = call.accounts.admit(call.caller, facts);
  if (!admission) return tl::unexpected(std::move(admission.error()));
  std::unique_ptr<Run> run(new Run(call, std::move(facts)));
  run->seed_ = prompts.front().request.sampling.seed;
  run->num_choices_ = prompts.front().request.num_choices;
  const auto may_call = [](const Prepared& each) { return each.chat && !each.chat->tools.empty(); };
  if (run->keeps_words_ || std::ranges::any_of(prompts, may_call)) {
    run->answers_.resize(prompts.size());
  }
  for (Prepared& prompt : prompts) {
    auto stream = submit(call.model, *admission, prompt.request);
    if (!stream) {
      run->finished(stream.error().status, "", stream.error().code);
      return tl::unexpected(std::move(stream.error()));  // the others are cancelled
    }
    run->ticket_.open().add(*stream);
    run->generations_.push_back(
        std::make_unique<Generation>(call.model, std::move(*stream), prompt));
  }
  call.headers.insert(call.headers.end(), admission->headers.begin(), admission->headers.end());
  if (const auto clamped = prompts.front().clamped_max_tokens) {
    call.headers.push_back({"x-fathom-max-tokens", std::to_string(*clamped)});
  }
  return run;
}

void Run::on_news(const std::function<void()>& wake) {
  for (const auto& generation : generations_) generation->on_news(wake);
}

bool Run::done() const {
  return std::ranges::all_of(generations_, [](const auto& each) { return each->done(); });
}

Usage Run::usage() const {
  Usage all;
  for (const auto& generation : generations_) {
    const Usage usage = generation->usage();
    all.prompt_tokens += usage.prompt_tokens;
    all.cached_tokens += usage.cached_tokens;
    all.completion_tokens += usage.completion_tokens;
    all.reasoning_tokens += usage.reasoning_tokens;
    all.stats.prefilled_tokens += usage.stats.prefilled_tokens;
    all.stats.begun_tokens += usage.stats.begun_tokens;
    all.stats.draft_tokens += usage.stats.draft_tokens;
    all.stats.accepted_tokens += usage.stats.accepted_tokens;
    all.stats.preemptions += usage.stats.preemptions;
    all.stats.prefilled_s = std::max(all.stats.prefilled_s, usage.stats.prefilled_s);
    all.stats.queue_s = std::max(all.stats.queue_s, usage.stats.queue_s);
    all.stats.first_token_s = std::max(all.stats.first_token_s, usage.stats.first_token_s);
    all.stats.total_s = std::max(all.stats.total_s, usage.stats.total_s);
  }
  return all;
}

ApiError Run::failed(const Finish& finish, const std::string& request_id) {
  ApiError error = late_error(finish, request_id);
  finished(error.status, finish_name(finish.reason), error.code);
  return error;
}

void Run::finished(int status, std::string_view reason, std::string_view error_code) {
  UsageRecord& record = ticket_.record();
  record.status = status;
  record.finish_reason = reason;
  record.error_code = error_code;
}

}  // namespace fathom::serve

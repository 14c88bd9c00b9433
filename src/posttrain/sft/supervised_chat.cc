#include "posttrain/sft/supervised_chat.h"

#include <fmt/format.h>

#include <optional>

namespace fathom::posttrain {
namespace {

using tokenizer::ChatRequest;
using tokenizer::ChatTemplate;
using tokenizer::Message;
using tokenizer::Segment;
using tokenizer::SegmentKind;
using Segments = std::vector<Segment>;

/// What follows `prefix` in `whole`; nothing if it does not begin so.
std::optional<Segments> behind(const Segments& whole, const Segments& prefix) {
  if (prefix.size() > whole.size()) return std::nullopt;
  Segments rest;
  for (size_t i = 0; i < prefix.size(); ++i) {
    if (prefix[i] == whole[i]) continue;
    const bool ends_inside = i + 1 == prefix.size() && prefix[i].kind == SegmentKind::kText &&
                             whole[i].kind == SegmentKind::kText &&
                             whole[i].text.starts_with(prefix[i].text);
    if (!ends_inside) return std::nullopt;
    rest.push_back({SegmentKind::kText, whole[i].text.substr(prefix[i].text.size())});
  }
  rest.insert(rest.end(), whole.begin() + static_cast<ptrdiff_t>(prefix.size()), whole.end());
  return rest;
}

/// The conversation up to its message `last`, and that message as its end.
ChatRequest part(const ChatRequest& request, size_t count) {
  ChatRequest cut = request;
  cut.messages.resize(count);
  cut.add_generation_prompt = false;
  cut.continue_final_message = false;
  return cut;
}

/// One turn to learn: what stands before it, and it.
struct Turn {
  Segments prompt, answer;
};

class TurnReader {
 public:
  TurnReader(const ChatTemplate& chat_template, const ChatRequest& request)
      : template_(chat_template), request_(request) {}

  Result<Turn> read(size_t message) const {
    if (message == 0) return refuse(message, "the model answers to something: no message before");
    ChatRequest before = part(request_, message);
    before.add_generation_prompt = true;
    before.thinking = thinking_of(request_.messages[message]);
    auto prompt = render_chat(template_, before);
    if (!prompt) return tl::unexpected(prompt.error());
    for (const bool as_stored : {true, false}) {
      auto whole = as_stored ? stored(message) : written(message);
      if (!whole) {
        if (as_stored) continue;
        return tl::unexpected(whole.error());
      }
      if (auto answer = behind(*whole, *prompt)) return close(message, *prompt, *answer);
    }
    const bool needs_thought =
        request_.messages[message].reasoning_content.empty() && tokenizer::ends_in_thought(*prompt);
    return refuse(message, needs_thought
                               ? "the template opens a thought here, and there is no "
                                 "reasoning_content to learn"
                               : "the template opens this turn otherwise than it writes it");
  }

 private:
  static bool has_thought(const Message& message) { return !message.reasoning_content.empty(); }

  tokenizer::Thinking thinking_of(const Message& message) const {
    const bool is_choice = template_.thinking == tokenizer::ThinkingSupport::kChoice;
    return is_choice && has_thought(message) ? tokenizer::Thinking::kOn : request_.thinking;
  }

  /// The conversation with the turn as the template stores it; not where that loses its thought.
  Result<Segments> stored(size_t message) const {
    if (has_thought(request_.messages[message]) && !template_.traits.writes_thoughts) {
      return invalid_input("the thought is not stored");
    }
    ChatRequest with = part(request_, message + 1);
    with.thinking = thinking_of(with.messages.back());
    return render_chat(template_, with);
  }

  /// The same with the turn as the model writes it.
  Result<Segments> written(size_t message) const {
    ChatRequest with = part(request_, message + 1);
    if (!with.messages.back().tool_calls.empty()) {
      return refuse(message, "the template stores this call otherwise than it opens the turn");
    }
    with.continue_final_message = true;
    with.thinking = thinking_of(with.messages.back());
    auto segments = render_chat(template_, with);
    if (segments) {
      segments->push_back({SegmentKind::kToken, std::string(template_.end_of_turn)});
    }
    return segments;
  }

  Result<Turn> close(size_t message, Segments prompt, Segments answer) const {
    while (!answer.empty() && !(answer.back().kind == SegmentKind::kToken &&
                                answer.back().text == template_.end_of_turn)) {
      answer.pop_back();
    }
    if (answer.empty()) {
      return refuse(message,
                    fmt::format("the template does not close it with {}", template_.end_of_turn));
    }
    return Turn{std::move(prompt), std::move(answer)};
  }

  tl::unexpected<Error> refuse(size_t message, std::string_view why) const {
    return invalid_input(
        fmt::format("messages[{}]: {} (chat template {})", message, why, template_.name));
  }

  const ChatTemplate& template_;
  const ChatRequest& request_;
};

}  // namespace

Result<std::vector<std::vector<Piece>>> supervise_chat(const ChatTemplate& chat_template,
                                                       const ChatRequest& request,
                                                       const std::vector<bool>& trained) {
  const TurnReader reader(chat_template, request);
  std::vector<std::vector<Piece>> samples;
  Segments consumed;  // by the last sample
  for (size_t i = 0; i < request.messages.size(); ++i) {
    if (request.messages[i].role != "assistant" || !trained[i]) continue;
    auto turn = reader.read(i);
    if (!turn) return tl::unexpected(turn.error());
    std::optional<Segments> context;
    if (!samples.empty()) context = behind(turn->prompt, consumed);
    if (!context) {
      samples.emplace_back();
      context = turn->prompt;
    }
    consumed = std::move(turn->prompt);
    // The last token of a turn keeps its text apart from what follows: nothing merges here.
    const bool merges = !consumed.empty() && consumed.back().kind == SegmentKind::kText &&
                        turn->answer.front().kind == SegmentKind::kText;
    auto rest = turn->answer.begin();
    if (merges) consumed.back().text += (rest++)->text;
    consumed.insert(consumed.end(), rest, turn->answer.end());
    samples.back().push_back({std::move(*context), false});
    samples.back().push_back({std::move(turn->answer), true});
  }
  if (samples.empty()) {
    return invalid_input("messages: no assistant's message that is to be learnt");
  }
  return samples;
}

}  // namespace fathom::posttrain

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <iostream>
#include <iterator>
#include <string>

#include "backend/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/generate/chat_commands.h"
#include "cli/interrupt.h"
#include "cli/options/generate_options.h"
#include "cli/options/grammar_options.h"
#include "cli/options/model_options.h"
#include "cli/options/text_input.h"
#include "cli/output.h"
#include "io/json.h"
#include "tokenizer/chat/answer/answer_reader.h"
#include "tokenizer/chat/parse.h"
#include "tokenizer/chat/template.h"

namespace fathom::cli {
namespace {

using tokenizer::ChatRequest;
using tokenizer::ChatTemplate;
using tokenizer::Message;

constexpr std::string_view kEndOfThought = "</think>";
constexpr i64 kConversationTokens = 8192;  // context of a conversation unless --context says

std::string template_names() {
  std::string names;
  for (const ChatTemplate& t : tokenizer::chat_templates()) {
    names += fmt::format("\n  {:<16}{}", t.name, t.models);
  }
  return names;
}

/// One line without its end, which may be CR LF; a line that ends in a backslash goes on. False at
/// the end of input.
bool read_message(std::string& message, bool terminal) {
  message.clear();
  std::string line;
  const char* prompt = "> ";
  while (true) {
    if (terminal) err::write(prompt);
    if (!std::getline(std::cin, line)) return !message.empty();
    if (line.ends_with('\r')) line.pop_back();
    message += line;
    if (!message.ends_with('\\')) return true;
    message.back() = '\n';
    prompt = ". ";
  }
}

class Chat : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("chat", "Talk with a model");
    add_model_options(command_, model_);
    command_.add_option("-s,--system", system_, "System message");
    Arguments once = command_.add_group("once", "Answer once instead of a conversation");
    once.add_option("-p,--message", message_, "The user's message");
    once.add_option("--messages", messages_file_,
                    "JSON file: an OpenAI chat request's messages, or an object with messages and "
                    "tools; - reads stdin");
    once.allow_one();
    command_.add_option("--tools", tools_file_, "JSON file: a list of OpenAI tool definitions");
    command_.add_flag("--think,!--no-think", think_,
                      "Ask a model that can choose to think first, or not to");
    command_
        .add_option("--chat-template", template_name_,
                    "Built-in chat template; default: the one recognised in the checkpoint")
        .type_name("NAME");
    command_.add_flag("--show-prompt", show_prompt_, "Print the rendered prompt to stderr");
    options_.max_tokens = kConversationTokens;  // an answer may think for long
    add_generate_options(command_, options_);
    add_grammar_options(command_, grammar_);
    command_.add_flag("--json", json_, "With --message or --messages: one JSON object");
    command_.footer(
        "Chat templates:" + template_names() +
        "\nExamples:\n  fathom chat --model DIR\n"
        "  fathom chat --model DIR --message 'Who was Ada Lovelace?' --json-schema person.json\n"
        "  fathom chat --model DIR --message 'Why is the sky blue?' --greedy");
    return command_;
  }

  int run() override {
    const auto asked = read_grammar(grammar_);
    auto grammar = compile_grammar(asked);
    Ctx ctx = backend::make_context();
    const auto model = load_model(ctx, model_);
    const engine::TextCodec codec = value_or_throw(engine::load_text_codec(model_.directory));
    const auto recognised =
        value_or_throw(tokenizer::load_chat_template(model_.directory, template_name_));
    template_ = recognised.chat_template;
    value_or_throw(tokenizer::check_chat_tokens(*template_, codec.tokenizer));
    log::debug("chat template {}", template_->name);
    request_ = make_chat_request();
    request_.texts = recognised.texts;
    engine::GenerateRequest generation = make_request(options_, command_, *model, codec);
    add_end_of_turn(codec.tokenizer, generation);
    if (const auto tools =
            value_or_throw(grammar::tool_spec(*template_, request_, codec.tokenizer))) {
      grammar = compile_grammar(asked, *tools);
    }
    hold_to_grammar(grammar, codec, generation);
    const bool once = given("--message") || given("--messages");
    if (json_ && !once) {
      throw Error(ErrorCode::kInvalidInput, "--json needs --message or --messages");
    }

    if (once) set_prompt(codec.tokenizer, generation);
    const i64 wanted =
        once ? std::ssize(generation.prompt_ids) + generation.max_tokens : kConversationTokens;
    engine::EngineOptions settings = engine_options(model_, model->config(), wanted);
    settings.draft_tokens = options_.drafts;
    const auto engine = engine::make_engine(ctx, *model, &codec.tokenizer, settings);
    if (once) return answer_once(*engine, generation, *model);
    generation.cache_use = engine::CacheUse::kAny;  // no answer is computed twice
    return converse(*engine, codec, generation, *model);
  }

 private:
  bool given(const char* option) const { return command_.given(option); }

  /// An answer ends at the template's end-of-turn token, whatever the configs say.
  void add_end_of_turn(const tokenizer::Tokenizer& tokenizer,
                       engine::GenerateRequest& generation) const {
    const auto end = tokenizer.token_to_id(template_->end_of_turn);
    if (end && !options_.ignore_eos) generation.stop_token_ids.push_back(*end);
  }

  ChatRequest read_chat_request() const {
    auto parsed =
        value_or_throw(tokenizer::parse_chat_request(read_text(messages_file_), messages_file_));
    if (!parsed.sampling_keys.empty()) {
      log::warn("{}: {} not used: give options such as --temperature and --max-tokens instead",
                messages_file_, fmt::join(parsed.sampling_keys, ", "));
    }
    return std::move(parsed.request);
  }

  ChatRequest make_chat_request() const {
    ChatRequest request;
    if (!messages_file_.empty()) {
      request = read_chat_request();
    }
    if (!tools_file_.empty()) {
      if (!request.tools.empty()) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("--tools: {} has tools of its own", messages_file_));
      }
      request.tools = value_or_throw(tokenizer::parse_tools(read_text(tools_file_), tools_file_));
    }
    if (given("--system")) {
      request.messages.insert(request.messages.begin(),
                              Message{.role = "system", .content = system_});
    }
    if (given("--message")) request.messages.push_back({.role = "user", .content = message_});
    if (given("--think")) {
      request.thinking = think_ ? tokenizer::Thinking::kOn : tokenizer::Thinking::kOff;
    }
    return request;
  }

  void set_prompt(const tokenizer::Tokenizer& tokenizer, engine::GenerateRequest& generation) {
    auto segments = tokenizer::render_chat(*template_, request_);
    if (!segments) {
      const std::string where = messages_file_.empty() ? "" : messages_file_ + ": ";
      throw Error(segments.error().code(), where + segments.error().message());
    }
    if (generation.make_mask) {
      const auto opening = tokenizer::own_thought_opening(*template_, request_, *segments);
      segments->insert(segments->end(), opening.begin(), opening.end());
    }
    if (show_prompt_) err::print("{}\n", tokenizer::chat_text(*segments));
    generation.prompt_ids = tokenizer::encode_chat(tokenizer, *segments);
    generation.thinking.reset();
    in_thought_ = tokenizer::ends_in_thought(*segments);
    // A grammar is of the answer, not of the thought before it.
    if (generation.make_mask && in_thought_) {
      generation.thinking = engine::ThinkingParams{.end_id = end_of_thought(tokenizer)};
    }
  }

  static i32 end_of_thought(const tokenizer::Tokenizer& tokenizer) {
    const auto id = tokenizer.token_to_id(kEndOfThought);
    if (id) return *id;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the prompt opens a thought and the vocabulary has no {} to end it: no "
                            "grammar can be applied to the answer",
                            kEndOfThought));
  }

  static void print(std::string_view text) {
    out::write(text);
    out::flush();
  }

  int answer_once(engine::Engine& engine, const engine::GenerateRequest& generation,
                  const model::Model& model) {
    const InterruptGuard interrupt;
    const auto result = engine::generate(
        engine, generation, json_ ? engine::OnText() : engine::OnText(print), interrupt.flag());
    if (json_) {
      io::JsonObject object;
      object.set("content", result.text);
      object.set("finish_reason", engine::finish_reason_name(result.finish_reason));
      object.set("prompt_tokens", result.stats.prompt_tokens);
      object.set("completion_tokens", static_cast<i64>(result.token_ids.size()));
      object.set("chat_template", template_->name);
      print(io::write_json(object));
    }
    print("\n");
    report_speed(result, model);
    return interrupt.interrupted() ? kExitInterrupted : kExitOk;
  }

  int converse(engine::Engine& engine, const engine::TextCodec& codec,
               engine::GenerateRequest& generation, const model::Model& model) {
    const bool terminal = isatty(STDIN_FILENO) != 0;
    if (terminal) err::write(kChatCommandHelp);
    std::string message;
    while (read_message(message, terminal)) {
      if (message.empty()) continue;
      if (const auto command = parse_chat_command(message)) {
        if (command->kind == ChatCommandKind::kExit) break;
        obey(*command);
        continue;
      }
      request_.messages.push_back({.role = "user", .content = message});
      try {
        set_prompt(codec.tokenizer, generation);
        const InterruptGuard interrupt;
        const auto result = engine::generate(engine, generation, print, interrupt.flag());
        print("\n");
        remember_answer(codec.tokenizer, result);
        report_speed(result, model);
        // Ctrl-C ends the answer alone.
        if (interrupt.interrupted() && interrupt.signal() != SIGINT) return kExitInterrupted;
        if (result.finish_reason == engine::FinishReason::kLength) {
          log::warn("the answer was cut: raise --max-tokens or --context");
        }
      } catch (const Error& error) {
        // A message that cannot be answered (a full context) must not end the conversation.
        if (error.code() == ErrorCode::kInternal) throw;
        log::error("{}", error.message());
        request_.messages.pop_back();
      }
      ++generation.sampling.seed;
    }
    if (terminal) err::write("\n");
    return kExitOk;
  }

  /// Thoughts are kept apart from the answer where the template wants them apart. (Qwen3's finds
  /// them in the answer.)
  void remember_answer(const tokenizer::Tokenizer& tokenizer,
                       const engine::GenerateResult& result) {
    Message message{.role = "assistant", .content = result.text};
    const bool keeps_apart = template_->dialect == tokenizer::ChatDialect::kDsml ||
                             template_->dialect == tokenizer::ChatDialect::kKimiThinking;
    if (keeps_apart) {
      tokenizer::AnswerReader reader(*template_, tokenizer, {.in_thought = in_thought_});
      std::vector<tokenizer::AnswerPart> parts;
      for (const i32 id : result.token_ids) reader.push(id, parts);
      reader.finish(true, parts);
      tokenizer::Answer answer;
      for (const tokenizer::AnswerPart& part : parts) tokenizer::add(part, answer);
      message.reasoning_content = std::move(answer.reasoning);
      message.content = std::move(answer.content);
    }
    request_.messages.push_back(std::move(message));
  }

  /// Unless the template has no form for it, which would make every further message an error.
  void set_thinking(tokenizer::Thinking thinking) {
    ChatRequest trial = request_;
    trial.thinking = thinking;
    trial.messages = {{.role = "user", .content = ""}};
    if (const auto rendered = tokenizer::render_chat(*template_, trial); !rendered) {
      log::error("{}", rendered.error().message());
      return;
    }
    request_.thinking = thinking;
  }

  void obey(const ChatCommand& command) {
    switch (command.kind) {
      case ChatCommandKind::kSystem:
        system_ = command.argument;
        [[fallthrough]];
      case ChatCommandKind::kClear:
        request_.messages.clear();
        if (!system_.empty()) request_.messages.push_back({.role = "system", .content = system_});
        break;
      case ChatCommandKind::kThinkOn:
        set_thinking(tokenizer::Thinking::kOn);
        break;
      case ChatCommandKind::kThinkOff:
        set_thinking(tokenizer::Thinking::kOff);
        break;
      default:
        err::write(kChatCommandHelp);
    }
  }

  Arguments command_;
  ModelOptions model_;
  GenerateOptions options_;
  GrammarOptions grammar_;
  ChatRequest request_;
  const ChatTemplate* template_ = nullptr;
  std::string system_, message_, messages_file_, tools_file_, template_name_;
  bool think_ = false, show_prompt_ = false, json_ = false;
  bool in_thought_ = false;  // the last prompt ends inside a thought
};

}  // namespace

std::unique_ptr<Command> make_chat() { return std::make_unique<Chat>(); }

}  // namespace fathom::cli

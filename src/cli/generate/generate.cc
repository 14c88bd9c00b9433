#include <fmt/format.h>

#include "backend/backend.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options/generate_options.h"
#include "cli/options/grammar_options.h"
#include "cli/options/model_options.h"
#include "cli/options/rank_options.h"
#include "cli/options/text_input.h"
#include "cli/output.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

class Generate : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("generate", "Continue a text");
    add_model_options(command_, model_);
    Arguments source = command_.add_group("prompt", "Where the prompt comes from");
    source.add_option("-p,--prompt", prompt_, "The text to continue");
    source.add_option("--prompt-file", prompt_file_, "A file with it; - reads stdin");
    source.require_one();
    command_.add_flag("--plain", plain_,
                      "Special-token text in the prompt (\"<｜User｜>\") stays ordinary text");
    add_generate_options(command_, options_);
    add_grammar_options(command_, grammar_);
    add_rank_options(command_, ranks_);
    command_.add_flag("--echo", echo_, "Print the prompt before the answer");
    command_.add_flag("--json", json_, "Print one JSON object instead of streaming text");
    command_.footer(
        "Examples:\n"
        "  fathom generate --model DIR --prompt 'Once upon a time' --max-tokens 100\n"
        "  fathom generate --model DIR --prompt 'The capital of France is' --greedy --json\n"
        "  fathom generate --model DIR --prompt 'Is water wet? ' --choice yes,no\n"
        "Sampling defaults come from the model's generation_config.json.");
    return command_;
  }

  int run() override {
    const auto grammar = compile_grammar(read_grammar(grammar_));
    Ctx ctx = backend::make_context();
    const auto model = load_model(ctx, model_);
    const engine::TextCodec codec = value_or_throw(engine::load_text_codec(model_.directory));
    const bool from_file = !prompt_file_.empty();
    const std::string text = from_file ? read_prose(prompt_file_) : prompt_;
    engine::GenerateRequest request = make_request(options_, command_, *model, codec);
    hold_to_grammar(grammar, codec, request);
    request.prompt_ids = engine::encode_prompt(
        codec, text, plain_ ? tokenizer::TextKind::kPlain : tokenizer::TextKind::kMarkup);

    const auto wanted = static_cast<i64>(request.prompt_ids.size()) + request.max_tokens;
    engine::EngineOptions settings = engine_options(model_, model->config(), wanted);
    settings.draft_tokens = options_.drafts;
    const auto engine = make_engine_on(ranks_.settings(), ctx, *model, &codec.tokenizer, settings);
    if (echo_ && !json_) print(text);
    const InterruptGuard interrupt;
    const auto result = engine::generate(
        *engine, request, json_ ? engine::OnText() : engine::OnText(print), interrupt.flag());
    if (json_) {
      print(io::write_json(to_json(result, request)));
    }
    print("\n");
    report_speed(result, *model);
    return interrupt.interrupted() ? kExitInterrupted : kExitOk;
  }

 private:
  static void print(std::string_view text) {
    out::write(text);
    out::flush();
  }

  static io::JsonValue to_json(const engine::GenerateResult& result,
                               const engine::GenerateRequest& request) {
    io::JsonObject object;
    object.set("text", result.text);
    object.set("token_ids", io::JsonArray(result.token_ids.begin(), result.token_ids.end()));
    object.set("finish_reason", engine::finish_reason_name(result.finish_reason));
    object.set("prompt_tokens", result.stats.prompt_tokens);
    object.set("completion_tokens", static_cast<i64>(result.token_ids.size()));
    object.set("seed", static_cast<i64>(request.sampling.seed));
    object.set("first_token_s", result.stats.first_token_s);
    object.set("decode_s", result.decode_s);
    return object;
  }

  Arguments command_;
  ModelOptions model_;
  GenerateOptions options_;
  GrammarOptions grammar_;
  RankOptions ranks_;
  std::string prompt_;
  std::string prompt_file_;
  bool plain_ = false;
  bool echo_ = false;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_generate() { return std::make_unique<Generate>(); }

}  // namespace fathom::cli

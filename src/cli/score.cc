#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include "backend/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options/model_options.h"
#include "cli/options/text_input.h"
#include "cli/output.h"
#include "cli/token_ids.h"
#include "engine/prompt.h"
#include "engine/scorer.h"
#include "io/files/output_path.h"
#include "io/files/temporary_files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"

namespace fathom::cli {
namespace {

/// What is scored: ids, and for a text its codec and its size.
struct Subject {
  std::vector<i32> ids;
  std::optional<engine::TextCodec> codec;  // none for --token-ids
  i64 text_bytes = 0;                      // 0 for --token-ids
};

class ScoreCommand : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("score", "Log-probability of each token of a text");
    add_model_options(command_, model_);
    Arguments source = command_.add_group("subject", "What to score");
    source.add_option("-t,--text", text_, "A text");
    source.add_option("-f,--file", file_, "A file with it; - reads stdin");
    source.add_option("--token-ids", token_ids_, "Token ids: 1,2,3 (no BOS is added)");
    source.require_one();
    command_.add_flag("--markup", markup_,
                      "Recognise special tokens in the text; by default it is ordinary text");
    command_
        .add_option("--stride", stride_,
                    "A text longer than --context is scored in windows that begin every N "
                    "tokens; default: half the context")
        .check(integer_from(1));
    command_.add_option("--dump-logits", dump_,
                        "Write logits [tokens, vocab] f32 to this safetensors file");
    command_.add_flag("--no-tokens", no_tokens_, "Only the totals, not a line for each token");
    command_.add_flag("--json", json_, "One JSON object");
    command_.footer(
        "A text begins with BOS if the tokenizer adds one; the first token has no probability.\n"
        "Bits per byte = -total log2 probability / bytes of the text.\n"
        "Examples:\n"
        "  fathom score --model DIR --text 'The quick brown fox'\n"
        "  fathom score --model DIR --file book.txt --context 2048 --no-tokens --json\n"
        "  fathom score --model DIR --token-ids 0,5,9 --dump-logits logits.safetensors");
    return command_;
  }

  int run() override {
    std::vector<i32> ids = parse_token_ids(token_ids_);  // wrong flags before slow files
    if (!dump_.empty()) io::require_output_file(dump_);
    Ctx ctx = backend::make_context();
    const auto model = load_model(ctx, model_);
    const Subject subject = read_subject(std::move(ids));
    engine::ScoreOptions options;
    options.engine = engine_options(model_, model->config(), static_cast<i64>(subject.ids.size()));
    options.stride_tokens = stride_;
    const engine::Score score = dump_.empty()
                                    ? engine::score_tokens(ctx, *model, subject.ids, options)
                                    : score_and_dump(ctx, *model, subject.ids, options);
    if (score.windows > 1) {
      log::info("{} tokens in {} windows of {}", subject.ids.size(), score.windows,
                options.engine.context_tokens);
    }
    if (!std::isfinite(score.total_log_prob)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: the log-probabilities are not finite; the weights hold NaN, "
                              "infinity or numbers too large",
                              model_.directory));
    }
    if (json_) {
      print_json(subject, score);
    } else {
      print_text(subject, score);
    }
    return kExitOk;
  }

 private:
  Subject read_subject(std::vector<i32> ids) const {
    Subject subject;
    if (command_.given("--token-ids")) {
      subject.ids = std::move(ids);
      return subject;
    }
    const std::string text = file_.empty() ? text_ : read_prose(file_);
    subject.codec = value_or_throw(engine::load_text_codec(model_.directory));
    subject.ids = engine::encode_prompt(
        *subject.codec, text, markup_ ? tokenizer::TextKind::kMarkup : tokenizer::TextKind::kPlain);
    subject.text_bytes = static_cast<i64>(text.size());
    return subject;
  }

  engine::Score score_and_dump(Ctx& ctx, const model::Model& model, const std::vector<i32>& ids,
                               const engine::ScoreOptions& options) const {
    const i64 vocab = model.config().vocab_size;
    const io::TensorSpec spec{"logits", DType::kF32, {static_cast<i64>(ids.size()), vocab}};
    const InterruptGuard interrupt;  // before there is a file to leave behind
    const std::filesystem::path dump(dump_);
    io::remove_stale_temporaries(dump.parent_path(), dump.filename().native());
    io::SafetensorsWriter writer(dump_, {&spec, 1});
    engine::Score score =
        engine::score_tokens(ctx, model, ids, options, [&](View<const float, 2> logits) {
          interrupt.check();
          writer.append("logits", {reinterpret_cast<const u8*>(logits.data()),
                                   static_cast<size_t>(logits.size()) * sizeof(float)});
        });
    writer.commit();
    return score;
  }

  static std::string token_text(const Subject& subject, i32 id) {
    if (!subject.codec) return {};
    const i32 ids[] = {id};
    return subject.codec->tokenizer.decode(ids);
  }

  /// exp of the mean negative log-probability over the scored tokens.
  static double perplexity(const engine::Score& score) {
    const auto scored = static_cast<double>(score.log_probs.size() - 1);
    return std::exp(-score.total_log_prob / scored);
  }
  static double bits_per_byte(const Subject& subject, const engine::Score& score) {
    return -score.total_log_prob / std::numbers::ln2 / static_cast<double>(subject.text_bytes);
  }

  void print_text(const Subject& subject, const engine::Score& score) const {
    for (size_t i = 0; !no_tokens_ && i < subject.ids.size(); ++i) {
      const std::string text = io::write_json(token_text(subject, subject.ids[i]));
      const std::string log_prob = i == 0 ? "-" : fmt::format("{:.6f}", score.log_probs[i]);
      out::print("{:>8} {:>12}{}\n", subject.ids[i], log_prob,
                 subject.codec ? "  " + text : std::string());
    }
    out::print("tokens scored      {}\n", subject.ids.size() - 1);
    out::print("log-probability    {:.6f}\n", score.total_log_prob);
    if (subject.ids.size() > 1) out::print("perplexity         {:.4f}\n", perplexity(score));
    if (subject.text_bytes > 0) {
      out::print("bits per byte      {:.4f}\n", bits_per_byte(subject, score));
    }
  }

  void print_json(const Subject& subject, const engine::Score& score) const {
    io::JsonObject object;
    if (!no_tokens_) {
      io::JsonArray tokens;
      for (size_t i = 0; i < subject.ids.size(); ++i) {
        io::JsonObject token;
        token.set("id", subject.ids[i]);
        if (subject.codec) token.set("text", token_text(subject, subject.ids[i]));
        token.set("log_prob", i == 0 ? io::JsonValue() : io::JsonValue(score.log_probs[i]));
        tokens.emplace_back(std::move(token));
      }
      object.set("tokens", std::move(tokens));
    }
    object.set("tokens_scored", static_cast<i64>(subject.ids.size()) - 1);
    object.set("total_log_prob", score.total_log_prob);
    if (subject.ids.size() > 1 && std::isfinite(perplexity(score))) {
      object.set("perplexity", perplexity(score));
    }
    if (subject.text_bytes > 0) {
      object.set("bytes", subject.text_bytes);
      object.set("bits_per_byte", bits_per_byte(subject, score));
    }
    object.set("windows", score.windows);
    out::print("{}\n", io::write_json(object));
  }

  Arguments command_;
  ModelOptions model_;
  std::string text_, file_, dump_, token_ids_;
  i64 stride_ = 0;
  bool markup_ = false, no_tokens_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_score() { return std::make_unique<ScoreCommand>(); }

}  // namespace fathom::cli

#include "tokenizer/tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "base/error.h"
#include "cli/command.h"
#include "cli/options/model_options.h"
#include "cli/options/text_input.h"
#include "cli/output.h"
#include "cli/token_ids.h"
#include "cli/tokenizer/tokenizer_jsonl.h"
#include "cli/tokenizer/tokenizer_train.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

/// A tokenizer.json, a model directory or a GGUF file.
tokenizer::Tokenizer open_tokenizer(const std::string& path) {
  return value_or_throw(tokenizer::Tokenizer::load_model(path));
}

class TokenizerCommand : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("tokenizer", "Train a tokenizer, encode, decode");
    command.require_command();
    add_encode(command);
    add_decode(command);
    train_.add(command);
    command.footer("fathom tokenizer train|encode|decode --help says more.");
    return command;
  }

  int run() override {
    if (train_.chosen()) return train_.run();
    return encode_.chosen() ? run_encode() : run_decode();
  }

 private:
  void add_encode(Arguments& parent) {
    encode_ = parent.add_command("encode", "Text to token ids");
    encode_
        .add_option("-m,--model,--tokenizer", path_,
                    "tokenizer.json, a model directory or a .gguf file")
        .required();
    Arguments source = encode_.add_group("text", "What to encode");
    source.add_option("-t,--text", text_, "The text itself");
    source.add_option("-f,--file", file_, "A file with it; - reads stdin");
    source.add_flag("--jsonl", jsonl_, "A line {\"text\": ...} or {\"hex\": ...} each from stdin");
    source.require_one();
    encode_.add_flag("--plain", plain_, "Never recognise special tokens in the text");
    encode_.add_flag("--bos", bos_, "Add what the tokenizer's post-processor adds (BOS)");
    encode_.add_flag("--lines", lines_, "Encode each line on its own: one line of ids each");
    encode_.add_flag("--json", json_, "JSON: an object with ids and the text of each token");
    encode_.footer("Example: fathom tokenizer encode --model DIR --text 'Hello world' --json");
  }

  void add_decode(Arguments& parent) {
    decode_ = parent.add_command("decode", "Token ids to text");
    decode_
        .add_option("-m,--model,--tokenizer", path_,
                    "tokenizer.json, a model directory or a .gguf file")
        .required();
    Arguments source = decode_.add_group("ids", "What to decode");
    source.add_option("ids", ids_, "Token ids: 1 2 3 or 1,2,3");
    source.add_option("-f,--file", file_, "A file with them; - reads stdin");
    source.add_flag("--jsonl", jsonl_, "A line {\"ids\": [...]} each from stdin");
    source.require_one();
    decode_.add_flag("--skip-special", skip_special_, "Leave special tokens out");
    decode_.footer("Example: fathom tokenizer decode --model DIR 17 42 3");
  }

  int run_encode() const {
    const tokenizer::Tokenizer tokenizer = open_tokenizer(path_);
    if (jsonl_) {
      encode_json_lines(tokenizer, encode_options());
      return kExitOk;
    }
    const std::string text = file_.empty() ? text_ : read_text(file_);
    if (!lines_) {
      print_ids(tokenizer, text);
      return kExitOk;
    }
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      print_ids(tokenizer, std::string_view(text).substr(begin, end - begin));
      begin = end + 1;
    }
    return kExitOk;
  }

  tokenizer::EncodeOptions encode_options() const {
    return {.text = plain_ ? tokenizer::TextKind::kPlain : tokenizer::TextKind::kMarkup,
            .add_special_tokens = bos_};
  }

  void print_ids(const tokenizer::Tokenizer& tokenizer, std::string_view text) const {
    const std::vector<i32> ids = tokenizer.encode(text, encode_options());
    if (!json_) {
      out::print("{}\n", fmt::join(ids, " "));
      return;
    }
    io::JsonObject object;
    io::JsonArray spellings;
    for (const i32 id : ids) spellings.emplace_back(tokenizer.token_spelling(id));
    object.set("ids", io::JsonArray(ids.begin(), ids.end()));
    object.set("tokens", std::move(spellings));
    out::print("{}\n", io::write_json(object));
  }

  int run_decode() const {
    const tokenizer::Tokenizer tokenizer = open_tokenizer(path_);
    const auto special =
        skip_special_ ? tokenizer::SpecialTokens::kSkip : tokenizer::SpecialTokens::kKeep;
    if (jsonl_) {
      decode_json_lines(tokenizer, special);
      return kExitOk;
    }
    const std::vector<i32> ids =
        parse_token_ids(file_.empty() ? fmt::format("{}", fmt::join(ids_, " ")) : read_text(file_));
    for (const i32 id : ids) {
      if (id < 0 || id >= tokenizer.vocab_size()) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("token id {}: expected 0 to {}", id, tokenizer.vocab_size() - 1));
      }
    }
    const std::string text = tokenizer.decode(ids, special);
    out::write(text);
    out::write("\n");
    return kExitOk;
  }

  Arguments encode_;
  Arguments decode_;
  TokenizerTrain train_;
  std::string path_, text_, file_;
  std::vector<std::string> ids_;
  bool plain_ = false, bos_ = false, lines_ = false, json_ = false, jsonl_ = false,
       skip_special_ = false;
};

}  // namespace

std::unique_ptr<Command> make_tokenizer() { return std::make_unique<TokenizerCommand>(); }

}  // namespace fathom::cli

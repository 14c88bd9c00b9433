#include "serve/api/completions/completion_request.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::TextKind;

// Spellings of DeepSeek's and of others that fill in the middle; the first set that the vocabulary
// has counts.
struct FimMarks {
  std::string_view begin, hole, end;
};
constexpr std::array kFimMarks = {
    FimMarks{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
    FimMarks{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
};

std::span<const FieldRule> own_rules() {
  static constexpr std::array kRules = {
      FieldRule{"prompt"},
      FieldRule{"suffix"},
      FieldRule{"echo"},
      FieldRule{"logprobs"},
      FieldRule{"add_special_tokens"},
      FieldRule{"return_token_ids"},
      FieldRule{"return_tokens_as_token_ids"},
      FieldRule{"prompt_embeds", FieldClass::kRefused},
  };
  return kRules;
}

class PromptReader {
 public:
  PromptReader(FieldReader& reader, const ServedModel& model)
      : reader_(reader),
        model_(model),
        adds_special_(reader.boolean("add_special_tokens").value_or(true)),
        suffix_(reader.text("suffix", size_t{32} << 20)) {}

  std::vector<CompletionPrompt> read() {
    const JsonValue* const value = reader_.find("prompt");
    if (value == nullptr) {
      reader_.fail(bad_request("missing_required_parameter", "prompt",
                               "prompt: expected a text or token ids, found none"));
    } else if (value->is_string()) {
      read_text(value->as_string());
    } else if (const io::JsonArray* const array = reader_.array("prompt", SIZE_MAX)) {
      read_array(*array);
    }
    return std::move(prompts_);
  }

 private:
  void read_array(const io::JsonArray& array) {
    if (array.empty()) return reader_.fail_range("prompt", "at least one prompt", JsonValue(array));
    if (array.front().is_number()) return read_ids(array);
    if (array.size() > kMaxPrompts) {
      return reader_.fail(bad_request(
          "value_out_of_range", "prompt",
          fmt::format("prompt: expected at most {} prompts, found {}", kMaxPrompts, array.size())));
    }
    for (const JsonValue& item : array) {
      if (item.is_string()) {
        read_text(item.as_string());
      } else if (item.is_array()) {
        read_ids(item.as_array());
      } else {
        return reader_.fail_type("prompt", "texts or lists of token ids", item);
      }
    }
  }

  void read_ids(const io::JsonArray& array) {
    CompletionPrompt prompt;
    if (suffix_ && !suffix_->empty()) {
      return reader_.fail(bad_request("unsupported_value", "suffix",
                                      "suffix: expected a text as the prompt before it"));
    }
    prompt.ids.reserve(array.size());
    for (const JsonValue& value : array) {
      const std::optional<i64> id = as_whole(value);
      const std::string expected = fmt::format("token ids from 0 to {}", model_.vocab_size - 1);
      if (!id) return reader_.fail_type("prompt", expected, value);
      if (*id < 0 || *id >= model_.vocab_size) {
        return reader_.fail_range("prompt", expected, value);
      }
      prompt.ids.push_back(static_cast<i32>(*id));
    }
    prompt.text = model_.codec.tokenizer.decode(prompt.ids);
    add(std::move(prompt));
  }

  void read_text(const std::string& text) {
    CompletionPrompt prompt{.ids = {}, .text = text};
    if (suffix_ && !suffix_->empty()) {
      if (!fill_in(text, prompt)) return;
    } else if (adds_special_) {
      prompt.ids = engine::encode_prompt(model_.codec, text, TextKind::kMarkup);
    } else {
      prompt.ids = model_.codec.tokenizer.encode(text);
    }
    add(std::move(prompt));
  }

  /// Begin, what is before, hole, what is behind, end: the order that models are trained on.
  bool fill_in(const std::string& text, CompletionPrompt& prompt) {
    const tokenizer::Tokenizer& tokenizer = model_.codec.tokenizer;
    for (const FimMarks& marks : kFimMarks) {
      const auto begin = tokenizer.token_to_id(marks.begin);
      const auto hole = tokenizer.token_to_id(marks.hole);
      const auto end = tokenizer.token_to_id(marks.end);
      if (!begin || !hole || !end) continue;
      constexpr tokenizer::EncodeOptions kPlain{.text = TextKind::kPlain};
      if (adds_special_) prompt.ids = model_.codec.prefix_ids;
      prompt.ids.push_back(*begin);
      tokenizer.encode_to(text, kPlain, prompt.ids);
      prompt.ids.push_back(*hole);
      tokenizer.encode_to(*suffix_, kPlain, prompt.ids);
      prompt.ids.push_back(*end);
      return true;
    }
    reader_.fail(bad_request(
        "unsupported_parameter", "suffix",
        "suffix: the model's vocabulary has no tokens to fill in the middle of a text"));
    return false;
  }

  void add(CompletionPrompt prompt) {
    if (prompt.ids.empty()) {
      return reader_.fail(bad_request("value_out_of_range", "prompt",
                                      "prompt: expected at least one token, found none"));
    }
    prompts_.push_back(std::move(prompt));
  }

  FieldReader& reader_;
  const ServedModel& model_;
  bool adds_special_;
  std::optional<std::string> suffix_;
  std::vector<CompletionPrompt> prompts_;
};

}  // namespace

std::vector<std::span<const FieldRule>> completion_rules() {
  return {own_rules(), sampling_rules(), answer_format_rules(), stream_rules()};
}

ApiResult<CompletionBody> read_completion_body(const Call& call) {
  FieldReader reader(call.fields());
  CompletionBody body;
  CompletionOptions& options = body.options;
  auto model = resolve_model(reader, call.model);
  if (!model) return tl::unexpected(std::move(model.error()));
  options.model = std::move(*model);
  options.stream = read_stream_options(reader);
  options.echo = reader.boolean("echo").value_or(false);
  const JsonValue* const logprobs = reader.find("logprobs");
  const bool is_off = logprobs != nullptr && logprobs->is_bool() && !logprobs->as_bool();
  if (!is_off) {
    options.logprobs = reader.integer("logprobs", 0, engine::kMaxTopLogProbs).value_or(-1);
  }
  options.return_token_ids = reader.boolean("return_token_ids").value_or(false);
  options.tokens_as_ids = reader.boolean("return_tokens_as_token_ids").value_or(false);
  body.sampling = read_sampling(reader, call.model);
  body.format = read_answer_format(reader);
  if (const auto checked = check_fields(call, reader, completion_rules(), body.ignored); !checked) {
    return tl::unexpected(checked.error());
  }
  body.prompts = PromptReader(reader, call.model).read();
  if (reader.error()) return tl::unexpected(*reader.error());
  return body;
}

}  // namespace fathom::serve

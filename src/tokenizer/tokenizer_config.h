#pragma once
// tokenizer_config.json: which tokens frame a text, and the chat template as text. The template is
// never executed; it only serves to recognise which of the built-in ones the checkpoint has.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

struct TokenizerConfig {
  std::string tokenizer_class;        // empty if absent
  std::optional<bool> add_bos_token;  // absent: the post-processor of tokenizer.json decides
  std::optional<bool> add_eos_token;
  std::optional<std::string> bos_token;  // from a string or an AddedToken object
  std::optional<std::string> eos_token;
  std::optional<std::string> pad_token;
  std::optional<std::string> unk_token;
  std::optional<i64> model_max_length;  // absent too when it is transformers' "very large" 1e30
  std::optional<std::string> chat_template;  // raw text; of a list of named ones, "default"
  /// By ascending id. Only a tokenizer without tokenizer.json needs them (tiktoken.h).
  std::vector<AddedToken> added_tokens_decoder;
};

/// Parses the text of a tokenizer_config.json; unknown keys are allowed, wrong types are not.
Result<TokenizerConfig> parse_tokenizer_config(std::string_view text, std::string_view where);
/// The text of a tokenizer_config.json; absent flags and lengths are left out.
std::string write_tokenizer_config(const TokenizerConfig& config);
/// Reads a model directory's file, or what a GGUF file's metadata says in its place. kNotFound if
/// there is none: a directory may lack it.
Result<TokenizerConfig> load_tokenizer_config(const std::string& model_path);

}  // namespace fathom::tokenizer

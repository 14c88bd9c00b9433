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
  std::optional<bool> add_prefix_space, split_special_tokens;
  std::optional<std::string> bos_token;  // from a string or an AddedToken object
  std::optional<std::string> eos_token;
  std::optional<std::string> pad_token;
  std::optional<std::string> unk_token;
  /// More texts of tokens that end an answer: of a turn, of a message (GGUF names them).
  std::vector<std::string> end_tokens;
  std::optional<i64> model_max_length;  // absent too when it is transformers' "very large" 1e30
  std::optional<std::string> chat_template;  // raw text; of a list of named ones, "default"
  /// By ascending id; what they add to a tokenizer.json is said in json/declared_tokens.h.
  std::vector<AddedToken> added_tokens_decoder;
  bool has_added_tokens_decoder = false;  // it may be empty
  /// bos_token, eos_token and all others with a name, in the order in which transformers adds those
  /// that the vocabulary lacks, and extra_special_tokens. They have no ids.
  std::vector<AddedToken> named_tokens, extra_tokens;
};

/// Parses the text of a tokenizer_config.json; unknown keys are allowed, wrong types are not.
Result<TokenizerConfig> parse_tokenizer_config(std::string_view text, std::string_view where);
/// The text of a tokenizer_config.json; absent flags and lengths are left out.
std::string write_tokenizer_config(const TokenizerConfig& config);
/// Reads a model directory's file, or what a GGUF file's metadata says in its place. A directory
/// whose config has no added_tokens_decoder may have older files of transformers, which are read
/// too: special_tokens_map.json, whose tokens win, and added_tokens.json. kNotFound if there is
/// none of the three: a directory may lack them.
Result<TokenizerConfig> load_tokenizer_config(const std::string& model_path);

}  // namespace fathom::tokenizer

#pragma once
// Moonshot's checkpoints (Moonlight, Kimi) have no tokenizer.json: their vocabulary is a
// tiktoken.model, a line "BASE64 RANK" for each token, and the rest stands in code that ships with
// the checkpoint. That rest is written out here; the file's format and the splitting pattern are
// those of their tokenization_moonshot.py.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// The spec of a tiktoken.model's text. Ids: the ranks, then 258 special tokens, named by
/// config.added_tokens_decoder or else "<|reserved_token_ID|>". Differs from the original in one
/// thing: that one cuts runs of more than 25,000 characters without (or of) white space, for speed.
/// kUnsupported unless config.tokenizer_class is TikTokenTokenizer: the format alone does not name
/// a pattern.
Result<TokenizerSpec> parse_tiktoken_model(std::string_view text, const TokenizerConfig& config,
                                           std::string_view where);

/// Every pair of tokens (raw bytes by id) whose concatenation is a token, which is what tiktoken
/// looks for: the merges of a spec whose rank_is_merged_id is set.
std::vector<Merge> tiktoken_merges(const std::vector<std::string>& tokens);
/// Moonshot's splitting pattern.
Result<PreTokenizer> kimi_pre_tokenizer(std::string_view where);

}  // namespace fathom::tokenizer

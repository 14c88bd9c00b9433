#pragma once
// The content of a tokenizer.json as plain data: what the reader produces, the trainer fills in,
// the Tokenizer runs on and the writer writes.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

/// A string that is cut out of the text before anything else and is one token.
struct AddedToken {
  i32 id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // swallows white space before it
  bool rstrip = false;       // swallows white space after it
  bool normalized = true;    // matched in normalised text, after those that are not took theirs
  bool special = false;      // dropped by decode(..., kSkipSpecial)
};

/// left + right -> the token whose text is their concatenation; rank = index in the list.
struct Merge {
  i32 left = 0;
  i32 right = 0;
};

struct TokenizerSpec {
  /// model.vocab: vocab[id] is the token's spelling in the byte alphabet (byte_level.h), or its
  /// plain text if it is a special token that the model's vocabulary also lists. Ids 0..n-1.
  std::vector<std::string> vocab;
  std::vector<Merge> merges;
  std::vector<AddedToken> added_tokens;  // ascending id; may repeat an entry of vocab
  Normalizer normalizer;
  PreTokenizer pre_tokenizer = PreTokenizer::deepseek_v3();
  bool ignore_merges = false;  // a piece that is in the vocabulary is that token, unmerged
  /// tiktoken's rule: a merge ranks by the id it makes, so equal pairs of neighbours go leftmost
  /// first. tokenizer.json cannot say this.
  bool rank_is_merged_id = false;
  /// Stands for each byte that has no token of its own; none: text with such a byte is an error.
  std::optional<i32> unk_id;
  bool fuse_unk = false;        // neighbouring bytes of a piece without tokens share one unk_id
  std::vector<i32> prefix_ids;  // the post-processor's template: prefix $A suffix
  std::vector<i32> suffix_ids;
};

/// Largest tokenizer.json that is read.
inline constexpr i64 kMaxTokenizerFileBytes = i64{256} << 20;
/// Longest spelling of a token of model.vocab.
inline constexpr size_t kMaxTokenBytes = size_t{64} << 10;
/// Longest added token: matching one walks the text once per byte of it in the worst case.
inline constexpr size_t kMaxAddedTokenBytes = 1024;
/// Ids are 0..n-1, model and added tokens together; n is at most this.
inline constexpr i64 kMaxVocabSize = i64{1} << 22;

/// Parses and validates the text of a tokenizer.json; `where` opens every error message.
/// kInvalidInput: not JSON, ids missing, doubled or out of range, merges of unknown tokens.
/// kUnsupported: a model, normalizer, pre-tokenizer, post-processor, decoder or option that would
/// change the ids and is not handled, by name.
Result<TokenizerSpec> parse_tokenizer_json(std::string_view text, std::string_view where);

/// The tokenizer.json that Hugging Face `tokenizers` loads to the same ids. Throws
/// Error(kUnsupported) if `rank_is_merged_id`.
std::string write_tokenizer_json(const TokenizerSpec& spec);

}  // namespace fathom::tokenizer

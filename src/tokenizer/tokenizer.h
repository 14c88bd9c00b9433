#pragma once
// Byte-level BPE with the ids of Hugging Face `tokenizers`.
//
// Text given to encode need not be valid UTF-8: each maximal ill-formed subpart counts as U+FFFD,
// as Python's bytes.decode("utf-8", errors="replace") has it, so ids equal those of the decoded
// str.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// What the text may turn into.
enum class TextKind {
  kMarkup,  // added tokens are recognised wherever their text occurs, as Hugging Face does
  kPlain,   // a user's words: no control token can come out of them. Control tokens are the special
            // ones and every added token longer than one character ("<｜User｜>" is not marked
            // special).
};

struct EncodeOptions {
  TextKind text = TextKind::kMarkup;
  bool add_special_tokens = false;  // the prefix (BOS) and suffix of the post-processor
};

enum class SpecialTokens { kKeep, kSkip };

/// Longest text that one call encodes; cut corpora into documents.
inline constexpr size_t kMaxTextBytes = size_t{1} << 28;

class Tokenizer {
 public:
  /// Reads one tokenizer.json. Errors: see parse_tokenizer_json; kNotFound if there is no such
  /// file.
  static Result<Tokenizer> load(const std::string& path);
  /// Reads a model: a directory's tokenizer.json with the tokens that its tokenizer_config.json
  /// adds (json/declared_tokens.h), or else a Moonshot checkpoint's tiktoken.model with
  /// tokenizer_config.json (tiktoken.h); the tokenizer in a GGUF file's metadata; or any other file
  /// as a tokenizer.json.
  static Result<Tokenizer> load_model(const std::string& path);
  /// Validates `spec`; `where` opens every error message.
  static Result<Tokenizer> from_spec(TokenizerSpec spec, std::string_view where);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Thread-safe; equal input gives equal ids. Linear in the text but for log factors. Throws
  /// Error(kUnsupported) for a text above kMaxTextBytes, or if a foreign pre-tokenizer pattern does
  /// not end.
  std::vector<i32> encode(std::string_view text, EncodeOptions options = {}) const;
  /// Appends instead, for callers that reuse a buffer.
  void encode_to(std::string_view text, EncodeOptions options, std::vector<i32>& ids) const;

  /// The text of `ids`, valid UTF-8 (ill-formed parts become U+FFFD). Ids outside the vocabulary
  /// give nothing, as in Hugging Face.
  std::string decode(std::span<const i32> ids, SpecialTokens special = SpecialTokens::kKeep) const;

  /// Number of ids: 0..vocab_size()-1 all have a token. A model's embedding may have more rows.
  i64 vocab_size() const;
  /// By the token's text as added_tokens or model.vocab spell it ("<｜User｜>", "Ġthe").
  std::optional<i32> token_to_id(std::string_view spelling) const;
  /// The raw bytes that `id` decodes to; may be part of a UTF-8 character. Empty outside the
  /// vocabulary.
  std::string_view token_bytes(i32 id) const;
  /// The file's spelling of `id`; empty outside the vocabulary.
  std::string_view token_spelling(i32 id) const;
  bool is_special(i32 id) const;  // added with "special": true
  bool is_control(i32 id) const;  // never produced from TextKind::kPlain

  /// Writes tokenizer.json (temporary name, fsync, rename). Throws Error(kIo), and
  /// kUnsupported if the file would be longer than one that is read.
  void save(const std::string& path) const;
  const TokenizerSpec& spec() const;

 private:
  static Result<Tokenizer> load_directory(const std::string& directory);
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace fathom::tokenizer

#pragma once
// From the bytes of one document to its tokens.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "data/text/document_reader.h"
#include "data/text/token_splitter.h"
#include "tokenizer/tokenizer.h"

namespace fathom::data {

/// Ids of the tokens that frame and mark documents; -1: none.
struct MarkerIds {
  i32 bos = -1;
  i32 eos = -1;
  i32 fim_begin = -1;
  i32 fim_hole = -1;
  i32 fim_end = -1;
};

/// Looks them up by their spelling; kInvalidInput names every one that the tokenizer lacks. The
/// marks of fill-in-the-middle are asked for only if fim_rate > 0.
[[nodiscard]] Result<MarkerIds> find_marker_ids(const DataConfig& config,
                                                const tokenizer::Tokenizer& tokenizer);

struct EncodeConfig {
  MarkerIds markers;
  std::string text_field;
  double fim_rate = 0.0;
  double split_rate = 0.0;
  u64 seed = 0;
};

struct EncodedDocument {
  std::vector<i32> ids;  // empty: broken or without text
  i64 text_bytes = 0;
  i64 split_tokens = 0;
  bool is_fim = false;
  bool is_repaired = false;            // invalid UTF-8 became U+FFFD, or defects of JSON were
  std::optional<std::string> problem;  // broken: ":column: text"; repaired: text
};

/// [BOS] text [EOS], or [BOS] fim_begin prefix fim_hole suffix fim_end middle [EOS]; each piece is
/// encoded alone and as plain words: no text becomes a control token. Source: DeepSeek-V3 §4.1.
class DocumentEncoder {
 public:
  /// The tokenizer must outlive it.
  DocumentEncoder(const tokenizer::Tokenizer& tokenizer, EncodeConfig config);

  /// `number` tells the documents of a source apart when random numbers are drawn. Thread-safe.
  EncodedDocument encode(const RawDocument& document, u64 number) const;

 private:
  void encode_text(std::string_view text, u64 number, EncodedDocument& out) const;
  void append(std::string_view text, std::vector<i32>& ids) const;

  const tokenizer::Tokenizer& tokenizer_;
  EncodeConfig config_;
  std::optional<TokenSplitter> splitter_;
};

}  // namespace fathom::data

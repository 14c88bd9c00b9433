#pragma once
// Counts the pre-tokens of a corpus on all cores. The counts do not depend on the number of
// threads.
#include <functional>
#include <string>
#include <vector>

#include "base/types.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/train/corpus.h"
#include "tokenizer/train/words.h"

namespace fathom::tokenizer {

struct CountOptions {
  std::string text_field = "text";  // of .jsonl lines
  /// Of the counts and of what learn_merges will need for them, by estimate.
  i64 max_memory_bytes = i64{8} << 30;
  CorpusReader::Sizes sizes = {};
};

struct TextStats {
  i64 num_documents = 0;
  i64 text_bytes = 0;               // of the documents; in .jsonl, after JSON's escapes
  i64 num_replaced_characters = 0;  // ill-formed UTF-8 and defects of JSON strings: one U+FFFD each
  i64 num_skipped_lines = 0;        // of .jsonl: not JSON, or without the text field
  std::vector<std::string> skipped_lines;  // the first few, "FILE:LINE: reason"
};

/// Called with bytes of the corpus read so far, on the calling thread. May throw to end the work.
using CountProgress = std::function<void(i64 done_bytes)>;

/// Adds every pre-token of `corpus` to `words`. Blank lines of .jsonl are passed over. Throws
/// Error: kIo, kOutOfMemory (says what is needed and the limit).
TextStats count_words(const Corpus& corpus, const PreTokenizer& pre_tokenizer,
                      const CountOptions& options, WordCounter& words,
                      const CountProgress& progress = {});

}  // namespace fathom::tokenizer

#pragma once
// Trains a tokenizer on a user's text: byte-level BPE behind DeepSeek-V3's pre-tokenizer, with V3's
// special tokens, as files that Hugging Face loads. The merges are those of Hugging Face
// tokenizers' BpeTrainer over the same documents (tools/compare_bpe_trainer.py compares them).
//
// Memory: the text is read in batches of 16 MiB; what grows is the table of distinct words (about
// 100 bytes a word on each thread that met it, folded together from time to time) and, after
// reading, the trainer's arrays over it (about 100 bytes for each byte of a distinct word). Both
// are estimated after every batch; passing max_memory_bytes ends the work with an error that says
// how much would be needed. 100 MB of English, code and Chinese took 190 MB in all.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/train/bpe_trainer.h"
#include "tokenizer/train/count.h"

namespace fathom::tokenizer {

/// "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>": ids 0, 1, 2 in V3.
std::vector<AddedToken> deepseek_v3_first_tokens();
/// "<think>" to "<｜tool▁sep｜>": 128798 to 128814 in V3, here the last ids in the same order.
std::vector<AddedToken> deepseek_v3_last_tokens();

struct TrainOptions {
  std::vector<std::string> paths = {};  // files and folders, see find_corpus
  std::vector<std::string> extensions = {".txt", ".md", ".jsonl"};  // in folders
  std::string text_field = "text";                                  // of .jsonl lines
  /// All ids: first tokens, 256 bytes, merges, last tokens. V3 without its placeholders: 128,017.
  i64 vocab_size = 32'768;
  i64 min_frequency = 0;     // see BpeTrainerOptions
  i64 max_token_length = 0;  // see BpeTrainerOptions
  PreTokenizer pre_tokenizer = PreTokenizer::deepseek_v3();
  /// Their order gives the ids, their `id` is ignored. A last token whose text the merges happen to
  /// spell takes that id, as in Hugging Face, and there is one id less. (V3's cannot be spelled.)
  std::vector<AddedToken> first_tokens = deepseek_v3_first_tokens();
  std::vector<AddedToken> last_tokens = deepseek_v3_last_tokens();
  /// Contents of first or last tokens, for tokenizer_config.json. bos_token, if any, is put before
  /// every text that is encoded with add_special_tokens.
  std::optional<std::string> bos_token = "<｜begin▁of▁sentence｜>";
  std::optional<std::string> eos_token = "<｜end▁of▁sentence｜>";
  std::optional<std::string> pad_token = "<｜▁pad▁｜>";
  i64 model_max_length = 131'072;
  i64 max_memory_bytes = i64{8} << 30;
};

enum class TrainPhase {
  kCount,  // done and total are bytes of the files
  kMerge,  // done and total are merges
};
/// "reading text", "learning merges".
std::string_view phase_name(TrainPhase phase);

/// Called on the calling thread, at most every 16 MiB or 256 merges and at the end of each phase.
/// To cancel, throw: the exception reaches train_tokenizer's caller.
using TrainProgress = std::function<void(TrainPhase phase, i64 done, i64 total)>;

struct TrainReport {
  i64 num_files = 0;
  std::vector<std::string> ignored;         // files with other extensions
  std::vector<io::PassedOver> passed_over;  // see Corpus
  TextStats text;
  i64 num_words = 0, num_distinct_words = 0;  // pre-tokens
  i64 requested_vocab_size = 0, vocab_size = 0, num_merges = 0;
  BpeStop stop = BpeStop::kVocabSize;
  i64 last_pair_count = 0;  // how often the pair of the last merge occurred
  i64 num_tokens = 0;       // of the text in the new vocabulary: text_bytes / num_tokens compresses
  double count_seconds = 0, merge_seconds = 0;

  /// Sentences for what the user should know: a vocabulary smaller than asked and why, replaced
  /// characters, skipped lines, ignored files. Empty if there is nothing.
  std::vector<std::string> warnings() const;
};

struct TrainedTokenizer {
  Tokenizer tokenizer;
  TokenizerConfig config;
  TrainReport report;

  /// Writes tokenizer.json and tokenizer_config.json into `directory`, which is made if absent.
  /// Throws Error(kIo).
  void save(const std::string& directory) const;
};

/// Reads, counts, merges. Uses num_threads() threads; equal text gives an equal tokenizer for any
/// number of them and any order of the files.
/// Errors: impossible options; paths that cannot be read, all named; no text at all. Less text than
/// vocab_size asks for is no error: the vocabulary is smaller, the report says so.
/// Throws Error: kIo while reading, kOutOfMemory past max_memory_bytes.
Result<TrainedTokenizer> train_tokenizer(const TrainOptions& options,
                                         const TrainProgress& progress = {});

/// The tokenizer that training on no text would give: V3's special tokens and one token a byte.
TrainedTokenizer byte_tokenizer();

}  // namespace fathom::tokenizer

#pragma once
// Learns the merges of a byte-level BPE from counted words (pre-tokens). Knows no files, no regular
// expressions and no threads: train_tokenizer.h puts those around it.
//
// The rule is that of Hugging Face tokenizers' BpeTrainer with its ByteLevel initial alphabet:
// merge the pair with the largest count; among equal counts the one whose left id, then right id is
// smaller. The result is therefore a function of the multiset of words alone: the order of words,
// the number of threads and hash seeds cannot matter.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// One distinct pre-token (any bytes) and how often it occurs (> 0).
struct WordCount {
  std::string_view word;
  i64 count = 0;
};

/// The longest token that can be read back: a byte's symbol takes up to two bytes in the file.
inline constexpr i64 kMaxTrainedTokenBytes = kMaxTokenBytes / 2;

struct BpeTrainerOptions {
  /// Ids in the result: reserved + 256 bytes + merges. Training stops there or when pairs run out.
  i64 vocab_size = 0;
  /// A pair that occurs less often than this is never merged. 0 means the same as 1.
  i64 min_frequency = 0;
  /// Hugging Face's max_token_length: tokens stay shorter than this many bytes (two bytes are
  /// always allowed). 0: no limit but kMaxTrainedTokenBytes, which no number may exceed.
  i64 max_token_length = 0;
  /// Texts that take the ids 0, 1, ... before the bytes (bos, eos, pad). Where merges spell out one
  /// of them, the merge yields that id, as in Hugging Face's trainer.
  std::vector<std::string> reserved = {};
};

enum class BpeStop {
  kVocabSize,     // as many ids as asked
  kNoPairs,       // every word has become one token
  kMinFrequency,  // pairs remain, but none that occurs min_frequency times or may grow longer
};

struct BpeTraining {
  /// By id, as model.vocab spells them: reserved texts as they are, all others in the byte alphabet
  /// (byte_level.h).
  std::vector<std::string> vocab;
  std::vector<Merge> merges;  // in the order learned
  BpeStop stop = BpeStop::kVocabSize;
  i64 last_pair_count = 0;  // how often the last merged pair occurred; 0 without merges
  i64 num_tokens = 0;       // of all words, repetitions included, once merged
};

/// Called with (merges done, merges wanted) every few hundred merges, on the calling thread. An
/// exception it throws ends the training and reaches the caller.
using BpeProgress = std::function<void(i64 done, i64 total)>;

/// An upper estimate of the bytes that learn_merges allocates for words of `num_bytes` bytes.
i64 bpe_trainer_memory_bytes(i64 num_words, i64 num_bytes);

/// kInvalidInput: a vocab_size below reserved + 256 or above kMaxVocabSize, a reserved text that is
/// empty, too long, repeated, or the symbol of a single byte, numbers below 0 or above what is
/// possible.
Result<void> check_trainer_options(const BpeTrainerOptions& options);

/// Learns the merges. Errors: those of check_trainer_options; 4 GiB of distinct words or more.
/// Time: O(bytes of the words + merges applied * log pairs), whatever the words look like.
Result<BpeTraining> learn_merges(std::span<const WordCount> words, const BpeTrainerOptions& options,
                                 const BpeProgress& progress = {});

}  // namespace fathom::tokenizer

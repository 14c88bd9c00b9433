#include "tokenizer/train/bpe_trainer.h"

#include <fmt/format.h>

#include <iterator>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/train/bpe_trainer_loop.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

Result<void> check_reserved(const std::vector<std::string>& reserved) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& text : reserved) {
    if (text.empty()) return invalid_input("tokenizer training: a special token is empty");
    if (text.size() > kMaxAddedTokenBytes || valid_utf8_prefix_bytes(text) != text.size()) {
      return invalid_input(
          fmt::format("tokenizer training: the special token \"{}\" has {} bytes, expected at most "
                      "{} of valid UTF-8",
                      printable(text.substr(0, 40)), text.size(), kMaxAddedTokenBytes));
    }
    if (!seen.insert(text).second) {
      return invalid_input(
          fmt::format("tokenizer training: the special token \"{}\" is given twice", text));
    }
    const auto bytes = unspell_bytes(text);
    if (bytes && bytes->size() == 1) {
      return invalid_input(fmt::format(
          "tokenizer training: the special token \"{}\" is the symbol of a single byte", text));
    }
  }
  return {};
}

}  // namespace

i64 bpe_trainer_memory_bytes(i64 num_words, i64 num_bytes) {
  // Measured: 35 to 105 bytes a byte, the most for words of random bytes, whose pairs are all
  // different; 8 of these are slots_ and word_of_, up to 24 positions_, the rest belongs to pairs.
  constexpr i64 kBytesPerByte = 112, kBytesPerWord = 24;
  return num_bytes * kBytesPerByte + num_words * kBytesPerWord;
}

Result<void> check_trainer_options(const BpeTrainerOptions& options) {
  const i64 least = std::ssize(options.reserved) + 256;
  if (options.vocab_size < least || options.vocab_size > kMaxVocabSize) {
    return invalid_input(
        fmt::format("tokenizer training: vocab_size is {}, expected {} ({} special tokens and 256 "
                    "bytes) to {}",
                    options.vocab_size, least, options.reserved.size(), kMaxVocabSize));
  }
  if (options.min_frequency < 0 || options.max_token_length < 0) {
    return invalid_input(
        fmt::format("tokenizer training: min_frequency is {} and max_token_length is {}, expected "
                    "numbers >= 0",
                    options.min_frequency, options.max_token_length));
  }
  if (options.max_token_length > kMaxTrainedTokenBytes) {
    return invalid_input(
        fmt::format("tokenizer training: max_token_length is {}, expected at most {}",
                    options.max_token_length, kMaxTrainedTokenBytes));
  }
  return check_reserved(options.reserved);
}

Result<BpeTraining> learn_merges(std::span<const WordCount> words, const BpeTrainerOptions& options,
                                 const BpeProgress& progress) {
  if (auto checked = check_trainer_options(options); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  u64 num_slots = 1;
  for (const WordCount& word : words) {
    FATHOM_CHECK(word.count > 0, "count of a word is ", word.count);
    num_slots += word.word.size() + 1;
  }
  if (num_slots > MergeLoop::kMaxSlots) {
    return invalid_input(
        fmt::format("tokenizer training: the distinct words of the text hold {}, at most 4 GiB can "
                    "be trained on; take a sample of the text",
                    format_bytes(static_cast<i64>(num_slots))));
  }
  return MergeLoop(words, options).run(progress);
}

}  // namespace fathom::tokenizer

#include "tokenizer/train/train_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <unordered_map>

#include "base/clock.h"
#include "base/text.h"
#include "io/files/atomic_file.h"
#include "io/files/directories.h"
#include "io/files/temporary_files.h"
#include "io/json.h"

namespace fathom::tokenizer {
namespace {

AddedToken framing_token(const char* content) {
  return {.content = content, .normalized = false, .special = true};
}

template <typename T>
tl::unexpected<Error> pass_on(Result<T>& result) {
  return tl::unexpected(std::move(result.error()));
}

std::vector<std::string> contents(const std::vector<AddedToken>& tokens) {
  std::vector<std::string> texts;
  texts.reserve(tokens.size());
  for (const AddedToken& token : tokens) texts.push_back(token.content);
  return texts;
}

BpeTrainerOptions trainer_options(const TrainOptions& options) {
  return {.vocab_size = options.vocab_size - std::ssize(options.last_tokens),
          .min_frequency = options.min_frequency,
          .max_token_length = options.max_token_length,
          .reserved = contents(options.first_tokens)};
}

/// Everything that can be wrong without looking at a file.
Result<void> check_options(const TrainOptions& options) {
  const auto num_first = std::ssize(options.first_tokens),
             num_last = std::ssize(options.last_tokens);
  const i64 least = num_first + 256 + num_last;
  if (options.vocab_size < least || options.vocab_size > kMaxVocabSize) {
    return invalid_input(fmt::format(
        "tokenizer training: vocab_size is {}, expected {} ({} special tokens and 256 bytes) to {}",
        options.vocab_size, least, num_first + num_last, kMaxVocabSize));
  }
  std::vector<std::string> all = contents(options.first_tokens);
  std::ranges::copy(contents(options.last_tokens), std::back_inserter(all));
  BpeTrainerOptions with_all = trainer_options(options);
  with_all.reserved = all;
  with_all.vocab_size = options.vocab_size;
  if (auto checked = check_trainer_options(with_all); !checked) return checked;
  for (const auto& [name, token] :
       {std::pair("bos_token", &options.bos_token), std::pair("eos_token", &options.eos_token),
        std::pair("pad_token", &options.pad_token)}) {
    if (*token && std::ranges::find(all, **token) == all.end()) {
      return invalid_input(
          fmt::format("tokenizer training: {} is \"{}\", which is not among the special tokens",
                      name, **token));
    }
  }
  return {};
}

/// Puts the added tokens and the frame around what was learned.
TokenizerSpec make_spec(const TrainOptions& options, BpeTraining training) {
  TokenizerSpec spec;
  spec.pre_tokenizer = options.pre_tokenizer;
  spec.vocab = std::move(training.vocab);
  spec.merges = std::move(training.merges);
  std::unordered_map<std::string_view, i32> id_of;
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    id_of.emplace(spec.vocab[id], static_cast<i32>(id));
  }
  i32 next_id = static_cast<i32>(spec.vocab.size());
  const auto add = [&](AddedToken token) {
    const auto known = id_of.find(token.content);
    token.id = known != id_of.end() ? known->second : next_id++;
    if (options.bos_token == token.content) spec.prefix_ids = {token.id};
    spec.added_tokens.push_back(std::move(token));
  };
  for (const AddedToken& token : options.first_tokens) add(token);
  for (const AddedToken& token : options.last_tokens) add(token);
  std::ranges::sort(spec.added_tokens, {}, &AddedToken::id);
  return spec;
}

TokenizerConfig make_config(const TrainOptions& options) {
  TokenizerConfig config;
  // The class that takes tokenizer.json as it is. "LlamaTokenizerFast", which V3's own file names,
  // makes some releases of transformers rebuild the pre-tokenizer as SentencePiece would have it.
  config.tokenizer_class = "PreTrainedTokenizerFast";
  config.add_bos_token = options.bos_token.has_value();
  config.add_eos_token = false;
  config.bos_token = options.bos_token;
  config.eos_token = options.eos_token;
  config.pad_token = options.pad_token;
  config.model_max_length = options.model_max_length;
  return config;
}

}  // namespace

std::vector<AddedToken> deepseek_v3_first_tokens() {
  return {framing_token("<｜begin▁of▁sentence｜>"), framing_token("<｜end▁of▁sentence｜>"),
          framing_token("<｜▁pad▁｜>")};
}

std::vector<AddedToken> deepseek_v3_last_tokens() {
  std::vector<AddedToken> tokens;
  for (const char* content :
       {"<think>", "</think>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>",
        "<｜Assistant｜>", "<|EOT|>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>",
        "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>",
        "<｜tool▁sep｜>"}) {
    // As published: only <|EOT|> among these is marked special.
    tokens.push_back({.content = content, .special = std::string_view(content) == "<|EOT|>"});
  }
  return tokens;
}

std::string_view phase_name(TrainPhase phase) {
  return phase == TrainPhase::kCount ? "reading text" : "learning merges";
}

namespace {

std::string list_some(const std::vector<std::string>& names) {
  constexpr size_t kListed = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kListed));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "),
                     names.size() > kListed ? ", ..." : "");
}

}  // namespace

std::vector<std::string> TrainReport::warnings() const {
  std::vector<std::string> sentences;
  if (vocab_size < requested_vocab_size && stop != BpeStop::kVocabSize) {
    sentences.push_back(fmt::format(
        "the vocabulary has {} tokens, not the {} asked for: {}; give more text or ask for less",
        vocab_size, requested_vocab_size,
        stop == BpeStop::kNoPairs
            ? "every word of the text has become one token"
            : "every pair that is left is too rare, or too long, to be merged"));
  }
  if (text.num_replaced_characters > 0) {
    sentences.push_back(fmt::format("{} ill-formed UTF-8 sequences were read as U+FFFD",
                                    text.num_replaced_characters));
  }
  if (text.num_skipped_lines > 0) {
    sentences.push_back(fmt::format("{} lines of .jsonl files were skipped: {}",
                                    text.num_skipped_lines, fmt::join(text.skipped_lines, "; ")));
  }
  if (!ignored.empty()) {
    sentences.push_back(fmt::format("{} files with other extensions were left out: {}",
                                    ignored.size(), list_some(ignored)));
  }
  if (!passed_over.empty()) {
    std::vector<std::string> names;
    for (const auto& [path, reason] : passed_over)
      names.push_back(fmt::format("{} ({})", path, reason));
    sentences.push_back(
        fmt::format("{} paths were passed over: {}", names.size(), list_some(names)));
  }
  return sentences;
}

void TrainedTokenizer::save(const std::string& directory) const {
  const std::filesystem::path folder(directory);
  io::make_directories(folder);
  io::remove_stale_temporaries(folder);
  tokenizer.save((folder / "tokenizer.json").string());
  io::write_file_atomically(folder / "tokenizer_config.json", write_tokenizer_config(config));
}

Result<TrainedTokenizer> train_tokenizer(const TrainOptions& options,
                                         const TrainProgress& progress) {
  if (auto checked = check_options(options); !checked) return pass_on(checked);
  Result<Corpus> corpus = find_corpus(options.paths, options.extensions, options.text_field);
  if (!corpus) return pass_on(corpus);

  TrainReport report;
  report.num_files = std::ssize(corpus->files);
  report.ignored = corpus->ignored;
  report.passed_over = corpus->passed_over;
  report.requested_vocab_size = options.vocab_size;

  auto start = Clock::now();
  WordCounter words;
  CountProgress count_progress;
  if (progress) {
    count_progress = [&](i64 done) { progress(TrainPhase::kCount, done, corpus->size_bytes); };
  }
  report.text = count_words(
      *corpus, options.pre_tokenizer,
      {.text_field = options.text_field, .max_memory_bytes = options.max_memory_bytes, .sizes = {}},
      words, count_progress);
  report.num_words = words.total_count();
  report.num_distinct_words = words.num_words();
  report.count_seconds = seconds_since(start);
  if (words.num_words() == 0) {
    std::string reason = fmt::format("tokenizer training: no text in {} files", report.num_files);
    for (const std::string& line : report.text.skipped_lines) reason += "\n  " + line;
    return invalid_input(reason);
  }

  start = Clock::now();
  BpeProgress merge_progress;
  if (progress) {
    merge_progress = [&](i64 done, i64 total) { progress(TrainPhase::kMerge, done, total); };
  }
  auto training = learn_merges(words.words(), trainer_options(options), merge_progress);
  if (!training) return pass_on(training);
  report.merge_seconds = seconds_since(start);
  report.num_merges = std::ssize(training->merges);
  report.stop = training->stop;
  report.last_pair_count = training->last_pair_count;
  report.num_tokens = training->num_tokens;

  auto tokenizer =
      Tokenizer::from_spec(make_spec(options, *std::move(training)), "trained tokenizer");
  if (!tokenizer) return pass_on(tokenizer);
  report.vocab_size = tokenizer->vocab_size();
  return TrainedTokenizer{*std::move(tokenizer), make_config(options), std::move(report)};
}

TrainedTokenizer byte_tokenizer() {
  TrainOptions options;
  options.vocab_size = std::ssize(options.first_tokens) + 256 + std::ssize(options.last_tokens);
  BpeTraining training = value_or_throw(learn_merges({}, trainer_options(options)));
  TrainReport report;
  report.stop = training.stop;
  Tokenizer tokenizer = value_or_throw(
      Tokenizer::from_spec(make_spec(options, std::move(training)), "byte tokenizer"));
  report.requested_vocab_size = report.vocab_size = tokenizer.vocab_size();
  return {std::move(tokenizer), make_config(options), std::move(report)};
}

}  // namespace fathom::tokenizer

#include "config/run/data_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace fathom {
namespace {

constexpr double kMaxSeqLen = 1 << 24;
constexpr double kMaxSeed = 0x1.0p53;

void check_sources(const std::map<std::string, SourceConfig>& sources, const std::string& prefix,
                   Problems& problems) {
  for (const auto& [name, source] : sources) {
    const std::string key = prefix + name + ".";
    if (source.paths.empty()) problems.invalid(key + "paths", "missing: name a file or a folder");
    if (std::ranges::count(source.paths, "") > 0) {
      problems.invalid(key + "paths", "an empty path");
    }
    if (source.text_field.empty()) problems.invalid(key + "text_field", "must not be empty");
    if (source.separator.find('\n') != std::string::npos) {
      problems.invalid(key + "separator", "is the text of one line, without its line break");
    }
  }
}

}  // namespace

void SourceConfig::list_fields(FieldList& list) {
  list.add("paths", paths,
           "files, folders (read whole) and globs (*, ?, [a-z], ** across folders)");
  list.add("weight", weight,
           "share of the training tokens, relative to the other sources; 0 for all: by their size",
           {.min = 0});
  list.add("format", format, kSourceFormatNames,
           "auto (by the name), text (a file is a document) or jsonl (a line is one)");
  list.add("text_field", text_field, "the member of a JSON line that holds the text");
  list.add("separator", separator,
           "a line that stands between the documents of a text file, such as %; empty: none");
  list.add("extensions", extensions,
           "what is read of a folder, each also with .gz and .zst; \"*\" for every file");
}

void DataConfig::list_fields(FieldList& list) {
  list.add("train", train, "a training source");
  list.add("validation", validation, "a validation set, scored under its own name");
  list.add("apart_from", apart_from,
           "files and folders of evaluation sets: a training line of a stage behind pre-training "
           "that shares apart_words words in a row with one of their items is left out");
  list.add("apart_words", apart_words, "how long a common stretch counts (R1: 10)",
           {.min = 1, .max = 1000});
  list.add("seq_len", seq_len, "tokens a sequence", {.min = 1, .max = kMaxSeqLen});
  list.add("isolate_documents", isolate_documents,
           "documents of one sequence do not see each other (pre-training: false, as V3)");
  list.add("seed", seed, "of the shuffling", {.min = 0, .max = kMaxSeed});
  list.add("fim_rate", fim_rate,
           "share of training documents rearranged for fill-in-the-middle (V3: 0.1)",
           {.min = 0, .max = 1});
  list.add("split_rate", split_rate,
           "share of tokens joining punctuation and line breaks that are split, in training",
           {.min = 0, .max = 1});
  list.add("transform_seed", transform_seed,
           "of fim_rate and split_rate; another value means tokenising again",
           {.min = 0, .max = kMaxSeed});
  list.add("bos_token", bos_token, "the token that begins each document; empty: none");
  list.add("eos_token", eos_token, "the token that ends each document; empty: none");
  list.add("cache_dir", cache_dir, "where tokenised text is kept between runs");
  list.add("verify_cache", verify_cache,
           "check every byte of the kept tokens at the start, not only the sizes");
  list.add("strict", strict, "stop at the first broken line or file instead of counting it");
}

void DataConfig::check(const std::string& prefix, Problems& problems) const {
  if (train.empty() && validation.empty()) {
    problems.invalid(prefix + "train", "no source: add [data.train.NAME] with paths");
  }
  check_sources(train, prefix + "train.", problems);
  check_sources(validation, prefix + "validation.", problems);
  const auto weighted =
      std::ranges::count_if(train, [](const auto& entry) { return entry.second.weight > 0; });
  for (const auto& [name, source] : train) {
    if (weighted > 0 && source.weight <= 0) {
      problems.invalid(fmt::format("{}train.{}.weight", prefix, name),
                       "missing: give every training source a weight, or none");
    }
  }
  for (const auto& [name, source] : validation) {
    if (source.weight > 0) {
      problems.invalid(fmt::format("{}validation.{}.weight", prefix, name),
                       "a validation set has no weight: each is scored alone");
    }
  }
  if (bos_token.empty() && eos_token.empty()) {
    problems.invalid(prefix + "eos_token",
                     "without a bos_token nothing would mark where a document ends");
  }
  if (cache_dir.empty()) problems.invalid(prefix + "cache_dir", "must not be empty");
}

}  // namespace fathom

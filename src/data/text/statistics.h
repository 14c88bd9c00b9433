#pragma once
// What became of a source's text: for the start-up print and for the cache's manifest.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::data {

/// A broken line or file and where it is.
struct Problem {
  std::string place;  // "path", "path:line"
  std::string text;
};

/// How many problems are kept with their places; more are only counted.
inline constexpr size_t kMaxKeptProblems = 20;

struct SourceStatistics {
  i64 files = 0;
  i64 ignored_files = 0;  // in folders, of other kinds than `extensions`
  i64 passed_over = 0;    // paths met in folders: links to folders, hidden names, pipes, ...
  i64 documents = 0;      // tokenised
  i64 tokens = 0;         // with BOS, EOS and the marks of fill-in-the-middle
  i64 text_bytes = 0;     // of the documents' text, decompressed
  i64 broken = 0;         // lines and files that could not be read: skipped, each a problem
  i64 repaired = 0;       // documents kept with defects of UTF-8 or JSON, each a problem
  i64 empty = 0;          // lines and files without text: skipped
  i64 cut_documents = 0;  // begun anew because a text was longer than kMaxDocumentBytes
  i64 fim_documents = 0;  // rearranged for fill-in-the-middle
  i64 split_tokens = 0;   // that joined punctuation and line breaks and were split
  std::vector<Problem> problems;  // the first kMaxKeptProblems
  std::vector<Problem> left_out;  // the first few of ignored_files and passed_over

  double bytes_per_token() const {
    return tokens == 0 ? 0.0 : static_cast<double>(text_bytes) / static_cast<double>(tokens);
  }
  void add_problem(Problem problem) {
    if (problems.size() < kMaxKeptProblems) problems.push_back(std::move(problem));
  }
};

/// Called now and then while a source is tokenised; from one thread.
struct TokenizeProgress {
  std::string_view source;
  i64 file_bytes = 0;  // of the files as stored
  i64 total_file_bytes = 0;
  i64 tokens = 0;
  bool done = false;
};
using ProgressCallback = std::function<void(const TokenizeProgress&)>;

struct NamedStatistics {
  std::string name;
  double share = 0.0;  // of the training tokens; 0: a validation set
  SourceStatistics statistics;
};

/// A table for the start-up print, one source a line, with a line below for each kept problem.
std::string format_statistics(std::span<const NamedStatistics> sources);

}  // namespace fathom::data

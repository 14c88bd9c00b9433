#include "data/cache/source_tokenizer.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "base/parallel.h"
#include "data/cache/token_writer.h"
#include "data/text/document_reader.h"
#include "io/text/line_census.h"

namespace fathom::data {
namespace {

/// A document waiting for its turn; `place` is of its beginning.
struct Pending {
  RawDocument raw;
  std::string path;
};

class SourceTokenizer {
 public:
  SourceTokenizer(const TokenizeJob& job, const DocumentEncoder& encoder, i64 vocab_size,
                  const std::filesystem::path& folder)
      : job_(job), encoder_(encoder), writer_(folder, vocab_size) {
    for (const SourceFile& file : *job.files) progress_.total_file_bytes += file.size_bytes;
    progress_.source = job.name;
  }

  void run(CacheManifest& manifest) {
    for (const SourceFile& file : *job_.files) read_file(file);
    encode_batch();
    judge_lines();
    statistics_.files = std::ssize(*job_.files);
    if (statistics_.documents == 0) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format(
              "{}: no text in {} files ({} broken, {} empty lines or files){}", job_.name,
              statistics_.files, statistics_.broken, statistics_.empty,
              statistics_.problems.empty() ? "" : "\n  " + describe(statistics_.problems.front())));
    }
    writer_.finish(manifest);
    manifest.statistics = std::move(statistics_);
    report(true);
  }

 private:
  static std::string describe(const Problem& problem) {
    return fmt::format("{}: {}", problem.place, problem.text);
  }

  void read_file(const SourceFile& file) {
    DocumentReader reader(file, job_.separator);
    RawDocument raw;
    Problem problem;
    while (true) {
      switch (reader.next(raw, problem)) {
        case DocumentReader::Step::kEnd:
          refuse_if_changed(file);
          finished_file_bytes_ += file.size_bytes;
          return;
        case DocumentReader::Step::kProblem:
          // Problems of documents before it come first.
          encode_batch();
          ++statistics_.broken;
          add_problem(std::move(problem));
          break;
        case DocumentReader::Step::kDocument:
          batch_bytes_ += std::ssize(raw.bytes) + kOverheadBytes;
          batch_.push_back({std::move(raw), file.path.string()});
          progress_.file_bytes = finished_file_bytes_ + reader.file_bytes_read();
          if (batch_bytes_ >= job_.batch_bytes) encode_batch();
          break;
      }
    }
  }

  /// Its hash stands for what it held before: tokens of another text must not be kept under it.
  static void refuse_if_changed(const SourceFile& file) {
    if (is_unchanged(file)) return;
    std::error_code ignored;
    if (!std::filesystem::exists(file.path, ignored)) return;  // reported by the reader
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: changed while it was read; start again when nobody writes it",
                            file.path.string()));
  }

  void encode_batch() {
    encoded_.clear();
    encoded_.resize(batch_.size());
    const std::vector<i64> parts = equal_parts();
    parallel_for(std::ssize(parts) - 1, 1, [&](i64 begin, i64 end) {
      const i64 last = parts[static_cast<size_t>(end)];
      for (i64 i = parts[static_cast<size_t>(begin)]; i < last; ++i) {
        const auto at = static_cast<size_t>(i);
        encoded_[at] = encoder_.encode(batch_[at].raw, static_cast<u64>(num_seen_ + i));
      }
    });
    for (size_t i = 0; i < batch_.size(); ++i) account(batch_[i], encoded_[i]);
    num_seen_ += std::ssize(batch_);
    batch_.clear();
    batch_bytes_ = 0;
    report(false);
  }

  /// Where to cut the batch so that each thread has about the same number of bytes.
  std::vector<i64> equal_parts() const {
    const i64 num_parts = num_threads();
    std::vector<i64> parts = {0};
    i64 bytes = 0;
    for (size_t i = 0; i < batch_.size(); ++i) {
      bytes += std::ssize(batch_[i].raw.bytes) + kOverheadBytes;
      if (bytes * num_parts >= batch_bytes_ * std::ssize(parts)) {
        parts.push_back(static_cast<i64>(i) + 1);
      }
    }
    return parts;
  }

  /// A file of JSON lines most of which are broken is another thing.
  void count_line(const Pending& pending, const EncodedDocument& document) {
    if (pending.path != lines_path_) {
      judge_lines();
      lines_path_ = pending.path;
      lines_ = {};
    }
    const bool is_broken = document.problem && !document.is_repaired;
    if (is_broken) {
      lines_.add_broken(pending.raw.line, *document.problem);
    } else if (!document.ids.empty()) {
      ++lines_.lines;
    }
    if (lines_.lines % io::kCensusLines == 0) judge_lines();
  }
  void judge_lines() const {
    if (!lines_.is_mostly_broken()) return;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} ({})", io::describe_broken_lines(lines_path_, lines_), job_.name));
  }

  void account(const Pending& pending, EncodedDocument& document) {
    if (pending.raw.is_json) count_line(pending, document);
    if (document.problem) {
      ++(document.is_repaired ? statistics_.repaired : statistics_.broken);
      add_problem(located(pending, std::move(*document.problem)));
    }
    if (document.ids.empty()) {
      statistics_.empty += document.problem ? 0 : 1;
      return;
    }
    writer_.add(document.ids);
    ++statistics_.documents;
    statistics_.tokens += std::ssize(document.ids);
    statistics_.text_bytes += document.text_bytes;
    statistics_.split_tokens += document.split_tokens;
    statistics_.fim_documents += document.is_fim;
    statistics_.cut_documents += pending.raw.is_cut;
  }

  /// "path:line", and ":column" where the text opens with it.
  static Problem located(const Pending& pending, std::string text) {
    Problem problem = {pending.path, std::move(text)};
    if (pending.raw.line > 0) problem.place += fmt::format(":{}", pending.raw.line);
    if (problem.text.starts_with(':')) {
      const size_t end = problem.text.find(": ");
      problem.place += problem.text.substr(0, end);
      problem.text.erase(0, end + 2);
    }
    return problem;
  }

  void add_problem(Problem problem) {
    if (job_.strict) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} ({}; data.strict)", describe(problem), job_.name));
    }
    statistics_.add_problem(std::move(problem));
  }

  void report(bool done) {
    if (!job_.progress) return;
    if (done) progress_.file_bytes = progress_.total_file_bytes;
    progress_.tokens = done ? progress_.tokens : statistics_.tokens;
    progress_.done = done;
    job_.progress(progress_);
  }

  /// So that a million empty lines do not wait in one batch.
  static constexpr i64 kOverheadBytes = 64;

  const TokenizeJob& job_;
  const DocumentEncoder& encoder_;
  TokenWriter writer_;
  SourceStatistics statistics_;
  TokenizeProgress progress_;
  std::vector<Pending> batch_;
  std::vector<EncodedDocument> encoded_;
  std::string lines_path_;  // the file of JSON lines that is being counted
  io::LineCensus lines_;
  i64 batch_bytes_ = 0;
  i64 num_seen_ = 0;
  i64 finished_file_bytes_ = 0;
};

}  // namespace

void tokenize_source(const TokenizeJob& job, const DocumentEncoder& encoder, i64 vocab_size,
                     const io::Hash128& key, const std::filesystem::path& folder) {
  CacheManifest manifest;
  manifest.key = key;
  SourceTokenizer(job, encoder, vocab_size, folder).run(manifest);
  write_manifest(folder, manifest);
}

}  // namespace fathom::data

#include "tokenizer/train/count.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "io/json.h"
#include "io/text/json_line.h"
#include "io/text/line_census.h"
#include "tokenizer/train/bpe_trainer.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kListedLines = 8;
constexpr i64 kFoldBytes = i64{256} << 20;

struct SkippedLine {
  u32 file = 0;
  i64 line = 0;
  std::string reason;
};

i64 count_utf8_defects(std::string_view bytes) {
  i64 count = 0;
  while (true) {
    bytes.remove_prefix(valid_utf8_prefix_bytes(bytes));
    if (bytes.empty()) return count;
    bytes.remove_prefix(utf8_defect(bytes).num_bytes);
    ++count;
  }
}

/// What one thread counts; several of them make the result.
class Worker {
 public:
  Worker(const PreTokenizer& pre_tokenizer, std::string_view text_field)
      : pre_tokenizer_(pre_tokenizer), text_field_(text_field) {}

  void count_part(const CorpusBatch& batch, const CorpusPart& part, CorpusFormat format) {
    if (format == CorpusFormat::kJsonLines) {
      count_lines(batch.text(part), part.file, part.first_line);
    } else {
      stats.num_documents += part.begins_document ? 1 : 0;
      count_text(batch.text(part));
    }
  }

  WordCounter words;
  TextStats stats;
  std::map<u32, io::LineCensus> lines;  // by file
  std::vector<SkippedLine> skipped;     // the first kListedLines that this worker met

 private:
  void count_text(std::string_view bytes) {
    const std::string_view text = valid_utf8(bytes, repaired_);
    if (text.data() != bytes.data()) stats.num_replaced_characters += count_utf8_defects(bytes);
    stats.text_bytes += std::ssize(bytes);
    pre_tokenizer_.split(text, [this](std::string_view piece) { words.add(piece); });
  }

  void count_lines(std::string_view rest, u32 file, i64 line) {
    io::LineCensus& lines_of_file = lines[file];
    for (; !rest.empty(); ++line) {
      const std::string_view text = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), text.size() + 1));
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string reason = count_line(text);
      if (reason.empty()) {
        ++lines_of_file.lines;
      } else {
        lines_of_file.add_broken(line, reason);
        ++stats.num_skipped_lines;
        if (skipped.size() < kListedLines) skipped.push_back({file, line, reason});
      }
    }
  }

  /// Why the line cannot be used, ":COLUMN: what" or ": what"; empty if it was counted.
  std::string count_line(std::string_view line) {
    const auto text = io::text_of_json_line(line, text_field_);
    if (!text) return text.error().message();
    ++stats.num_documents;
    stats.num_replaced_characters += text->num_defects;
    count_text(text->text);
    return {};
  }

  const PreTokenizer& pre_tokenizer_;
  const std::string_view text_field_;
  std::string repaired_;
};

void count_batch(const Corpus& corpus, const CorpusBatch& batch, std::vector<Worker>& workers) {
  const auto num_workers = static_cast<i64>(workers.size());
  const auto worker_of = [&](const CorpusPart& part) {  // by position: equal shares of the bytes
    return static_cast<i64>(part.begin) * num_workers / std::ssize(batch.bytes);
  };
  parallel_for(num_workers, 1, [&](i64 begin, i64 end) {
    for (const CorpusPart& part : batch.parts) {
      const i64 worker = part.begin == part.end ? 0 : worker_of(part);
      if (worker < begin || worker >= end) continue;
      workers[static_cast<size_t>(worker)].count_part(batch, part, corpus.files[part.file].format);
    }
  });
}

/// Throws if most lines of a file are broken: of one that is at its end, or of which enough was
/// seen.
void check_lines(const Corpus& corpus, const std::vector<Worker>& workers, bool at_end) {
  std::map<u32, io::LineCensus> sums;
  for (const Worker& worker : workers) {
    for (const auto& [file, census] : worker.lines) sums[file].add(census);
  }
  for (const auto& [file, census] : sums) {
    if (!census.is_mostly_broken() || (!at_end && census.lines < io::kCensusLines)) continue;
    throw Error(ErrorCode::kInvalidInput,
                io::describe_broken_lines(corpus.files[file].path, census));
  }
}

class MemoryLimit {
 public:
  MemoryLimit(i64 max_bytes, i64 corpus_bytes)
      : max_bytes_(max_bytes), corpus_bytes_(corpus_bytes) {}

  /// Moves the workers' words into `words` when they have grown, or when without that the limit
  /// would be passed; throws if it is passed nevertheless.
  void check(std::vector<Worker>& workers, WordCounter& words, i64 done_bytes) const {
    i64 apart_bytes = 0;
    for (const Worker& worker : workers) apart_bytes += worker.words.memory_bytes();
    if (apart_bytes < std::min(kFoldBytes, max_bytes_ / 8)) return;
    for (Worker& worker : workers) {
      words.add_all(worker.words);
      worker.words.clear();
    }
    const i64 needed_bytes =
        words.memory_bytes() + bpe_trainer_memory_bytes(words.num_words(), words.num_bytes());
    if (needed_bytes <= max_bytes_) return;
    throw Error(
        ErrorCode::kOutOfMemory,
        fmt::format(
            "tokenizer training: {} distinct words after {} of {} text; to learn merges from "
            "them takes about {}, the limit is {}. Raise the memory limit or train on a "
            "sample of the text",
            words.num_words(), format_bytes(done_bytes), format_bytes(corpus_bytes_),
            format_bytes(needed_bytes), format_bytes(max_bytes_)));
  }

 private:
  i64 max_bytes_, corpus_bytes_;
};

TextStats sum_stats(const Corpus& corpus, std::vector<Worker>& workers) {
  TextStats sum;
  std::vector<SkippedLine> skipped;
  for (Worker& worker : workers) {
    sum.num_documents += worker.stats.num_documents;
    sum.text_bytes += worker.stats.text_bytes;
    sum.num_replaced_characters += worker.stats.num_replaced_characters;
    sum.num_skipped_lines += worker.stats.num_skipped_lines;
    skipped.insert(skipped.end(), worker.skipped.begin(), worker.skipped.end());
  }
  std::sort(skipped.begin(), skipped.end(), [](const SkippedLine& a, const SkippedLine& b) {
    return std::tie(a.file, a.line) < std::tie(b.file, b.line);
  });
  skipped.resize(std::min(skipped.size(), kListedLines));
  for (const SkippedLine& line : skipped) {
    sum.skipped_lines.push_back(
        fmt::format("{}:{}{}", corpus.files[line.file].path, line.line, line.reason));
  }
  return sum;
}

}  // namespace

TextStats count_words(const Corpus& corpus, const PreTokenizer& pre_tokenizer,
                      const CountOptions& options, WordCounter& words,
                      const CountProgress& progress) {
  const bool is_v3 =
      io::write_json(pre_tokenizer.json()) == io::write_json(PreTokenizer::deepseek_v3().json());
  CorpusReader::Sizes sizes = options.sizes;
  sizes.max_batch_bytes = std::min(sizes.max_batch_bytes, options.max_memory_bytes);
  CorpusReader reader(corpus, is_v3 ? CutRule::kDeepSeekV3 : CutRule::kWholeDocuments, sizes);
  const MemoryLimit limit(options.max_memory_bytes, corpus.size_bytes);

  std::vector<Worker> workers;
  workers.reserve(static_cast<size_t>(num_threads()));
  for (int i = 0; i < num_threads(); ++i) workers.emplace_back(pre_tokenizer, options.text_field);
  CorpusBatch batch;
  while (reader.next(batch)) {
    count_batch(corpus, batch, workers);
    const i64 done_bytes = reader.file_bytes_read();
    limit.check(workers, words, done_bytes);
    check_lines(corpus, workers, /*at_end=*/false);
    if (progress) progress(done_bytes);
  }
  check_lines(corpus, workers, /*at_end=*/true);
  for (Worker& worker : workers) words.add_all(worker.words);
  return sum_stats(corpus, workers);
}

}  // namespace fathom::tokenizer

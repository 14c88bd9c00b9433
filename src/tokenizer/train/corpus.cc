#include "tokenizer/train/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>

#include "base/check.h"
#include "base/text.h"
#include "io/text/file_kind.h"
#include "io/text/text_file.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxListedProblems = 20;

class Finder {
 public:
  Finder(const std::vector<std::string>& extensions, const std::string& text_field)
      : extensions_(extensions), text_field_(text_field) {}

  void add_path(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      problems_.push_back(fmt::format("{}: {}", path, error ? error.message() : "no such file"));
    } else if (fs::is_directory(status)) {
      add_folder(path);
    } else {
      add_file(path);
    }
  }

  Result<Corpus> take() {
    if (!problems_.empty()) return invalid_input(list_problems());
    if (corpus_.files.empty()) {
      return invalid_input(
          fmt::format("tokenizer training: no file with the extension {} in the folders given ({} "
                      "others there)",
                      fmt::join(extensions_, ", "), corpus_.ignored.size()));
    }
    return std::move(corpus_);
  }

 private:
  void add_folder(const std::string& folder);
  void add_file(const std::string& path);
  std::string list_problems() const;

  const std::vector<std::string>& extensions_;
  const std::string& text_field_;
  Corpus corpus_;
  std::set<fs::path> seen_;
  std::vector<std::string> problems_;
};

void Finder::add_folder(const std::string& folder) {
  io::SearchNotes notes;
  for (const fs::path& path : io::files_below(folder, notes)) {
    const std::string extension =
        fs::path(io::without_compression(path.native())).extension().string();
    if (std::count(extensions_.begin(), extensions_.end(), extension) > 0) {
      add_file(path.string());
    } else {
      corpus_.ignored.push_back(path.string());
    }
  }
  std::move(notes.passed_over.begin(), notes.passed_over.end(),
            std::back_inserter(corpus_.passed_over));
  for (const std::string& path : notes.unreadable) {
    problems_.push_back(fmt::format("{}: cannot be read", path));
  }
}

CorpusFormat format_of(std::string_view path) {
  const std::string_view plain = io::without_compression(path);
  const bool is_lines = plain.ends_with(".jsonl") || plain.ends_with(".ndjson");
  return is_lines ? CorpusFormat::kJsonLines : CorpusFormat::kText;
}

void Finder::add_file(const std::string& path) {
  std::error_code error;
  if (!seen_.insert(fs::weakly_canonical(path, error)).second) return;
  CorpusFile file = {.path = path, .format = format_of(path)};
  const auto looked = io::look_at_text(path);
  if (!looked) {
    problems_.push_back(fmt::format("{}: {}", path, looked.error().message()));
    return;
  }
  file.compression = looked->compression;
  if (const auto opened = io::ByteReader::open(path, file.compression); !opened) {
    problems_.push_back(fmt::format("{}: {}", path, opened.error().message()));
    return;
  }
  const std::string not_lines = io::not_json_lines(looked->head);
  if (file.format == CorpusFormat::kJsonLines && !not_lines.empty()) {
    problems_.push_back(fmt::format("{}: is {}", path, not_lines));
    return;
  }
  const std::string data =
      file.format == CorpusFormat::kJsonLines
          ? ""
          : io::json_in_text(io::without_compression(path), looked->head, text_field_);
  if (!data.empty()) {
    problems_.push_back(fmt::format("{}: {}; lines are read of a file named .jsonl", path, data));
    return;
  }
  file.size_bytes = static_cast<i64>(fs::file_size(path, error));
  if (error) file.size_bytes = 0;
  corpus_.size_bytes += file.size_bytes;
  corpus_.files.push_back(std::move(file));
}

std::string Finder::list_problems() const {
  std::string text = "tokenizer training: cannot read";
  for (size_t i = 0; i < std::min(problems_.size(), kMaxListedProblems); ++i) {
    text += "\n  " + problems_[i];
  }
  if (problems_.size() > kMaxListedProblems) {
    text += fmt::format("\n  and {} more", problems_.size() - kMaxListedProblems);
  }
  return text;
}

/// Unicode's White_Space beyond ASCII.
bool is_wide_space(char32_t c) {
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace

Result<Corpus> find_corpus(const std::vector<std::string>& paths,
                           const std::vector<std::string>& extensions,
                           const std::string& text_field) {
  if (paths.empty()) return invalid_input("tokenizer training: no file or folder given");
  Finder finder(extensions, text_field);
  for (const std::string& path : paths) finder.add_path(path);
  return finder.take();
}

bool safe_cut(std::string_view text, size_t pos) {
  if (pos == 0 || pos >= text.size() || text[pos - 1] != '\n') return false;
  const u8 lead = static_cast<u8>(text[pos]);
  if (lead < 0x80) return lead > ' ' && lead < 0x7F;
  const std::string_view head = text.substr(pos, 4);
  const size_t valid = valid_utf8_prefix_bytes(head);
  return valid > 0 && !is_wide_space(decode_utf8(head, 0).value);
}

CorpusReader::CorpusReader(const Corpus& corpus, CutRule rule, Sizes sizes)
    : corpus_(corpus), rule_(rule), sizes_(sizes) {}

bool CorpusReader::next(CorpusBatch& batch) {
  batch.parts.clear();
  batch.bytes = std::move(rest_);
  rest_.clear();
  size_t begin = 0;     // of what is not in a part yet; belongs to the open file
  size_t searched = 0;  // no cut lies in (begin, searched]
  while (true) {
    if (!file_) {
      if (next_file_ == corpus_.files.size() || std::ssize(batch.bytes) >= sizes_.batch_bytes)
        break;
      open_next();
      begin = searched = batch.bytes.size();
    }
    if (!read_more(batch.bytes)) {
      finished_file_bytes_ += file_->file_bytes_read();
      file_.reset();
      add_parts(batch, begin, batch.bytes.size());
      begin = batch.bytes.size();
    } else if (std::ssize(batch.bytes) >= sizes_.batch_bytes) {
      const size_t cut = last_cut(batch.bytes, std::max(begin, searched), batch.bytes.size());
      searched = batch.bytes.size() - 4;  // a character may have been cut short by the read
      if (cut == 0) continue;
      add_parts(batch, begin, cut);
      rest_ = batch.bytes.substr(cut);
      batch.bytes.resize(cut);
      break;
    }
  }
  return !batch.parts.empty();
}

void CorpusReader::open_next() {
  const CorpusFile& file = corpus_.files[next_file_++];
  auto opened = io::ByteReader::open(file.path, file.compression);
  if (!opened) {
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", file.path, opened.error().message()));
  }
  file_ = std::move(*opened);
  at_document_start_ = true;
  next_line_ = 1;
}

/// Appends the next stretch of the open file; false at its end.
bool CorpusReader::read_more(std::string& bytes) {
  const std::string& path = corpus_.files[next_file_ - 1].path;
  if (std::ssize(bytes) + static_cast<i64>(kReadBytes) > sizes_.max_batch_bytes) {
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("{}: more than {} without a line break that text could be cut at; "
                            "break the text into lines or raise the memory limit",
                            path, format_bytes(sizes_.max_batch_bytes)));
  }
  block_.resize(kReadBytes);
  const auto num_read = file_->read(block_);
  if (!num_read) {
    throw Error(num_read.error().code(), fmt::format("{}: {}", path, num_read.error().message()));
  }
  bytes.append(reinterpret_cast<const char*>(block_.data()), *num_read);
  return *num_read > 0;
}

bool CorpusReader::can_cut(std::string_view bytes, size_t pos) const {
  if (corpus_.files[next_file_ - 1].format == CorpusFormat::kJsonLines) {
    return bytes[pos - 1] == '\n';
  }
  return rule_ == CutRule::kDeepSeekV3 && safe_cut(bytes, pos);
}

/// The last place in (begin, end) where the open file's text may be cut; 0 if there is none.
size_t CorpusReader::last_cut(std::string_view bytes, size_t begin, size_t end) const {
  for (size_t pos = end; pos-- > begin + 1;) {
    if (bytes[pos - 1] == '\n' && can_cut(bytes.substr(0, end), pos)) return pos;
  }
  return 0;
}

void CorpusReader::add_parts(CorpusBatch& batch, size_t begin, size_t end) {
  const std::string_view bytes = std::string_view(batch.bytes).substr(0, end);
  const bool is_json = corpus_.files[next_file_ - 1].format == CorpusFormat::kJsonLines;
  while (begin < end) {
    // The first cut after part_bytes, so that each byte is looked at once.
    size_t cut = begin + std::min(static_cast<size_t>(sizes_.part_bytes), end - begin);
    while (cut < end) {
      const size_t line_end = bytes.find('\n', cut - 1);
      cut = line_end == std::string_view::npos ? end : line_end + 1;
      if (cut < end && can_cut(bytes, cut)) break;
      cut += cut < end ? 1 : 0;
    }
    batch.parts.push_back({.begin = begin,
                           .end = cut,
                           .file = static_cast<u32>(next_file_ - 1),
                           .first_line = next_line_,
                           .begins_document = at_document_start_});
    if (is_json) next_line_ += std::count(bytes.begin() + begin, bytes.begin() + cut, '\n');
    at_document_start_ = false;
    begin = cut;
  }
}

}  // namespace fathom::tokenizer

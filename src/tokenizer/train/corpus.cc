#include "tokenizer/train/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/check.h"
#include "base/text.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxListedProblems = 20;

struct Magic {
  std::string_view bytes;
  std::string_view what;
};
constexpr std::array kNotText = {
    Magic{"\x1f\x8b", "gzip"},
    Magic{"\x28\xb5\x2f\xfd", "zstd"},
    Magic{"BZh91AY&SY", "bzip2"},
    Magic{"\xfd"
          "7zXZ",
          "xz"},
    Magic{"PK\x03\x04", "zip"},
    Magic{"PAR1", "Parquet"},
    Magic{"ARROW1", "Arrow"},
    Magic{"%PDF-", "PDF"},
    Magic{"\xff\xfe", "UTF-16"},
    Magic{"\xfe\xff", "UTF-16"},
};

std::string system_message(int error) { return std::generic_category().message(error); }

class Finder {
 public:
  explicit Finder(const std::vector<std::string>& extensions) : extensions_(extensions) {}

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
                      fmt::join(extensions_, ", "), corpus_.num_ignored_files));
    }
    return std::move(corpus_);
  }

 private:
  void add_folder(const std::string& folder);
  void add_file(const std::string& path);
  std::string list_problems() const;

  const std::vector<std::string>& extensions_;
  Corpus corpus_;
  std::set<fs::path> seen_;
  std::vector<std::string> problems_;
};

void Finder::add_folder(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error), end;
  while (!error && entry != end) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (name.starts_with('.')) {
      entry.disable_recursion_pending();
    } else if (entry->is_directory(ignored) && !entry->is_symlink(ignored)) {
      // A folder that may not be opened would otherwise be passed over in silence by the iterator.
      fs::directory_iterator probe(entry->path(), ignored);
      if (ignored) {
        problems_.push_back(fmt::format("{}: {}", entry->path().string(), ignored.message()));
        entry.disable_recursion_pending();
      }
    } else if (std::count(extensions_.begin(), extensions_.end(),
                          entry->path().extension().string()) > 0) {
      found.push_back(entry->path().string());
    } else {
      ++corpus_.num_ignored_files;
    }
    entry.increment(error);
  }
  if (error) problems_.push_back(fmt::format("{}: {}", folder, error.message()));
  std::sort(found.begin(), found.end());
  for (const std::string& path : found) add_file(path);
}

void Finder::add_file(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    problems_.push_back(
        fmt::format("{}: {}", path, error ? error.message() : "not a regular file"));
    return;
  }
  if (!seen_.insert(fs::weakly_canonical(path, error)).second) return;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) {
    problems_.push_back(fmt::format("{}: {}", path, system_message(errno)));
    return;
  }
  std::array<char, 16> head{};
  const size_t num_read = std::fread(head.data(), 1, head.size(), file.get());
  for (const auto& [bytes, what] : kNotText) {
    if (std::string_view(head.data(), num_read).starts_with(bytes)) {
      problems_.push_back(fmt::format("{}: is {}, expected UTF-8 text", path, what));
      return;
    }
  }
  const auto size_bytes = static_cast<i64>(fs::file_size(path, error));
  corpus_.files.push_back(
      {path, path.ends_with(".jsonl") ? CorpusFormat::kJsonLines : CorpusFormat::kText,
       error ? 0 : size_bytes});
  corpus_.size_bytes += corpus_.files.back().size_bytes;
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
                           const std::vector<std::string>& extensions) {
  if (paths.empty()) return invalid_input("tokenizer training: no file or folder given");
  Finder finder(extensions);
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
  file_.reset(std::fopen(file.path.c_str(), "rb"));
  if (!file_) throw Error(ErrorCode::kIo, fmt::format("{}: {}", file.path, system_message(errno)));
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
  const size_t num_read = std::fread(block_.data(), 1, kReadBytes, file_.get());
  bytes.append(block_.data(), num_read);
  if (std::ferror(file_.get()) != 0) {
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", path, system_message(errno)));
  }
  return num_read > 0;
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

#include "data/text/document_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/text.h"
#include "data/text/white_space.h"

namespace fathom::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

bool continues_character(char c) { return (static_cast<u8>(c) & 0xC0) == 0x80; }

}  // namespace

DocumentReader::DocumentReader(const SourceFile& file, std::string separator, i64 max_bytes)
    : file_(file), separator_(std::move(separator)), max_bytes_(max_bytes) {
  FATHOM_CHECK(file.format != SourceFormat::kAuto, file.path.string());
  if (max_bytes_ == 0) max_bytes_ = is_json() ? kMaxJsonLineBytes : kMaxDocumentBytes;
}

std::string DocumentReader::place() const {
  return is_json() || !separator_.empty() ? fmt::format("{}:{}", file_.path.string(), line_)
                                          : file_.path.string();
}

DocumentReader::Step DocumentReader::next(RawDocument& document, Problem& problem) {
  if (!opened_ && !open(problem)) return Step::kProblem;
  while (true) {
    if (const auto cut = find_cut()) {
      const bool was_skipping = skipping_;
      skipping_ = false;
      take(*cut, document);
      if (was_skipping) continue;
      return Step::kDocument;
    }
    if (at_end_) {
      // An empty file is one empty document; behind the last line or separator there is none.
      const bool is_empty_file = !gave_any_ && !is_json() && separator_.empty();
      if (skipping_ || (unread().empty() && !is_empty_file)) return Step::kEnd;
      take({unread().size(), unread().size()}, document);
      return Step::kDocument;
    }
    if (skipping_) {
      buffer_.clear();
      begin_ = scanned_ = 0;
    } else if (std::ssize(unread()) >= max_bytes_ && !is_json()) {
      take(forced_cut(), document);
      is_cut_ = true;
      return Step::kDocument;
    } else if (std::ssize(unread()) >= max_bytes_) {
      skipping_ = true;
      problem = {place(), fmt::format("a line of more than {}", format_bytes(max_bytes_))};
      return Step::kProblem;
    }
    if (!fill(problem)) return Step::kProblem;
  }
}

bool DocumentReader::open(Problem& problem) {
  opened_ = true;
  auto bytes = io::ByteReader::open(file_.path, file_.compression);
  if (!bytes) {
    at_end_ = gave_any_ = true;
    problem = {file_.path.string(), bytes.error().message()};
    return false;
  }
  bytes_ = std::move(*bytes);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  while (!at_end_ && buffer_.size() < kByteOrderMark.size()) {
    if (!fill(problem)) return false;
  }
  if (buffer_.starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
  return true;
}

bool DocumentReader::fill(Problem& problem) {
  if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  const size_t old_size = buffer_.size();
  buffer_.resize(old_size + kReadBytes);
  const auto count = bytes_->read({reinterpret_cast<u8*>(buffer_.data()) + old_size, kReadBytes});
  buffer_.resize(old_size + count.value_or(0));
  at_end_ = !count || *count == 0;
  if (count) return true;
  problem = {file_.path.string(),
             fmt::format("{}; what follows line {} is lost", count.error().message(),
                         line_ + std::ranges::count(unread(), '\n') - 1)};
  if (is_json()) drop_unfinished_line();
  gave_any_ = gave_any_ || unread().empty();
  return false;
}

void DocumentReader::drop_unfinished_line() {
  const size_t last = unread().rfind('\n');
  buffer_.resize(last == std::string_view::npos ? begin_ : begin_ + last + 1);
}

std::optional<DocumentReader::Cut> DocumentReader::find_cut() {
  if (!is_json()) return separator_.empty() ? std::nullopt : find_separator();
  const size_t end = unread().find('\n', scanned_);
  scanned_ = unread().size();
  if (end == std::string_view::npos) return std::nullopt;
  return Cut{end, end + 1};
}

std::optional<DocumentReader::Cut> DocumentReader::find_separator() {
  while (scanned_ < unread().size()) {
    size_t end = unread().find('\n', scanned_);
    if (end == std::string_view::npos && !at_end_) return std::nullopt;
    const size_t next = end == std::string_view::npos ? unread().size() : end + 1;
    end = std::min(end, unread().size());
    std::string_view line = unread().substr(scanned_, end - scanned_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line == separator_) return Cut{scanned_, next};
    scanned_ = next;
  }
  return std::nullopt;
}

/// Where no pre-tokenizer of the DeepSeek family joins anything: between a line break and a
/// character that is not white space; if there is none in the second half, between two characters.
DocumentReader::Cut DocumentReader::forced_cut() const {
  const std::string_view text = unread();
  const auto max = static_cast<size_t>(max_bytes_);
  for (size_t at = std::min(text.size(), max) - 1; at > max / 2; --at) {
    if (text[at - 1] == '\n' && !is_space(text[at]) && !continues_character(text[at])) {
      return {at, at};
    }
  }
  size_t at = std::min(text.size() - 1, max);
  while (at > max / 2 && continues_character(text[at])) --at;
  return {at, at};
}

void DocumentReader::take(const Cut& cut, RawDocument& document) {
  const std::string_view text = unread();
  const bool is_whole_file = !is_json() && separator_.empty() && !is_cut_;
  document.bytes.assign(text.substr(0, cut.end));
  document.line = is_whole_file ? 0 : line_;
  document.is_json = is_json();
  document.is_cut = is_cut_;
  line_ += std::ranges::count(text.substr(0, cut.next), '\n');
  begin_ += cut.next;
  scanned_ = 0;
  is_cut_ = false;
  gave_any_ = true;
}

}  // namespace fathom::data

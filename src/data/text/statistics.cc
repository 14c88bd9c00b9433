#include "data/text/statistics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace fathom::data {
namespace {

void append_count(std::string& out, i64 count, std::string_view what) {
  if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
}

std::string notes_of(const SourceStatistics& s) {
  std::string notes;
  append_count(notes, s.fim_documents, "documents for fill-in-the-middle");
  append_count(notes, s.split_tokens, "tokens split");
  append_count(notes, s.cut_documents, "cuts of long texts");
  append_count(notes, s.ignored_files, "files of other kinds ignored");
  append_count(notes, s.passed_over, s.passed_over == 1 ? "path passed over" : "paths passed over");
  append_count(notes, s.empty, "empty");
  append_count(notes, s.repaired, "with invalid UTF-8 or escapes, repaired");
  append_count(notes, s.broken, "BROKEN, skipped");
  return notes;
}

}  // namespace

std::string format_statistics(std::span<const NamedStatistics> sources) {
  size_t width = 10;
  for (const NamedStatistics& source : sources) width = std::max(width, source.name.size());
  std::string out = fmt::format("{:<{}}  {:>7}  {:>10}  {:>10}  {:>10}  {:>11}\n", "source", width,
                                "share", "tokens", "documents", "text", "bytes/token");
  for (const NamedStatistics& source : sources) {
    const SourceStatistics& s = source.statistics;
    const std::string share =
        source.share > 0 ? fmt::format("{:.1f} %", 100 * source.share) : "valid.";
    out += fmt::format("{:<{}}  {:>7}  {:>10}  {:>10}  {:>10}  {:>11.2f}\n", source.name, width,
                       share, format_count(s.tokens), format_count(s.documents),
                       format_bytes(s.text_bytes), s.bytes_per_token());
    const std::string notes = notes_of(s);
    if (!notes.empty()) out += fmt::format("{:<{}}  {}\n", "", width, notes);
    for (const auto* list : {&s.left_out, &s.problems}) {
      for (const Problem& problem : *list) {
        out += fmt::format("{:<{}}    {}: {}\n", "", width, problem.place, problem.text);
      }
    }
    const i64 more = s.broken + s.repaired + s.ignored_files + s.passed_over -
                     std::ssize(s.problems) - std::ssize(s.left_out);
    if (more > 0) out += fmt::format("{:<{}}    and {} more\n", "", width, more);
  }
  return out;
}

}  // namespace fathom::data

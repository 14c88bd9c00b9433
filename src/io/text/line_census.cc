#include "io/text/line_census.h"

#include <fmt/format.h>

#include "io/text/file_kind.h"
#include "io/text/text_file.h"

namespace fathom::io {

void LineCensus::add_broken(i64 line, const std::string& problem) {
  ++lines;
  if (broken++ > 0 && line > first_broken) return;
  first_broken = line;
  first_problem = problem;
}

void LineCensus::add(const LineCensus& other) {
  if (other.broken > 0 && (broken == 0 || other.first_broken < first_broken)) {
    first_broken = other.first_broken;
    first_problem = other.first_problem;
  }
  lines += other.lines;
  broken += other.broken;
}

std::string describe_broken_lines(const std::filesystem::path& path, const LineCensus& census) {
  const auto looked = look_at_text(path);
  return fmt::format(
      "{}: {} of {} lines hold no text (line {}{}); it looks like {}. Expected a JSON object a "
      "line with "
      "its text in one member: name that member (text_field) or mend the file",
      path.string(), census.broken, census.lines, census.first_broken, census.first_problem,
      looked ? looks_like(looked->head) : "another kind of file");
}

}  // namespace fathom::io

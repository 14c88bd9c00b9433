#pragma once
// A file of JSON lines most of which are broken is another thing, and says what it looks like.
#include <filesystem>
#include <string>

#include "base/types.h"

namespace fathom::io {

/// How the lines of one file fared; blank ones do not count.
struct LineCensus {
  i64 lines = 0;
  i64 broken = 0;
  i64 first_broken = 0;       // its number in the file, from 1
  std::string first_problem;  // ":COLUMN: what" or ": what"

  void add_broken(i64 line, const std::string& problem);
  void add(const LineCensus& other);
  /// More than half of the lines, and two at least. Asked at a file's end, or after many lines of
  /// it.
  bool is_mostly_broken() const { return broken >= 2 && 2 * broken > lines; }
};

/// After so many lines a file need not be read to its end to be judged.
inline constexpr i64 kCensusLines = 1000;

/// "FILE: 5 of 6 lines hold no text (line 2:1: ...); it looks like a table (CSV) ...".
std::string describe_broken_lines(const std::filesystem::path& path, const LineCensus& census);

}  // namespace fathom::io

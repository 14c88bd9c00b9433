#pragma once
// Cuts files into documents, in bounded memory, with the place of each one.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"
#include "config/run/data_config.h"
#include "data/text/source_files.h"
#include "data/text/statistics.h"
#include "io/text/byte_reader.h"

namespace fathom::data {

/// A longer text becomes several documents, cut at a line end; a longer JSON line is refused.
inline constexpr i64 kMaxDocumentBytes = i64{16} << 20;
inline constexpr i64 kMaxJsonLineBytes = i64{64} << 20;

/// Bytes of one document before they are looked at.
struct RawDocument {
  std::string bytes;  // the text, or a line of JSON
  i64 line = 0;       // of its beginning, from 1; 0: the whole file is the document
  bool is_json = false;
  bool is_cut = false;  // goes on where the document before it was cut
};

/// Reads one file. A byte order mark at its beginning is left out. Blank lines of JSON lines and
/// blank documents are passed on: whoever decodes them counts them.
class DocumentReader {
 public:
  /// `separator`: see SourceConfig.
  /// `max_bytes`: kMaxDocumentBytes or kMaxJsonLineBytes, whichever fits the format; tests take
  /// less.
  DocumentReader(const SourceFile& file, std::string separator, i64 max_bytes = 0);

  enum class Step { kDocument, kProblem, kEnd };
  /// The next document into `document`, or a problem (with its place) after which reading goes on.
  Step next(RawDocument& document, Problem& problem);

  i64 file_bytes_read() const { return bytes_ == nullptr ? 0 : bytes_->file_bytes_read(); }

 private:
  /// In unread(): where a document ends and where the next one begins.
  struct Cut {
    size_t end = 0;
    size_t next = 0;
  };
  bool is_json() const { return file_.format == SourceFormat::kJsonl; }
  std::string_view unread() const { return std::string_view(buffer_).substr(begin_); }
  std::string place() const;
  bool open(Problem& problem);
  bool fill(Problem& problem);
  void drop_unfinished_line();
  std::optional<Cut> find_cut();
  std::optional<Cut> find_separator();
  Cut forced_cut() const;
  void take(const Cut& cut, RawDocument& document);

  const SourceFile& file_;
  std::string separator_;
  i64 max_bytes_;
  std::unique_ptr<io::ByteReader> bytes_;
  std::string buffer_;
  size_t begin_ = 0;    // of what is not yet given out
  size_t scanned_ = 0;  // in unread(): no cut begins before it
  i64 line_ = 1;        // of unread()'s first byte
  bool opened_ = false;
  bool at_end_ = false;
  bool gave_any_ = false;
  bool is_cut_ = false;    // the next document goes on with the last one's text
  bool skipping_ = false;  // inside a line that is too long
};

}  // namespace fathom::data

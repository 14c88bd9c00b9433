#pragma once
// The text a tokenizer is trained on: which files there are, and their content in parts that can be
// pre-tokenised one by one, in bounded memory.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "io/text/byte_reader.h"
#include "io/text/glob.h"

namespace fathom::tokenizer {

enum class CorpusFormat {
  kText,       // the file is one document
  kJsonLines,  // every line is a JSON object, its text field is one document
};

struct CorpusFile {
  std::string path;
  CorpusFormat format = CorpusFormat::kText;
  i64 size_bytes = 0;  // as stored
  io::Compression compression = io::Compression::kNone;
};

struct Corpus {
  std::vector<CorpusFile> files;  // folders in the order given, their files sorted by path
  i64 size_bytes = 0;
  std::vector<std::string> ignored;  // files in folders, with other extensions
  std::vector<io::PassedOver>
      passed_over;  // in folders: links to folders, hidden names, pipes, ...
};

/// Finds the files. A path that names a file is taken whatever its extension; of a folder, all
/// files below it whose extension is in `extensions` (".txt"), alone or with .gz or .zst behind it;
/// hidden ones and folders behind symbolic links are left out and named. ".jsonl" (and ".ndjson")
/// means kJsonLines, anything else kText; gzip and zstd are known by their first bytes. A file that
/// is reached twice is taken once. One Error lists every path that does not exist or cannot be
/// read, and every file that is no text by its first bytes (io/text/file_kind.h); or says that
/// nothing was found.
Result<Corpus> find_corpus(const std::vector<std::string>& paths,
                           const std::vector<std::string>& extensions,
                           const std::string& text_field = "text");

/// Where a text may be cut so that its parts, pre-tokenised apart, give the pieces of the whole.
enum class CutRule {
  kWholeDocuments,  // never: for a pre-tokenizer we know nothing about
  kDeepSeekV3,      // see safe_cut
};

/// Whether PreTokenizer::deepseek_v3() always has a piece border before text[pos], and the pieces
/// on either side do not depend on the other: text[pos - 1] is a line feed and a character that is
/// no white space begins at pos. (A piece that holds a line break has only line breaks and white
/// space after it, and white space that ends in a line break is one piece before the pattern's
/// look-ahead is tried.) Says no when in doubt: at the end, before bytes that are not UTF-8.
bool safe_cut(std::string_view text, size_t pos);

/// A part of a document or, of a kJsonLines file, some whole lines.
struct CorpusPart {
  size_t begin = 0, end = 0;  // in CorpusBatch::bytes
  u32 file = 0;               // index into Corpus::files
  i64 first_line = 1;         // kJsonLines: number of its first line
  bool begins_document = false;
};

struct CorpusBatch {
  std::string bytes;
  std::vector<CorpusPart> parts;

  std::string_view text(const CorpusPart& part) const {
    return std::string_view(bytes).substr(part.begin, part.end - part.begin);
  }
};

/// Reads the files of a corpus one after the other.
class CorpusReader {
 public:
  struct Sizes {
    i64 batch_bytes = i64{16} << 20;
    i64 part_bytes = i64{256} << 10;
    i64 max_batch_bytes = i64{8} << 30;
  };

  /// `corpus` must outlive the reader. A batch holds about batch_bytes in parts of about
  /// part_bytes; both grow where a text offers no place to cut.
  CorpusReader(const Corpus& corpus, CutRule rule, Sizes sizes);

  /// Replaces the content of `batch`; false at the end. Throws Error: kIo if a file cannot be read,
  /// kInvalidInput if it is damaged, kOutOfMemory if more than max_batch_bytes come without a place
  /// to cut.
  bool next(CorpusBatch& batch);
  /// Of the files as stored, so far.
  i64 file_bytes_read() const {
    return finished_file_bytes_ + (file_ == nullptr ? 0 : file_->file_bytes_read());
  }

 private:
  void open_next();
  bool read_more(std::string& bytes);
  bool can_cut(std::string_view bytes, size_t pos) const;
  size_t last_cut(std::string_view bytes, size_t begin, size_t end) const;
  void add_parts(CorpusBatch& batch, size_t begin, size_t end);

  const Corpus& corpus_;
  const CutRule rule_;
  const Sizes sizes_;
  size_t next_file_ = 0;
  std::unique_ptr<io::ByteReader> file_;  // files[next_file_ - 1] while it is being read
  i64 finished_file_bytes_ = 0;
  bool at_document_start_ = true;
  i64 next_line_ = 1;
  std::string rest_;       // of the open file: read, but not yet in a batch
  std::vector<u8> block_;  // what one read brings
};

}  // namespace fathom::tokenizer

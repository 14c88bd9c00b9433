#pragma once
// From a source's patterns to its files, in an order that does not depend on the file system.
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "config/run/data_config.h"
#include "io/text/byte_reader.h"
#include "io/text/glob.h"

namespace fathom::data {

using io::Compression;

struct SourceFile {
  std::filesystem::path path;                 // absolute
  SourceFormat format = SourceFormat::kText;  // never kAuto
  Compression compression = Compression::kNone;
  // What tells whether it is still the file it was. Times since the epoch; of the last change to
  // the inode
  // (`changed_ns`) no program can set the clock back, as rsync, tar and touch do of the other.
  i64 size_bytes = 0;
  i64 modified_ns = 0;
  i64 changed_ns = 0;
  i64 inode = 0;
};

/// Looks at the file again; false if it has another size, time or inode now, or is gone.
bool is_unchanged(const SourceFile& file);

struct SourceFiles {
  std::vector<SourceFile> files;            // in the order of `paths`, then by name; none twice
  std::vector<std::string> ignored;         // files in folders, of other kinds than `extensions`
  std::vector<io::PassedOver> passed_over;  // links to folders, hidden names, pipes, ...
  std::vector<std::string> unreadable;      // folders that may not be read, files without a size
};

/// Paths are relative to the current directory. A file or a glob is taken as named, whatever its
/// extension; of a folder the files with one of `extensions`, alone or with .gz or .zst behind it.
/// How a file is compressed its first bytes tell. kNotFound: a path or a pattern that gives
/// nothing; kInvalidInput: files that are no text by their first bytes, or JSON of another form
/// than the lines they are taken for, all named; `where` ("data.train.code") opens the message.
[[nodiscard]] Result<SourceFiles> find_source_files(const SourceConfig& source,
                                                    const std::string& where);

}  // namespace fathom::data

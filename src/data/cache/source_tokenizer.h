#pragma once
// Tokenises one source into a cache folder: files are read in order, their documents encoded on all
// cores in batches, the results written in order. The output does not depend on the number of
// threads.
#include <filesystem>
#include <string>
#include <vector>

#include "base/types.h"
#include "data/cache/cache_manifest.h"
#include "data/text/document_encoder.h"
#include "data/text/source_files.h"
#include "data/text/statistics.h"

namespace fathom::data {

struct TokenizeJob {
  std::string name;  // "train.code", for messages
  const std::vector<SourceFile>* files = nullptr;
  std::string separator;
  bool strict = false;
  i64 batch_bytes = i64{32} << 20;  // text in flight; memory is a small multiple of it
  ProgressCallback progress;        // may be empty
};

/// Writes everything into `folder`, which must exist; the manifest, with `key`, last. Throws
/// Error{kInvalidInput} at the first problem if `strict`, or if there is no text at all;
/// Error{kIo}.
void tokenize_source(const TokenizeJob& job, const DocumentEncoder& encoder, i64 vocab_size,
                     const io::Hash128& key, const std::filesystem::path& folder);

}  // namespace fathom::data

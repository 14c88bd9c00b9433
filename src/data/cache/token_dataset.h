#pragma once
// A tokenised source as it lies on disk: documents of ids, mapped, never loaded.
#include <filesystem>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "data/cache/cache_manifest.h"
#include "io/mapped_file.h"

namespace fathom::data {

/// Immutable after open(); any number of threads may read.
class TokenDataset {
 public:
  enum class Verify { kSizes, kChecksums };

  /// kNotFound: nothing there; kInvalidInput: damaged, or of another key, with what is wrong.
  /// kChecksums reads every byte once, a thread a shard; the index is checked always.
  [[nodiscard]] static Result<TokenDataset> open(const std::filesystem::path& folder,
                                                 const io::Hash128& key, Verify verify);

  i64 num_documents() const { return std::ssize(ends_); }
  i64 num_tokens() const { return ends_.empty() ? 0 : static_cast<i64>(ends_.back()); }
  i64 vocab_size() const { return manifest_.vocab_size; }
  const io::Hash128& key() const { return manifest_.key; }
  i64 text_reader() const { return manifest_.text_reader; }
  const SourceStatistics& statistics() const { return manifest_.statistics; }
  SourceStatistics& statistics() { return manifest_.statistics; }

  i64 document_begin(i64 document) const {
    return document == 0 ? 0 : static_cast<i64>(ends_[static_cast<size_t>(document - 1)]);
  }
  i64 document_tokens(i64 document) const {
    return static_cast<i64>(ends_[static_cast<size_t>(document)]) - document_begin(document);
  }
  /// Copies ids [begin, begin + out.size()) of one document, counted from its beginning. Throws
  /// Error{kIo} for an id outside the vocabulary: the file was damaged after it was opened.
  void copy(i64 document, i64 begin, std::span<i32> out) const;

 private:
  struct Shard {
    io::MappedFile file;
    i64 first_token = 0;
  };
  Result<void> open_index(const std::filesystem::path& folder);
  Result<void> open_shards(const std::filesystem::path& folder);
  Result<void> verify_shards() const;

  CacheManifest manifest_;
  io::MappedFile index_;
  std::span<const u64> ends_;
  std::vector<Shard> shards_;
};

}  // namespace fathom::data

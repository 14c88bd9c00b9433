#pragma once
// manifest.json of one tokenised source: written last, so that a folder with one is complete.
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "data/text/statistics.h"
#include "io/content_hash.h"

namespace fathom::data {

/// Raised whenever the files' layout or what is in them changes: older ones are rebuilt.
inline constexpr i64 kCacheFormat = 1;

/// Raised whenever the readers take other documents from the same bytes. Tokens of an earlier one
/// are made again where that can matter, under the same key: a text without damage gives the same
/// tokens.
///   1  data lines through the reader of configs  2  only the text of a line must be sound
inline constexpr i64 kTextReader = 2;

struct ShardInfo {
  i64 tokens = 0;
  io::Hash128 checksum;  // of the file's bytes
};

struct CacheManifest {
  io::Hash128 key;      // of everything that the tokens depend on
  i64 token_bytes = 4;  // of one stored id: 2 or 4
  i64 vocab_size = 0;   // every id is below
  i64 text_reader = kTextReader;
  io::Hash128 index_checksum;
  std::vector<ShardInfo> shards;
  SourceStatistics statistics;  // documents and tokens are the files' own
};

// The files of a cache folder.
std::filesystem::path manifest_path(const std::filesystem::path& folder);
std::filesystem::path index_path(const std::filesystem::path& folder);
std::filesystem::path shard_path(const std::filesystem::path& folder, size_t shard);

void write_manifest(const std::filesystem::path& folder, const CacheManifest& manifest);
/// kNotFound: there is none; kInvalidInput: it is damaged or of another format.
[[nodiscard]] Result<CacheManifest> read_manifest(const std::filesystem::path& folder);

}  // namespace fathom::data

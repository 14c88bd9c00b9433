#pragma once
// Writes a tokenised source: shards of ids and the index of documents.
//   tokens-NNNNN.bin  ids one after the other, u16 (vocabularies up to 65,536) or u32,
//   little-endian documents.bin     u64 a document: where it ends, in tokens from the source's
//   beginning
// A document lies in one shard.
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/types.h"
#include "data/cache/cache_manifest.h"

namespace fathom::data {

/// A new shard is begun with the first document after this many tokens.
inline constexpr i64 kShardTokens = i64{1} << 28;

class TokenWriter {
 public:
  TokenWriter(std::filesystem::path folder, i64 vocab_size, i64 shard_tokens = kShardTokens);
  ~TokenWriter();

  /// One document, not empty. Throws Error{kIo} when the disk refuses.
  void add(std::span<const i32> ids);
  /// Makes everything durable but the manifest, and fills in what it says about the files.
  void finish(CacheManifest& manifest);

 private:
  class File;
  void close_shard();

  std::filesystem::path folder_;
  i64 vocab_size_;
  i64 token_bytes_;
  i64 shard_tokens_;
  i64 tokens_ = 0;
  i64 tokens_in_shard_ = 0;
  std::vector<ShardInfo> shards_;
  std::unique_ptr<File> shard_;
  std::unique_ptr<File> index_;
};

}  // namespace fathom::data

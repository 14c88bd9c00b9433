#include "data/cache/token_writer.h"

#include <bit>

#include "base/check.h"
#include "io/files/atomic_file.h"

namespace fathom::data {

static_assert(std::endian::native == std::endian::little, "files are mapped as they are");

/// An atomic file with a buffer and a running checksum.
class TokenWriter::File {
 public:
  explicit File(const std::filesystem::path& path) : file_(path) { buffer_.reserve(kBufferBytes); }

  template <typename T>
  void append(T value) {
    const auto* bytes = reinterpret_cast<const u8*>(&value);
    buffer_.insert(buffer_.end(), bytes, bytes + sizeof(T));
    if (buffer_.size() >= kBufferBytes) flush();
  }
  io::Hash128 commit() {
    flush();
    file_.commit();
    return hasher_.digest();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{1} << 20;

  void flush() {
    hasher_.update(buffer_);
    file_.append(std::span<const u8>(buffer_));
    buffer_.clear();
  }

  io::AtomicFile file_;
  io::Hasher hasher_;
  std::vector<u8> buffer_;
};

TokenWriter::TokenWriter(std::filesystem::path folder, i64 vocab_size, i64 shard_tokens)
    : folder_(std::move(folder)),
      vocab_size_(vocab_size),
      token_bytes_(vocab_size <= (i64{1} << 16) ? 2 : 4),
      shard_tokens_(shard_tokens),
      index_(std::make_unique<File>(index_path(folder_))) {}

TokenWriter::~TokenWriter() = default;

void TokenWriter::add(std::span<const i32> ids) {
  FATHOM_CHECK(!ids.empty());
  if (shard_ != nullptr && tokens_in_shard_ >= shard_tokens_) close_shard();
  if (shard_ == nullptr) shard_ = std::make_unique<File>(shard_path(folder_, shards_.size()));
  for (const i32 id : ids) {
    FATHOM_CHECK(id >= 0 && id < vocab_size_, "id ", id, " of ", vocab_size_);
    if (token_bytes_ == 2) {
      shard_->append(static_cast<u16>(id));
    } else {
      shard_->append(static_cast<u32>(id));
    }
  }
  tokens_ += std::ssize(ids);
  tokens_in_shard_ += std::ssize(ids);
  index_->append(static_cast<u64>(tokens_));
}

void TokenWriter::close_shard() {
  shards_.push_back({tokens_in_shard_, shard_->commit()});
  shard_.reset();
  tokens_in_shard_ = 0;
}

void TokenWriter::finish(CacheManifest& manifest) {
  if (shard_ != nullptr) close_shard();
  manifest.token_bytes = token_bytes_;
  manifest.vocab_size = vocab_size_;
  manifest.index_checksum = index_->commit();
  manifest.shards = shards_;
}

}  // namespace fathom::data

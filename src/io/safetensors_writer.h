#pragma once
// Writing safetensors as a stream: every tensor's name, dtype and shape is declared first, then the
// bytes come chunk by chunk, so that a model larger than memory can be written.
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/dtype.h"
#include "base/types.h"
#include "io/files/atomic_file.h"
#include "io/safetensors.h"

namespace fathom::io {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
};

/// One .safetensors file. Tensors lie in the file by falling element size and then as declared, so
/// that each is aligned to its elements. Its bytes may come tensor by tensor in any order, each
/// tensor's chunks in sequence. Nothing is visible under the file's name before commit().
/// Throws Error{kIo} when the system refuses (disk full: already at construction, where the file
/// system can claim space), InternalError on misuse: a duplicate or undeclared name, too many
/// bytes, commit() with bytes missing.
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::filesystem::path path, std::span<const TensorSpec> tensors,
                    const Metadata& metadata = {{"format", "pt"}});

  /// The next bytes of `name`, row-major, little endian.
  void append(std::string_view name, std::span<const u8> bytes);
  /// All bytes of all tensors have come.
  bool complete() const { return remaining_bytes_ == 0; }

  /// Makes the data durable without showing the file yet; needs complete().
  void seal();
  /// seal() if not done, then the file appears under its name.
  void commit();

 private:
  struct Slot {
    i64 next = 0;  // file offset of the next byte
    i64 end = 0;
  };
  AtomicFile file_;
  std::unordered_map<std::string, Slot> slots_;
  i64 remaining_bytes_ = 0;
};

inline constexpr i64 kDefaultMaxShardBytes = 5'000'000'000;  // as transformers

/// A model directory's weights: `model.safetensors`, or shards of at most max_shard_bytes of
/// tensors (one larger tensor gets its own) named model-00001-of-0000N.safetensors with
/// model.safetensors.index.json. Same contract as SafetensorsWriter; commit() shows the shards once
/// all are durable, and the index last.
class CheckpointWriter {
 public:
  /// Throws Error{kInvalidInput} if the directory holds weights already (two sets of shards would
  /// mix), Error{kIo} if they do not fit on its file system. Creates the directory.
  CheckpointWriter(std::filesystem::path directory, std::span<const TensorSpec> tensors,
                   i64 max_shard_bytes = kDefaultMaxShardBytes,
                   Metadata metadata = {{"format", "pt"}});

  /// As SafetensorsWriter::append. A shard is sealed as soon as it is complete, so writing shard by
  /// shard keeps one file open.
  void append(std::string_view name, std::span<const u8> bytes);
  void commit();

  i64 num_shards() const { return static_cast<i64>(shards_.size()); }
  i64 total_bytes() const { return total_bytes_; }

 private:
  struct Shard {
    std::string file_name;
    std::vector<TensorSpec> tensors;
    std::unique_ptr<SafetensorsWriter> writer;  // created at the first append
  };
  SafetensorsWriter& writer_of(Shard& shard);
  std::string index_text() const;

  std::filesystem::path directory_;
  Metadata metadata_;
  std::vector<Shard> shards_;
  std::unordered_map<std::string, size_t> shard_of_;
  i64 total_bytes_ = 0;
};

}  // namespace fathom::io

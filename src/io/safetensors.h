#pragma once
// Reading Hugging Face's safetensors: 8 bytes of header length (little endian), a JSON header
// {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {string: string}},
// then the tensors' bytes without holes. Weight files are untrusted: everything is checked before
// the first tensor is handed out, and each defect is one Error that names file, tensor and field.
// Rules are those of the reference implementation (the `safetensors` crate), plus caps on the
// number of tensors and of axes.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/types.h"
#include "io/mapped_file.h"

namespace fathom::io {

inline constexpr i64 kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
inline constexpr i64 kMaxTensors = 1'000'000;        // per file; V3 has 92 thousand in all
inline constexpr i64 kMaxAxes = 16;

using Metadata = std::map<std::string, std::string>;

/// One tensor inside a mapped file: row-major, little endian. Views memory of the SafetensorsFile
/// or Checkpoint it came from.
struct StoredTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;      // [] is a scalar; an extent may be 0
  std::span<const u8> bytes;   // exactly elements * dtype_bytes; NOT necessarily aligned, see below
  std::string_view file_name;  // "model-00001-of-00163.safetensors", for messages

  i64 elements() const { return static_cast<i64>(bytes.size()) / dtype_bytes(dtype); }

  /// The format promises no alignment of tensors (the usual writers align to the element size). A
  /// pointer may be dereferenced as T only where this holds; x86 vector loads of bytes always may.
  bool aligned_to(size_t alignment) const {
    return reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment == 0;
  }

  /// The elements as T: the map itself where it is aligned for T, else a copy in `scratch` (which
  /// must outlive the result). sizeof(T) must be the dtype's size.
  template <typename T>
  std::span<const T> elements_as(std::vector<T>& scratch) const {
    static_assert(std::is_trivially_copyable_v<T>);
    FATHOM_CHECK(static_cast<i64>(sizeof(T)) == dtype_bytes(dtype), name, " is ", dtype_name(dtype),
                 ", read as a type of ", sizeof(T), " bytes");
    const size_t count = bytes.size() / sizeof(T);
    if (aligned_to(alignof(T))) return {reinterpret_cast<const T*>(bytes.data()), count};
    scratch.resize(count);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<u8*>(scratch.data()));
    return {scratch.data(), count};
  }
};

/// "[576, 7168] BF16", for messages.
std::string to_string(const StoredTensor& tensor);

/// One .safetensors file, mapped and fully checked. Move-only; tensors stay valid across moves.
class SafetensorsFile {
 public:
  [[nodiscard]] static Result<SafetensorsFile> open(const std::filesystem::path& path);
  /// The same checks over bytes that the caller keeps alive; `name` stands for the file in
  /// messages.
  [[nodiscard]] static Result<SafetensorsFile> parse(std::span<const u8> bytes, std::string name);

  /// In the order of their bytes.
  std::span<const StoredTensor> tensors() const noexcept { return tensors_; }
  /// nullptr if there is none of that name.
  const StoredTensor* find(std::string_view name) const;
  const Metadata& metadata() const noexcept { return metadata_; }
  const MappedFile& map() const noexcept { return map_; }

 private:
  MappedFile map_;
  std::unique_ptr<std::string> file_name_;  // pointee is viewed by tensors_; stable across moves
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;  // keys view tensors_[i].name
  Metadata metadata_;
};

/// What an index says: shard name -> the tensors it is to hold.
using WeightMap = std::map<std::string, std::vector<std::string>>;

/// A model directory's weights: `model.safetensors` if present (as transformers chooses), else the
/// shards that `model.safetensors.index.json` lists. Only tensors the index lists are visible.
class Checkpoint {
 public:
  /// Opens and checks every file. Errors: no weights in the directory, a defect of one file, a
  /// shard that is missing or whose name leaves the directory. A listed tensor that its shard lacks
  /// is no error here, as nobody may need it; one that another shard holds is found there.
  [[nodiscard]] static Result<Checkpoint> open(const std::filesystem::path& directory);

  /// Tensors whose bytes the caller keeps alive, as if a file had held them; names must be unique.
  static Checkpoint of_tensors(std::vector<StoredTensor> tensors);

  /// Sorted by name.
  std::span<const StoredTensor* const> tensors() const noexcept { return tensors_; }
  const StoredTensor* find(std::string_view name) const;
  /// The shard that the index lists for a tensor that is in none; nullptr if it lists none.
  const std::string* shard_without(const std::string& name) const;
  /// Bytes of the visible tensors by element type.
  std::map<DType, i64> bytes_by_dtype() const;
  std::span<const SafetensorsFile> files() const noexcept { return files_; }
  /// The single file's __metadata__, or the first shard's; not of a checkpoint without files.
  const Metadata& metadata() const { return files_.front().metadata(); }
  const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  Result<void> open_shards(const WeightMap& shards);

  std::filesystem::path directory_;
  std::vector<SafetensorsFile> files_;
  std::vector<StoredTensor> in_memory_;  // of_tensors
  std::vector<const StoredTensor*> tensors_;
  std::map<std::string, std::string> absent_;  // listed tensors that are in no shard, and where
};

}  // namespace fathom::io

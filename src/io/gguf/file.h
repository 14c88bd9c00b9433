#pragma once
// Reading GGUF, the one-file model format of llama.cpp: "GGUF", u32 version, u64 number of tensors,
// u64 number of key-value pairs, the pairs, the tensors' descriptions (name, extents with the
// fastest first, type, offset), then, from the next multiple of `general.alignment`, their bytes.
// Versions 2 and 3, little endian. Files are untrusted: everything is checked before the first
// tensor is handed out, counts against the bytes that are left before anything is allocated.
// Source: the format's specification, docs/gguf.md of the ggml project.
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "io/gguf/metadata.h"
#include "io/gguf/type.h"
#include "io/mapped_file.h"

namespace fathom::io::gguf {

inline constexpr i64 kMaxTensors = 1'000'000;  // of one file; V3 has two thousand
inline constexpr i64 kMaxPairs = 100'000;      // key-value pairs of one file
inline constexpr int kMaxAxes = 4;             // ggml's own limit

/// True of a regular file that begins as GGUF files do.
bool is_gguf(const std::filesystem::path& path);

/// One tensor, row-major. Views the mapped file.
struct Tensor {
  std::string_view name;  // "blk.3.attn_q.weight"
  Type type = Type::kF32;
  std::vector<i64> shape;      // outermost first, as everywhere in this program; extents >= 1
  std::span<const u8> bytes;   // whole blocks: exactly rows * cols / block_elements blocks
  std::string_view file_name;  // for messages

  i64 cols() const { return shape.back(); }
  i64 rows() const { return elements() / cols(); }
  i64 elements() const {
    i64 product = 1;
    for (i64 extent : shape) product *= extent;
    return product;
  }
  i64 row_bytes() const { return cols() / info(type).block_elements * info(type).block_bytes; }
};

/// "[576, 1536] Q4_1", for messages.
std::string to_string(const Tensor& tensor);

/// One model: a file, or all the parts of one that was split. Move-only.
class File {
 public:
  /// Opens and checks it. Of a model in parts any part may be named; the others are found beside
  /// it ("NAME-00002-of-00005.gguf"). Errors: a defect of a file, a part that is missing or belongs
  /// to another model, a tensor that two parts hold.
  [[nodiscard]] static Result<File> open(const std::filesystem::path& path);
  /// The same checks over the bytes of one file that the caller keeps alive.
  [[nodiscard]] static Result<File> parse(std::span<const u8> bytes, std::string name);

  /// In the order of the files.
  std::span<const Tensor> tensors() const noexcept { return tensors_; }
  /// nullptr if there is none of that name.
  const Tensor* find(std::string_view name) const;
  /// Of the first part.
  const Metadata& metadata() const noexcept { return *metadata_; }
  u32 version() const noexcept { return version_; }
  /// The mapped files; none of one that was parsed from memory.
  std::span<const MappedFile> maps() const noexcept { return maps_; }

 private:
  static Result<File> open_one(const std::filesystem::path& path);
  Result<void> read_part(std::span<const u8> bytes, std::string name);
  Result<void> join(File part);

  u32 version_ = 0;
  std::vector<MappedFile> maps_;
  std::vector<std::unique_ptr<std::string>> file_names_;  // viewed by tensors_
  std::unique_ptr<Metadata> metadata_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

}  // namespace fathom::io::gguf

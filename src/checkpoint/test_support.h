#pragma once
// For tests of checkpoints, and of what is loaded from them: directories of random weights and
// their conversions, and checkpoints whose tensors can be changed one by one.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/convert/convert.h"
#include "checkpoint/random_init.h"
#include "checkpoint/stored_names.h"
#include "config/model/test_configs.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "testing/temp_dir.h"

namespace fathom::checkpoint {

inline constexpr Storage kBf16 = {.dtype = DType::kBF16};
inline constexpr Storage kFp8 = {.dtype = DType::kF8E4M3};
inline constexpr Storage kInt8 = {.dtype = DType::kI32, .bits = 8, .group_size = 32};
inline constexpr Storage kInt4 = {.dtype = DType::kI32, .bits = 4, .group_size = 32};

inline std::map<std::string, DType> dtypes_of(const std::filesystem::path& directory) {
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory));
  std::map<std::string, DType> result;
  for (const io::StoredTensor* t : checkpoint.tensors()) result[t->name] = t->dtype;
  return result;
}

class ConvertTest : public ::testing::Test {
 protected:
  std::filesystem::path random(const std::string& name, DType dtype, u64 seed = 3) {
    write_random_checkpoint(ctx_, testing::ragged_v3(), root_ / name,
                            {.dtype = dtype,
                             .weight_std = 0.1,
                             .router_bias_std = 0.1,
                             .seed = seed,
                             .max_shard_bytes = 1'500'000});
    return root_ / name;
  }
  ConvertReport convert(const std::filesystem::path& from, const std::string& name, DType dtype,
                        ops::ScaleFormat format = ops::ScaleFormat::kF32) {
    return convert_checkpoint(ctx_, from, root_ / name,
                              {.storage = {.linear = {.dtype = dtype}},
                               .scale_format = format,
                               .max_shard_bytes = 1'500'000});
  }
  ConvertReport convert_to(const std::filesystem::path& from, const std::string& name,
                           const ModelStorage& storage) {
    return convert_checkpoint(ctx_, from, root_ / name,
                              {.storage = storage, .max_shard_bytes = 1'500'000});
  }
  Ctx ctx_ = backend::make_context();
  testing::TempDir root_;
};

struct LooseTensor {
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  std::vector<u8> bytes;
};
using LooseTensors = std::map<std::string, LooseTensor>;

inline LooseTensors tensors_of(const std::string& golden) {
  const auto checkpoint = value_or_throw(io::Checkpoint::open(testing::golden_directory(golden)));
  LooseTensors result;
  for (const io::StoredTensor* t : checkpoint.tensors()) {
    result[t->name] = {t->dtype, t->shape, {t->bytes.begin(), t->bytes.end()}};
  }
  return result;
}

/// A model directory with the golden case's config and these tensors.
inline void write_model(const testing::TempDir& directory, const std::string& golden,
                        const LooseTensors& tensors) {
  std::vector<io::TensorSpec> specs;
  for (const auto& [name, t] : tensors) specs.push_back({name, t.dtype, t.shape});
  io::SafetensorsWriter writer(directory / "model.safetensors", specs);
  for (const auto& [name, t] : tensors) writer.append(name, t.bytes);
  writer.commit();
  std::filesystem::copy_file(testing::golden_directory(golden) / "config.json",
                             directory / "config.json",
                             std::filesystem::copy_options::overwrite_existing);
}

/// The f32 values of a BF16 tensor, bit for bit.
inline LooseTensor widened(const LooseTensor& bf16) {
  LooseTensor result{DType::kF32, bf16.shape, std::vector<u8>(bf16.bytes.size() * 2)};
  for (size_t i = 0; i < bf16.bytes.size() / 2; ++i) {
    std::memcpy(&result.bytes[4 * i + 2], &bf16.bytes[2 * i], 2);
  }
  return result;
}

}  // namespace fathom::checkpoint

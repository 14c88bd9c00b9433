#include "posttrain/distill/teacher_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/checked_math.h"
#include "io/safetensors_writer.h"
#include "tensor/bf16.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;

io::Metadata header_of(const TeacherStoreKey& key) {
  return {{"format", "fathom-teacher"},
          {"teacher", key.teacher},
          {"samples", key.samples},
          {"tokenizer", key.tokenizer},
          {"top_k", fmt::format("{}", key.top_k)},
          {"temperature", fmt::format("{}", key.temperature)}};
}

constexpr float kLowestF16 = -65504.0f;

i64 rows_of_part(i64 part, i64 rows) { return std::min(kRowsPerPart, rows - part * kRowsPerPart); }

template <typename T>
std::span<const u8> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const u8*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

u16 f32_to_f16(float value) {
  const u32 bits = std::bit_cast<u32>(value), sign = bits >> 16 & 0x8000;
  const float size = std::abs(value);
  if (std::isnan(value)) return static_cast<u16>(sign | 0x7e00);
  if (size >= 65520.0f) return static_cast<u16>(sign | 0x7c00);
  if (size < 0x1.0p-14f) {  // subnormal: a whole number of 2^-24
    return static_cast<u16>(sign | static_cast<u32>(std::nearbyint(size * 0x1.0p24f)));
  }
  const u32 rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return static_cast<u16>(sign | ((rounded >> 13) - (112 << 10)));
}

TeacherRow teacher_row(std::span<const float> log_probs, i64 top_k) {
  std::vector<u32> order(log_probs.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto kept = std::min(top_k, std::ssize(order));
  std::ranges::partial_sort(order, order.begin() + kept, [&](u32 a, u32 b) {
    return log_probs[a] != log_probs[b] ? log_probs[a] > log_probs[b] : a < b;
  });
  TeacherRow row;
  double rest = 0.0;
  for (i64 i = 0; i < std::ssize(order); ++i) {
    const u32 id = order[static_cast<size_t>(i)];
    if (i < kept) {
      row.ids.push_back(id);
      row.log_probs.push_back(f32_to_f16(std::max(log_probs[id], kLowestF16)));
    } else {
      rest += std::exp(static_cast<double>(log_probs[id]));
    }
  }
  // Rounding may bring the mass of many above 1.
  row.rest = f32_to_f16(static_cast<float>(std::log(std::min(rest, 1.0))));
  return row;
}

void write_teacher_store(const fs::path& directory, const TeacherStoreKey& key, i64 rows,
                         const std::function<void(const std::function<void(TeacherRow)>&)>& write) {
  std::vector<io::TensorSpec> tensors;
  for (i64 part = 0; part < ceil_div(rows, kRowsPerPart); ++part) {
    const i64 count = rows_of_part(part, rows);
    tensors.push_back({fmt::format("{}.ids", part), DType::kU32, {count, key.top_k}});
    tensors.push_back({fmt::format("{}.log_probs", part), DType::kF16, {count, key.top_k}});
    tensors.push_back({fmt::format("{}.rest", part), DType::kF16, {count}});
  }
  io::CheckpointWriter writer(directory, tensors, io::kDefaultMaxShardBytes, header_of(key));
  i64 next = 0;
  write([&](const TeacherRow& row) {
    FATHOM_CHECK(next < rows && std::ssize(row.ids) == key.top_k, "row ", next, " of ", rows,
                 " with ", row.ids.size(), " ids");
    const i64 part = next++ / kRowsPerPart;
    writer.append(fmt::format("{}.ids", part), bytes_of(row.ids));
    writer.append(fmt::format("{}.log_probs", part), bytes_of(row.log_probs));
    writer.append(fmt::format("{}.rest", part),
                  {reinterpret_cast<const u8*>(&row.rest), sizeof(row.rest)});
  });
  FATHOM_CHECK(next == rows, next, " of ", rows, " rows");
  writer.commit();
}

bool TeacherStore::exists(const fs::path& directory) {
  return fs::exists(directory / "model.safetensors") ||
         fs::exists(directory / "model.safetensors.index.json");
}

TeacherStore::TeacherStore(const fs::path& directory, const TeacherStoreKey& key, i64 rows,
                           i64 num_ids)
    : files_(value_or_throw(io::Checkpoint::open(directory))), rows_(rows), top_k_(key.top_k) {
  const io::Metadata& found = files_.metadata();
  for (const auto& [field, expected] : header_of(key)) {
    const auto at = found.find(field);
    const std::string value = at == found.end() ? "nothing" : at->second;
    if (value == expected) continue;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: {}: found {}, expected {}: it was made of others; name another "
                            "distill.store, or remove it to have it made anew",
                            directory.string(), field, value, expected));
  }
  for (i64 part = 0; part < ceil_div(rows, kRowsPerPart); ++part) {
    const auto tensor = [&](const char* name, DType dtype, i64 columns) {
      const io::StoredTensor* stored = files_.find(fmt::format("{}.{}", part, name));
      const i64 elements = rows_of_part(part, rows) * columns;
      if (stored == nullptr || stored->dtype != dtype || stored->elements() != elements) {
        throw Error(
            ErrorCode::kInvalidInput,
            fmt::format("{}: {}.{}: found {}, expected {} numbers", directory.string(), part, name,
                        stored == nullptr ? "nothing" : io::to_string(*stored), elements));
      }
      return stored->bytes.data();
    };
    parts_.push_back({tensor("ids", DType::kU32, top_k_), tensor("log_probs", DType::kF16, top_k_),
                      tensor("rest", DType::kF16, 1)});
  }
  check_numbers(directory, num_ids);
}

void TeacherStore::check_numbers(const fs::path& directory, i64 num_ids) const {
  for (i64 row = 0; row < rows_; ++row) {
    const TeacherToken found = token(row);
    const auto refuse = [&](const char* tensor, auto value, const std::string& expected) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: {}.{}: row {}: found {}, expected {}; the store is damaged: "
                              "remove it to have it made anew",
                              directory.string(), row / kRowsPerPart, tensor, row % kRowsPerPart,
                              value, expected));
    };
    for (const i32 id : found.ids) {
      if (id < 0 || id >= num_ids) refuse("ids", id, fmt::format("ids from 0 to {}", num_ids - 1));
    }
    for (const float log_prob : found.log_probs) {
      if (!std::isfinite(log_prob) || log_prob > 0.0f) {
        refuse("log_probs", log_prob, "finite numbers, none above 0");
      }
    }
    if (!(found.rest <= 0.0f)) refuse("rest", found.rest, "none above 0");
  }
}

i64 TeacherStore::bytes() const {
  i64 sum = 0;
  for (const auto& [dtype, bytes] : files_.bytes_by_dtype()) sum += bytes;
  return sum;
}

TeacherToken TeacherStore::token(i64 row) const {
  FATHOM_CHECK(row >= 0 && row < rows_, "row ", row, " of ", rows_);
  thread_local std::vector<i32> ids;
  thread_local std::vector<float> log_probs;
  const Part& part = parts_[static_cast<size_t>(row / kRowsPerPart)];
  const i64 at = row % kRowsPerPart;
  const auto f16_at = [](const u8* bytes, i64 index) {
    u16 bits = 0;
    std::memcpy(&bits, bytes + index * 2, sizeof(bits));
    return f16_to_f32(bits);
  };
  ids.resize(static_cast<size_t>(top_k_));
  log_probs.resize(ids.size());
  std::memcpy(ids.data(), part.ids + at * top_k_ * 4, ids.size() * 4);
  for (size_t k = 0; k < ids.size(); ++k) {
    log_probs[k] = f16_at(part.log_probs, at * top_k_ + static_cast<i64>(k));
  }
  return {.ids = ids, .log_probs = log_probs, .rest = f16_at(part.rest, at)};
}

}  // namespace fathom::posttrain

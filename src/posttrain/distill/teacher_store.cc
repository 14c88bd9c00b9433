#include "posttrain/distill/teacher_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>

#include "base/check.h"
#include "io/files/directories.h"
#include "io/files/temporary_files.h"
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

template <typename T>
std::span<const u8> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const u8*>(values.data()), values.size() * sizeof(T)};
}

void check_header(const fs::path& path, const io::Metadata& found, const TeacherStoreKey& key) {
  for (const auto& [field, expected] : header_of(key)) {
    const auto at = found.find(field);
    const std::string value = at == found.end() ? "nothing" : at->second;
    if (value == expected) continue;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: {}: found {}, expected {}: it was made of others; name another "
                            "distill.store, or remove it to have it made anew",
                            path.string(), field, value, expected));
  }
}

/// Of a file: what lies in it.
i64 count_rows(const io::SafetensorsFile& file, const fs::path& path, i64 top_k) {
  const io::StoredTensor* const rest = file.find("rest");
  if (rest == nullptr) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: rest: found nothing, expected a number of {} for each row",
                            path.string(), dtype_name(DType::kF16)));
  }
  const i64 rows = rest->elements();
  const auto check = [&](const char* name, DType dtype, i64 columns) {
    const io::StoredTensor* const stored = file.find(name);
    if (stored != nullptr && stored->dtype == dtype && stored->elements() == rows * columns) return;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: {}: found {}, expected {} {} numbers", path.string(), name,
                            stored == nullptr ? "nothing" : io::to_string(*stored), rows * columns,
                            dtype_name(dtype)));
  };
  check("rest", DType::kF16, 1);
  check("ids", DType::kU32, top_k);
  check("log_probs", DType::kF16, top_k);
  return rows;
}

std::string file_name(i64 first_row) { return fmt::format("rows-{:012}.safetensors", first_row); }

/// Calls on_file(first row, rows, file) for the files of a store in order, each checked.
i64 for_each_file(const fs::path& directory, const TeacherStoreKey& key,
                  const std::function<void(i64, io::SafetensorsFile)>& on_file) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("rows-") && name.ends_with(".safetensors")) paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  i64 next = 0;
  for (const fs::path& path : paths) {
    if (path.filename() != file_name(next)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: found {}, expected {}: rows are missing or there twice; remove "
                              "the store to have it made anew",
                              directory.string(), path.filename().string(), file_name(next)));
    }
    auto file = value_or_throw(io::SafetensorsFile::open(path));
    check_header(path, file.metadata(), key);
    const i64 rows = count_rows(file, path, key.top_k);
    on_file(next, std::move(file));
    next += rows;
  }
  return next;
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

std::optional<data::FolderLock> lock_teacher_store(const fs::path& directory,
                                                   const std::function<bool()>& stopped) {
  io::make_directories(directory);
  return data::FolderLock::wait(
      directory, directory.string() + ": another process is asking its teacher for this store",
      stopped);
}

TeacherStoreWriter::TeacherStoreWriter(fs::path directory, TeacherStoreKey key,
                                       data::FolderLock lock)
    : directory_(std::move(directory)), key_(std::move(key)), lock_(std::move(lock)) {
  io::remove_stale_temporaries(directory_);
  stored_ = for_each_file(directory_, key_, [](i64, const io::SafetensorsFile&) {});
}

void TeacherStoreWriter::add(const TeacherRow& row) {
  FATHOM_CHECK(std::ssize(row.ids) == key_.top_k, row.ids.size(), " ids of ", key_.top_k);
  for (const i32 id : row.ids) ids_.push_back(static_cast<u32>(id));
  for (const float log_prob : row.log_probs) {
    log_probs_.push_back(
        f32_to_f16(std::isfinite(log_prob) ? std::max(log_prob, kLowestF16) : log_prob));
  }
  rest_.push_back(f32_to_f16(row.rest));
}

void TeacherStoreWriter::flush() {
  const i64 rows = pending();
  if (rows == 0) return;
  const std::vector<io::TensorSpec> tensors = {{"ids", DType::kU32, {rows, key_.top_k}},
                                               {"log_probs", DType::kF16, {rows, key_.top_k}},
                                               {"rest", DType::kF16, {rows}}};
  io::SafetensorsWriter writer(directory_ / file_name(stored_), tensors, header_of(key_));
  writer.append("ids", bytes_of(ids_));
  writer.append("log_probs", bytes_of(log_probs_));
  writer.append("rest", bytes_of(rest_));
  writer.commit();
  stored_ += rows;
  ids_.clear();
  log_probs_.clear();
  rest_.clear();
}

TeacherStore::TeacherStore(const fs::path& directory, const TeacherStoreKey& key, i64 rows,
                           i64 num_ids)
    : rows_(rows), top_k_(key.top_k) {
  const i64 found = for_each_file(directory, key, [&](i64 first, io::SafetensorsFile file) {
    const auto bytes = [&file](const char* name) { return file.find(name)->bytes.data(); };
    const u8 *const ids = bytes("ids"), *const log_probs = bytes("log_probs"),
                    *const rest = bytes("rest");
    parts_.push_back({first, std::move(file), ids, log_probs, rest});
  });
  if (found != rows) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: found {} rows, expected {}: it is not finished, or of other "
                            "samples; remove it to have it made anew",
                            directory.string(), found, rows));
  }
  check_numbers(directory, num_ids);
}

const TeacherStore::Part& TeacherStore::part_of(i64 row) const {
  const auto after = std::ranges::upper_bound(parts_, row, {}, &Part::first);
  return *std::prev(after);
}

void TeacherStore::check_numbers(const fs::path& directory, i64 num_ids) const {
  for (i64 row = 0; row < rows_; ++row) {
    const TeacherToken found = token(row);
    const auto refuse = [&](const char* tensor, auto value, const std::string& expected) {
      const i64 first = part_of(row).first;
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: {}: row {}: found {}, expected {}; the store is damaged: remove "
                              "it to have it made anew",
                              (directory / file_name(first)).string(), tensor, row - first, value,
                              expected));
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

TeacherToken TeacherStore::token(i64 row) const {
  FATHOM_CHECK(row >= 0 && row < rows_, "row ", row, " of ", rows_);
  thread_local std::vector<i32> ids;
  thread_local std::vector<float> log_probs;
  const Part& part = part_of(row);
  const i64 at = row - part.first;
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

#include "train/checkpoint/trainer_state.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "io/json.h"

namespace fathom::train {
namespace {

constexpr i64 kFormat = 1;

constexpr std::array<std::pair<const char*, i64 TrainerState::*>, 8> kCounters = {{
    {"step", &TrainerState::step},
    {"updates", &TrainerState::updates},
    {"next_sample", &TrainerState::next_sample},
    {"tokens", &TrainerState::tokens},
    {"skipped_steps", &TrainerState::skipped_steps},
    {"skipped_in_row", &TrainerState::skipped_in_row},
    {"validated_step", &TrainerState::validated_step},
    {"micro_batch_sequences", &TrainerState::micro_batch_sequences},
}};

/// Reads members of one object and keeps the first error.
class Reader {
 public:
  Reader(const io::JsonValue& json, std::string where) : json_(json), where_(std::move(where)) {}

  void read(const char* key, i64& out) { take(io::get_integer(json_, key, where_), out); }
  void read(const char* key, double& out) { take(io::get_number(json_, key, where_), out); }
  void read(const char* key, std::string& out) { take(io::get_string(json_, key, where_), out); }

  std::optional<Error> error;

 private:
  template <typename T>
  void take(Result<T> result, T& out) {
    if (result) {
      out = std::move(*result);
    } else if (!error) {
      error = std::move(result.error());
    }
  }

  const io::JsonValue& json_;
  std::string where_;
};

}  // namespace

std::string to_json(const CheckpointManifest& manifest) {
  io::JsonObject object;
  object.set("format", kFormat);
  for (const auto& [key, member] : kCounters) object.set(key, manifest.state.*member);
  object.set("seconds", manifest.state.seconds);
  if (manifest.state.best) {
    io::JsonObject best;
    best.set("step", manifest.state.best->step);
    best.set("bits_per_byte", manifest.state.best->bits_per_byte);
    object.set("best", std::move(best));
  }
  object.set("data_fingerprint", manifest.data_fingerprint);
  object.set("run_config", manifest.run_config);
  io::JsonObject files;
  for (const auto& [name, record] : manifest.files) {
    io::JsonObject file;
    file.set("bytes", record.bytes);
    file.set("xxh3", record.xxh3);
    files.set(name, std::move(file));
  }
  object.set("files", std::move(files));
  return io::write_json(std::move(object), 2) + "\n";
}

Result<CheckpointManifest> parse_manifest(const io::JsonValue& json, const std::string& where) {
  CheckpointManifest manifest;
  Reader reader(json, where);
  i64 format = 0;
  reader.read("format", format);
  if (!reader.error && format != kFormat) {
    return unsupported(fmt::format("{}: format {}, this program reads {}", where, format, kFormat));
  }
  for (const auto& [key, member] : kCounters) reader.read(key, manifest.state.*member);
  reader.read("seconds", manifest.state.seconds);
  if (const io::JsonValue* best = json.find("best")) {
    Reader inner(*best, where + ": best");
    manifest.state.best.emplace();
    inner.read("step", manifest.state.best->step);
    inner.read("bits_per_byte", manifest.state.best->bits_per_byte);
    if (inner.error) return tl::unexpected(*inner.error);
  }
  reader.read("data_fingerprint", manifest.data_fingerprint);
  reader.read("run_config", manifest.run_config);
  if (reader.error) return tl::unexpected(*reader.error);
  const auto files = io::get_object(json, "files", where);
  if (!files) return tl::unexpected(files.error());
  for (const auto& [name, value] : **files) {
    Reader file(value, fmt::format("{}: files: {}", where, name));
    FileRecord record;
    file.read("bytes", record.bytes);
    file.read("xxh3", record.xxh3);
    if (file.error) return tl::unexpected(*file.error);
    manifest.files.emplace(name, std::move(record));
  }
  return manifest;
}

}  // namespace fathom::train

#include "data/cache/cache_manifest.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "io/files/atomic_file.h"
#include "io/json.h"

namespace fathom::data {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr std::string_view kFormatKey = "fathom_token_cache";

/// The one list of the statistics' counts.
constexpr std::array<std::pair<std::string_view, i64 SourceStatistics::*>, 10> kCounts = {{
    {"files", &SourceStatistics::files},
    {"documents", &SourceStatistics::documents},
    {"tokens", &SourceStatistics::tokens},
    {"text_bytes", &SourceStatistics::text_bytes},
    {"broken", &SourceStatistics::broken},
    {"repaired", &SourceStatistics::repaired},
    {"empty", &SourceStatistics::empty},
    {"cut_documents", &SourceStatistics::cut_documents},
    {"fim_documents", &SourceStatistics::fim_documents},
    {"split_tokens", &SourceStatistics::split_tokens},
}};

JsonObject to_json(const SourceStatistics& statistics) {
  JsonObject object;
  for (const auto& [key, member] : kCounts) object.set(std::string(key), statistics.*member);
  JsonArray problems;
  for (const Problem& problem : statistics.problems) {
    JsonObject entry;
    entry.set("place", problem.place);
    entry.set("text", problem.text);
    problems.emplace_back(std::move(entry));
  }
  object.set("problems", std::move(problems));
  return object;
}

JsonObject to_json(const CacheManifest& manifest) {
  JsonObject object;
  object.set(std::string(kFormatKey), kCacheFormat);
  object.set("key", to_string(manifest.key));
  object.set("token_bytes", manifest.token_bytes);
  object.set("vocab_size", manifest.vocab_size);
  object.set("text_reader", manifest.text_reader);
  object.set("index_checksum", to_string(manifest.index_checksum));
  JsonArray shards;
  for (const ShardInfo& shard : manifest.shards) {
    JsonObject entry;
    entry.set("tokens", shard.tokens);
    entry.set("checksum", to_string(shard.checksum));
    shards.emplace_back(std::move(entry));
  }
  object.set("shards", std::move(shards));
  object.set("statistics", to_json(manifest.statistics));
  return object;
}

/// Reads members; the first thing that is missing or of the wrong kind throws and is caught below.
struct Damaged {
  std::string what;
};

const JsonValue& member(const JsonValue& value, std::string_view key) {
  const JsonValue* found = value.find(key);
  if (found == nullptr) throw Damaged{fmt::format("no member `{}`", key)};
  return *found;
}

i64 count(const JsonValue& value, std::string_view key) {
  const JsonValue& found = member(value, key);
  if (!found.is_integer() || found.as_integer() < 0) throw Damaged{fmt::format("`{}`", key)};
  return found.as_integer();
}

const std::string& text(const JsonValue& value, std::string_view key) {
  const JsonValue& found = member(value, key);
  if (!found.is_string()) throw Damaged{fmt::format("`{}`", key)};
  return found.as_string();
}

const JsonArray& array(const JsonValue& value, std::string_view key) {
  const JsonValue& found = member(value, key);
  if (!found.is_array()) throw Damaged{fmt::format("`{}`", key)};
  return found.as_array();
}

io::Hash128 hash(const JsonValue& value, std::string_view key) {
  const std::string& digits = text(value, key);
  io::Hash128 result;
  const char* middle = digits.data() + 16;
  const auto read = [](const char* begin, u64& out) {
    const auto [end, code] = std::from_chars(begin, begin + 16, out, 16);
    return code == std::errc() && end == begin + 16;
  };
  if (digits.size() != 32 || !read(digits.data(), result.high) || !read(middle, result.low)) {
    throw Damaged{fmt::format("`{}`", key)};
  }
  return result;
}

SourceStatistics read_statistics(const JsonValue& value) {
  SourceStatistics statistics;
  for (const auto& [key, field] : kCounts) statistics.*field = count(value, key);
  for (const JsonValue& problem : array(value, "problems")) {
    statistics.add_problem({text(problem, "place"), text(problem, "text")});
  }
  return statistics;
}

CacheManifest read_members(const JsonValue& value) {
  if (count(value, kFormatKey) != kCacheFormat) throw Damaged{"made by another version"};
  CacheManifest manifest;
  manifest.key = hash(value, "key");
  manifest.token_bytes = count(value, "token_bytes");
  if (manifest.token_bytes != 2 && manifest.token_bytes != 4) throw Damaged{"`token_bytes`"};
  manifest.vocab_size = count(value, "vocab_size");
  manifest.text_reader =
      value.find("text_reader") == nullptr ? 1 : count(value, "text_reader");  // 1 did not say so
  manifest.index_checksum = hash(value, "index_checksum");
  for (const JsonValue& shard : array(value, "shards")) {
    manifest.shards.push_back({count(shard, "tokens"), hash(shard, "checksum")});
  }
  manifest.statistics = read_statistics(member(value, "statistics"));
  return manifest;
}

io::Hash128 checksum_of(const JsonObject& object) {
  io::Hasher hasher;
  hasher.add(io::write_json(object));
  return hasher.digest();
}

}  // namespace

std::filesystem::path manifest_path(const std::filesystem::path& folder) {
  return folder / "manifest.json";
}
std::filesystem::path index_path(const std::filesystem::path& folder) {
  return folder / "documents.bin";
}
std::filesystem::path shard_path(const std::filesystem::path& folder, size_t shard) {
  return folder / fmt::format("tokens-{:05}.bin", shard);
}

void write_manifest(const std::filesystem::path& folder, const CacheManifest& manifest) {
  JsonObject object = to_json(manifest);
  const std::string checksum = to_string(checksum_of(object));
  object.set("checksum", checksum);
  io::write_file_atomically(manifest_path(folder), io::write_json(object, 2) + "\n");
}

Result<CacheManifest> read_manifest(const std::filesystem::path& folder) {
  auto value = io::read_json(manifest_path(folder));
  if (!value) return tl::unexpected(value.error());
  try {
    if (!value->is_object()) throw Damaged{"not an object"};
    const io::Hash128 checksum = hash(*value, "checksum");
    value->as_object().erase("checksum");
    if (checksum_of(value->as_object()) != checksum) throw Damaged{"checksum"};
    return read_members(*value);
  } catch (const Damaged& damage) {
    return invalid_input(fmt::format("{}: {}", manifest_path(folder).string(), damage.what));
  }
}

}  // namespace fathom::data

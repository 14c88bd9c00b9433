#include "eval/result/stored_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/mapped_file.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;
using io::JsonValue;

constexpr io::JsonLimits kLimits = {.max_bytes = i64{1} << 30, .last_key_wins = true};

std::vector<fs::path> results_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("results_") && name.ends_with(".json")) found.push_back(entry.path());
  }
  return found;
}

Result<fs::path> latest_results(const fs::path& folder) {
  std::vector<fs::path> found = results_in(folder);
  if (found.empty()) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (!entry.is_directory()) continue;
      for (fs::path& each : results_in(entry.path())) found.push_back(std::move(each));
    }
  }
  if (found.empty()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no results_*.json there, nor in a folder of it", folder.string()));
  }
  return *std::max_element(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename() < b.filename();
  });
}

Result<StoredSample> sample_of(JsonValue line, const std::string& where) {
  StoredSample sample;
  const Result<i64> index = io::get_integer(line, "doc_id", where);
  if (!index) return tl::unexpected(index.error());
  sample.index = *index;
  const std::pair<const char*, std::string*> texts[] = {{"filter", &sample.filter},
                                                        {"doc_hash", &sample.document_hash},
                                                        {"prompt_hash", &sample.prompt_hash}};
  for (const auto& [key, text] : texts) {
    Result<std::string> value = io::get_string(line, key, where);
    if (!value) return tl::unexpected(value.error());
    *text = std::move(*value);
  }
  const Result<const io::JsonArray*> metrics = io::get_array(line, "metrics", where);
  if (!metrics) return tl::unexpected(metrics.error());
  for (const JsonValue& name : **metrics) {
    const JsonValue* const value = name.is_string() ? line.find(name.as_string()) : nullptr;
    if (value == nullptr) {
      return invalid_input(fmt::format("{}: metrics: {} is no member", where, io::describe(name)));
    }
    if (value->is_number()) sample.metrics[name.as_string()] = value->as_number();
    if (value->is_bool()) sample.metrics[name.as_string()] = value->as_bool() ? 1.0 : 0.0;
  }
  sample.line = std::move(line);
  return sample;
}

Result<std::vector<StoredSample>> read_samples(const fs::path& path) {
  const Result<io::MappedFile> file = io::MappedFile::open(path);
  if (!file) return tl::unexpected(file.error());
  const auto bytes = file->bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<StoredSample> samples;
  for (i64 number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string where = fmt::format("{}:{}", path.string(), number);
    Result<JsonValue> line = io::parse_json(text.substr(0, end), where, kLimits);
    if (!line) return tl::unexpected(line.error());
    text.remove_prefix(std::min(end + 1, text.size()));
    Result<StoredSample> sample = sample_of(std::move(*line), where);
    if (!sample) return tl::unexpected(sample.error());
    samples.push_back(std::move(*sample));
  }
  return samples;
}

}  // namespace

Result<StoredRun> read_stored_run(const fs::path& folder) {
  const Result<fs::path> path = latest_results(folder);
  if (!path) return tl::unexpected(path.error());
  StoredRun run;
  Result<JsonValue> results = io::read_json(*path, kLimits);
  if (!results) return tl::unexpected(results.error());
  run.results = std::move(*results);
  Result<std::string> model = io::get_string(run.results, "model_name", path->string());
  if (!model) return tl::unexpected(model.error());
  run.model = std::move(*model);
  run.stamp = path->stem().string().substr(std::string_view("results_").size());
  const std::string end = "_" + run.stamp + ".jsonl";
  for (const auto& entry : fs::directory_iterator(path->parent_path())) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kBegin = "samples_";
    if (!name.starts_with(kBegin) || !name.ends_with(end)) continue;
    Result<std::vector<StoredSample>> samples = read_samples(entry.path());
    if (!samples) return tl::unexpected(samples.error());
    run.samples[name.substr(kBegin.size(), name.size() - kBegin.size() - end.size())] =
        std::move(*samples);
  }
  return run;
}

}  // namespace fathom::eval

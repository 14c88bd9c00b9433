#include "cli/plan/load_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "report/metrics/metrics_log.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

/// Pairs that a recorded share is a share of; metrics keep shares, and only their ratios count.
constexpr double kPairs = 1e6;
constexpr i64 kMaxBytes = i64{256} << 20;
constexpr i64 kMostTokens = i64{1} << 40;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::kInvalidInput, where + ": " + what);
}

LoadMatrix from_metrics(const fs::path& path, i64 step) {
  LoadMatrix matrix;
  i64 found = 0;
  value_or_throw(report::scan_metrics(path, std::nullopt, [&](const report::MetricsRecord& record) {
    const auto* metrics = std::get_if<report::StepMetrics>(&record);
    if (metrics == nullptr || metrics->load.empty()) return;
    if (step != 0 && metrics->step != step) return;
    found = metrics->step;
    matrix.clear();
    for (const report::LayerLoad& layer : metrics->load) {
      std::vector<i64>& row = matrix.emplace_back();
      for (const double share : layer.share) row.push_back(std::llround(share * kPairs));
    }
  }));
  if (found == 0) {
    refuse(path.string(), step == 0 ? "no step with loads of experts"
                                    : fmt::format("no loads of experts at step {}", step));
  }
  return matrix;
}

i64 count_of(const io::JsonValue& value, const std::string& where) {
  if (value.is_integer() && value.as_integer() >= 0 && value.as_integer() <= kMostTokens) {
    return value.as_integer();
  }
  refuse(where,
         fmt::format("found {}, expected a count of 0 to {}", io::describe(value), kMostTokens));
}

LoadMatrix from_json(std::string_view text, const std::string& where) {
  const io::JsonValue root = value_or_throw(io::parse_json(text, where));
  const io::JsonValue* loads = root.is_object() ? root.find("loads") : &root;
  if (loads == nullptr || !loads->is_array()) {
    refuse(where, "expected an array of layers, or an object with `loads`");
  }
  LoadMatrix matrix;
  for (const io::JsonValue& layer : loads->as_array()) {
    const std::string at = fmt::format("{}: layer {}", where, matrix.size());
    if (!layer.is_array()) refuse(at, "found " + io::describe(layer) + ", expected an array");
    std::vector<i64>& row = matrix.emplace_back();
    for (const io::JsonValue& value : layer.as_array()) {
      row.push_back(count_of(value, fmt::format("{}, expert {}", at, row.size())));
    }
  }
  return matrix;
}

std::vector<i64> row_of(std::string_view line, const std::string& where) {
  constexpr std::string_view kBetween = " \t,;\r";
  std::vector<i64> row;
  for (size_t begin = line.find_first_not_of(kBetween); begin != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBetween, begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    i64 value = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || value < 0 ||
        value > kMostTokens) {
      refuse(where, fmt::format("found \"{}\", expected a count of 0 to {}", word, kMostTokens));
    }
    row.push_back(value);
    begin = line.find_first_not_of(kBetween, end);
  }
  return row;
}

LoadMatrix from_text(std::string_view text, const std::string& where) {
  LoadMatrix matrix;
  for (i64 number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with('#')) continue;
    std::vector<i64> row = row_of(line, fmt::format("{}:{}", where, number));
    if (!row.empty()) matrix.push_back(std::move(row));
  }
  return matrix;
}

void check_shape(const LoadMatrix& matrix, const std::string& where) {
  if (matrix.empty() || matrix.front().empty()) refuse(where, "no loads of experts");
  for (size_t i = 1; i < matrix.size(); ++i) {
    if (matrix[i].size() == matrix.front().size()) continue;
    refuse(where, fmt::format("layer {}: found {} experts, expected {} as in layer 0", i,
                              matrix[i].size(), matrix.front().size()));
  }
  const bool any = std::any_of(matrix.begin(), matrix.end(), [](const std::vector<i64>& layer) {
    return std::any_of(layer.begin(), layer.end(), [](i64 count) { return count > 0; });
  });
  if (!any) refuse(where, "every count is 0, expected loads of experts");
}

}  // namespace

LoadMatrix read_loads(const std::string& path, i64 step) {
  const bool is_run = fs::is_directory(path);
  const fs::path file = is_run ? fs::path(path) / "metrics.jsonl" : fs::path(path);
  LoadMatrix matrix;
  if (file.extension() == ".jsonl") {
    matrix = from_metrics(file, step);
  } else {
    if (step > 0) {
      refuse(file.string(),
             fmt::format("has no steps, expected a run's metrics for step {}", step));
    }
    const auto mapped = value_or_throw(io::MappedFile::open(file));
    const auto bytes = mapped.bytes();
    if (std::ssize(bytes) > kMaxBytes) refuse(file.string(), "more than 256 MiB");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t first = text.find_first_not_of(" \t\r\n");
    const bool is_json =
        first != std::string_view::npos && (text[first] == '[' || text[first] == '{');
    matrix = is_json ? from_json(text, file.string()) : from_text(text, file.string());
  }
  check_shape(matrix, file.string());
  return matrix;
}

}  // namespace fathom::cli

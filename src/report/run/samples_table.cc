#include "report/run/samples_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/text.h"
#include "io/json.h"
#include "report/page/html_table.h"
#include "report/page/html_text.h"

namespace fathom::report {
namespace {

constexpr std::streamoff kTailBytes = 1 << 20;
constexpr size_t kRows = 20, kShownBytes = 1500;

std::string tail_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg(), begin = std::max<std::streamoff>(0, size - kTailBytes);
  file.seekg(begin);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = std::move(text).str();
  return begin == 0 ? all : all.substr(std::min(all.size(), all.find('\n') + 1));
}

struct Sample {
  i64 step = 0;
  std::vector<std::string> cells;
};

/// As a cell: line breaks stay, and what is very long is cut between two characters.
std::string cell(const io::JsonValue* value) {
  if (value == nullptr) return "–";
  if (value->is_number()) return format_short(value->as_number());
  if (!value->is_string()) return "–";
  std::string text = value->as_string();
  if (text.size() > kShownBytes) {
    size_t end = kShownBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end) + " …";
  }
  return "<span style=\"white-space: pre-wrap\">" + html_escape(text) + "</span>";
}

/// Of the newest step, in order.
std::vector<Sample> newest_samples(const std::string& lines) {
  std::vector<Sample> samples;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    const auto json = io::parse_json(line, "samples.jsonl");
    if (!json || !json->is_object()) continue;
    const auto step = io::get_integer(*json, "step", "samples.jsonl");
    if (!step) continue;
    if (!samples.empty() && samples.back().step != *step) samples.clear();
    const auto of = [&](const char* key) { return cell(json->find(key)); };
    samples.push_back({*step, {of("prompt"), of("text"), of("tokens"), of("reward")}});
  }
  return samples;
}

}  // namespace

std::string samples_table(const std::filesystem::path& directory) {
  const std::vector<Sample> samples = newest_samples(tail_of(directory / "samples.jsonl"));
  if (samples.empty()) return "";
  const size_t shown = std::min(kRows, samples.size());
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < shown; ++i) rows.push_back(samples[i * samples.size() / shown].cells);
  return fmt::format("<h3>Samples of step {}</h3>\n", samples.back().step) +
         to_html({{"prompt", "text", "tokens", "reward"}, rows, {}});
}

}  // namespace fathom::report

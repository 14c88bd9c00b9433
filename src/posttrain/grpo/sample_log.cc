#include "posttrain/grpo/sample_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <sstream>

#include "io/files/atomic_file.h"
#include "io/json.h"
#include "posttrain/grpo/answer_of.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;
using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

JsonObject parts_json(const Reward& reward) {
  JsonObject parts;
  parts.set("accuracy", reward.accuracy);
  parts.set("format", reward.format);
  parts.set("language", reward.language);
  parts.set("code", reward.code);
  parts.set("random", reward.random);
  parts.set("overlong", reward.overlong);
  return parts;
}

template <typename T>
JsonArray array_of(const std::vector<T>& values) {
  return JsonArray(values.begin(), values.end());
}

template <typename T>
std::vector<T> vector_of(const JsonValue& line, const char* key) {
  std::vector<T> values;
  for (const JsonValue& value : *value_or_throw(io::get_array(line, key, "rollout.jsonl"))) {
    if constexpr (std::is_same_v<T, double>) {
      values.push_back(value.as_number());
    } else {
      values.push_back(static_cast<T>(value.as_integer()));
    }
  }
  return values;
}

JsonObject rollout_json(i64 step, const PolicySample& sample) {
  JsonObject line;
  line.set("step", step);
  line.set("prompt", sample.prompt);
  line.set("group", sample.group);
  line.set("choice", sample.choice);
  line.set("prompt_tokens", sample.prompt_tokens);
  line.set("truncated", sample.truncated);
  line.set("kept", sample.kept);
  line.set("right", sample.reward.is_right);
  line.set("reward", sample.reward.total);
  line.set("advantage", sample.advantage);
  line.set("parts", parts_json(sample.reward));
  line.set("ids", array_of(sample.ids));
  line.set("rollout", array_of(sample.rollout_log_probs));
  line.set("old", array_of(sample.old_log_probs));
  line.set("reference", array_of(sample.reference_log_probs));
  line.set("routes", array_of(std::vector<i64>(sample.routes.begin(), sample.routes.end())));
  return line;
}

PolicySample rollout_sample(const JsonValue& line) {
  const auto number = [&](const char* key) {
    return value_or_throw(io::get_integer(line, key, "rollout.jsonl"));
  };
  const auto flag = [&](const char* key) {
    return value_or_throw(io::get_bool(line, key, "rollout.jsonl"));
  };
  const auto real = [&](const JsonValue& from, const char* key) {
    return value_or_throw(io::get_number(from, key, "rollout.jsonl"));
  };
  PolicySample sample;
  sample.prompt = number("prompt");
  sample.group = number("group");
  sample.choice = static_cast<i32>(number("choice"));
  sample.prompt_tokens = number("prompt_tokens");
  sample.truncated = flag("truncated");
  sample.kept = flag("kept");
  sample.reward.is_right = flag("right");
  sample.reward.total = real(line, "reward");
  sample.advantage = real(line, "advantage");
  const JsonValue parts(*value_or_throw(io::get_object(line, "parts", "rollout.jsonl")));
  sample.reward.accuracy = real(parts, "accuracy");
  sample.reward.format = real(parts, "format");
  sample.reward.language = real(parts, "language");
  sample.reward.code = real(parts, "code");
  sample.reward.random = real(parts, "random");
  sample.reward.overlong = real(parts, "overlong");
  sample.ids = vector_of<i32>(line, "ids");
  sample.rollout_log_probs = vector_of<double>(line, "rollout");
  sample.old_log_probs = vector_of<double>(line, "old");
  sample.reference_log_probs = vector_of<double>(line, "reference");
  sample.routes = vector_of<u16>(line, "routes");
  return sample;
}

}  // namespace

std::string read_file_or_nothing(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

void append_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::app | std::ios::binary);
  file << text << std::flush;
  if (!file) throw Error(ErrorCode::kIo, path.string() + ": cannot be written");
}

i64 SampleLog::whole_groups(i64 group_size) const {
  const std::string text = read_file_or_nothing(file());
  return std::ranges::count(text, '\n') / group_size;
}

void SampleLog::keep_to(i64 step) const {
  const fs::path path = file();
  if (!fs::exists(path)) return;
  std::istringstream lines(read_file_or_nothing(path));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const auto json = io::parse_json(line, path.string());
    if (!json) break;  // what a killed process left half written
    if (value_or_throw(io::get_integer(*json, "step", path.string())) > step) break;
    kept += line + "\n";
  }
  io::write_file_atomically(path, kept);
}

void SampleLog::append(i64 step, std::span<const PolicySample> samples,
                       const std::vector<Prompt>& prompts,
                       const tokenizer::Tokenizer& tokenizer) const {
  std::string text;
  for (const PolicySample& sample : samples) {
    JsonObject line;
    line.set("step", step);
    line.set("group", sample.group);
    line.set("choice", sample.choice);
    line.set("prompt", prompts.at(static_cast<size_t>(sample.prompt)).text);
    line.set("text", answer_text(sample, tokenizer));
    line.set("tokens", sample.answer_tokens());
    line.set("truncated", sample.truncated);
    line.set("right", sample.reward.is_right);
    line.set("reward", sample.reward.total);
    line.set("parts", parts_json(sample.reward));
    line.set("advantage", sample.advantage);
    line.set("log_prob", std::accumulate(sample.rollout_log_probs.begin(),
                                         sample.rollout_log_probs.end(), 0.0));
    text += io::write_json(std::move(line)) + "\n";
  }
  append_text(file(), text);
}

void SampleLog::save_rollout(i64 step, std::span<const PolicySample> samples) const {
  std::string text;
  for (const PolicySample& sample : samples) {
    text += io::write_json(rollout_json(step, sample)) + "\n";
  }
  io::write_file_atomically(directory_ / "rollout.jsonl", text);
}

std::vector<PolicySample> SampleLog::load_rollout(i64 step) const {
  const fs::path path = directory_ / "rollout.jsonl";
  std::vector<PolicySample> samples;
  std::istringstream lines(read_file_or_nothing(path));
  for (std::string line; std::getline(lines, line);) {
    const JsonValue json = value_or_throw(io::parse_json(line, path.string()));
    const i64 found = value_or_throw(io::get_integer(json, "step", path.string()));
    if (found != step) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: the rollout of step {}, expected that of step {}: go on from a "
                              "checkpoint at a rollout's end",
                              path.string(), found, step));
    }
    samples.push_back(rollout_sample(json));
  }
  if (samples.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: missing or empty, and the run goes on in the middle of the "
                            "rollout of step {}",
                            path.string(), step));
  }
  return samples;
}

}  // namespace fathom::posttrain

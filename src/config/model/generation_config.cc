#include "config/model/generation_config.h"

#include <fmt/format.h>

#include <limits>

#include "config/model/token_ids.h"
#include "config/problems.h"
#include "io/downloaded.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::JsonValue;

constexpr io::JsonLimits kLimits = {
    .max_bytes = i64{1} << 20, .max_depth = 16, .max_values = 10'000};
constexpr double kMaxTokens = std::numeric_limits<i32>::max();

/// A number within [min, max]; null or absent: nullopt.
template <typename T>
std::optional<T> read(const JsonValue& json, const char* key, double min, double max,
                      Problems& problems) {
  const JsonValue* value = json.find(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const bool kind = std::is_same_v<T, i64> ? value->is_integer() : value->is_number();
  if (!kind || value->as_number() < min || value->as_number() > max) {
    problems.invalid(key, fmt::format("expected {} from {} to {}, found {}",
                                      std::is_same_v<T, i64> ? "an integer" : "a number", min, max,
                                      io::describe(*value)));
    return std::nullopt;
  }
  return static_cast<T>(value->as_number());
}

}  // namespace

Result<GenerationConfig> parse_generation_config(std::string_view text, const std::string& where) {
  auto json = io::parse_json(text, where, kLimits);
  if (!json) return tl::unexpected(std::move(json.error()));
  if (!json->is_object()) {
    return invalid_input(where + ": expected an object, found " + io::describe(*json));
  }
  Problems problems;
  GenerationConfig config;
  if (const JsonValue* sample = json->find("do_sample"); sample != nullptr && !sample->is_null()) {
    if (sample->is_bool()) {
      config.do_sample = sample->as_bool();
    } else {
      problems.invalid("do_sample", "expected true or false, found " + io::describe(*sample));
    }
  }
  config.temperature = read<double>(*json, "temperature", 0, 100, problems);
  config.top_p = read<double>(*json, "top_p", 0, 1, problems);
  config.top_k = read<i64>(*json, "top_k", 0, kMaxTokens, problems);
  config.min_p = read<double>(*json, "min_p", 0, 1, problems);
  config.repetition_penalty = read<double>(*json, "repetition_penalty", 1e-3, 1e3, problems);
  config.max_new_tokens = read<i64>(*json, "max_new_tokens", 0, kMaxTokens, problems);
  config.bos_token_id = read<i64>(*json, "bos_token_id", 0, kMaxTokens, problems);
  config.eos_token_id = read_token_ids(*json, "eos_token_id", problems);
  if (!problems.empty()) return tl::unexpected(problems.error(where));
  return config;
}

Result<GenerationConfig> load_generation_config(const std::filesystem::path& model) {
  if (std::filesystem::is_regular_file(model)) return GenerationConfig{};  // a GGUF file
  const auto path = model / "generation_config.json";
  auto text = io::read_downloaded(path, kLimits.max_bytes);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return GenerationConfig{};
    return tl::unexpected(std::move(text.error()));
  }
  return parse_generation_config(*text, path.string());
}

}  // namespace fathom

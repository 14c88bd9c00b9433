#include "config/model/generation_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "config/model/token_ids.h"
#include "config/model/whole_number.h"
#include "config/problems.h"
#include "io/downloaded.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::JsonValue;

constexpr io::JsonLimits kLimits = {
    .max_bytes = i64{1} << 20, .max_depth = 16, .max_values = 10'000};
constexpr double kMaxTokens = std::numeric_limits<i32>::max();

/// Reads the keys that are there and that nobody has overridden.
class Reader {
 public:
  Reader(const JsonValue& json, std::span<const std::string_view> overridden, Problems& problems)
      : json_(json), overridden_(overridden), problems_(problems) {}

  /// nullptr if absent, null or overridden.
  const JsonValue* find(const char* key) const {
    if (std::ranges::find(overridden_, key) != overridden_.end()) return nullptr;
    const JsonValue* value = json_.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  std::optional<bool> flag(const char* key) {
    const JsonValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_bool()) return value->as_bool();
    problems_.invalid(key, "expected true or false, found " + io::describe(*value));
    return std::nullopt;
  }

  /// Within [min, max].
  template <typename T>
  std::optional<T> number(const char* key, double min, double max) {
    const JsonValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    constexpr bool kInteger = std::is_same_v<T, i64>;
    const bool kind = kInteger ? whole_number(*value).has_value() : value->is_number();
    if (kind && value->as_number() >= min && value->as_number() <= max) {
      return static_cast<T>(value->as_number());
    }
    problems_.invalid(
        key, fmt::format("expected {} from {} to {}, found {}",
                         kInteger ? "an integer" : "a number", min, max, io::describe(*value)));
    return std::nullopt;
  }

 private:
  const JsonValue& json_;
  std::span<const std::string_view> overridden_;
  Problems& problems_;
};

}  // namespace

Result<GenerationConfig> parse_generation_config(std::string_view text, const std::string& where,
                                                 std::span<const std::string_view> overridden) {
  auto json = io::parse_json(text, where, kLimits);
  if (!json) return tl::unexpected(std::move(json.error()));
  if (!json->is_object()) {
    return invalid_input(where + ": expected an object, found " + io::describe(*json));
  }
  Problems problems;
  Reader reader(*json, overridden, problems);
  GenerationConfig config;
  config.do_sample = reader.flag("do_sample");
  if (config.do_sample != false) config.temperature = reader.number<double>("temperature", 0, 100);
  if (config.do_sample != false && config.temperature != 0.0) {  // else nothing is drawn
    config.top_p = reader.number<double>("top_p", 0, 1);
    if (config.top_p == 0.0) config.top_p = std::numeric_limits<double>::min();
    config.top_k = reader.number<i64>("top_k", -1, kMaxTokens);
    if (config.top_k == -1) config.top_k = 0;
    config.min_p = reader.number<double>("min_p", 0, 1);
  }
  config.repetition_penalty = reader.number<double>("repetition_penalty", 1e-3, 1e3);
  config.max_new_tokens = reader.number<i64>("max_new_tokens", 0, kMaxTokens);
  if (reader.find("eos_token_id") != nullptr) {
    config.eos_token_id = read_token_ids(*json, "eos_token_id", problems);
  }
  if (!problems.empty()) return tl::unexpected(problems.error(where));
  return config;
}

Result<GenerationConfig> load_generation_config(const std::filesystem::path& model,
                                                std::span<const std::string_view> overridden) {
  if (std::filesystem::is_regular_file(model)) return GenerationConfig{};  // a GGUF file
  const auto path = model / "generation_config.json";
  auto text = io::read_downloaded(path, kLimits.max_bytes);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return GenerationConfig{};
    return tl::unexpected(std::move(text.error()));
  }
  return parse_generation_config(*text, path.string(), overridden);
}

}  // namespace fathom

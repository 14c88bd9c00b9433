#include "serve/generate/sampling_fields.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <random>

#include "base/text.h"

namespace fathom::serve {
namespace {

using io::JsonValue;

void read_stop_ids(FieldReader& reader, const ServedModel& model, SamplingFields& fields) {
  constexpr std::string_view kName = "stop_token_ids";
  const io::JsonArray* const ids = reader.array(kName, kMaxStopIds);
  if (ids == nullptr) return;
  for (const JsonValue& value : *ids) {
    const std::optional<i64> id = as_whole(value);
    if (!id || *id < 0 || *id >= model.vocab_size) {
      const std::string expected = fmt::format("token ids from 0 to {}", model.vocab_size - 1);
      return id ? reader.fail_range(kName, expected, value)
                : reader.fail_type(kName, expected, value);
    }
    fields.stop_token_ids.push_back(static_cast<i32>(*id));
  }
}

void read_logit_bias(FieldReader& reader, const ServedModel& model, SamplingFields& fields) {
  constexpr std::string_view kName = "logit_bias";
  const io::JsonObject* const biases = reader.object(kName);
  if (biases == nullptr) return;
  if (biases->size() > kMaxBiases) {
    return reader.fail(bad_request("value_out_of_range", reader.path(kName),
                                   fmt::format("{}: expected at most {} tokens, found {}", kName,
                                               kMaxBiases, biases->size())));
  }
  for (const auto& [key, value] : *biases) {
    i32 id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool is_id =
        error == std::errc() && end == key.data() + key.size() && id >= 0 && id < model.vocab_size;
    if (!is_id) {
      return reader.fail(
          bad_request("value_out_of_range", reader.path(kName),
                      fmt::format("{}: expected token ids from 0 to {} as keys, found \"{}\"",
                                  kName, model.vocab_size - 1, printable(key.substr(0, 40)))));
    }
    if (!value.is_number()) return reader.fail_type(kName, "numbers from -100 to 100", value);
    const double bias = value.as_number();
    if (!(bias >= -100 && bias <= 100)) {
      return reader.fail_range(kName, "numbers from -100 to 100", value);
    }
    fields.logit_bias.emplace_back(id, bias);
  }
}

/// Of the two names the newer one wins.
std::optional<i64> read_max_tokens(FieldReader& reader, i64 least) {
  const auto older = reader.integer("max_tokens", least, INT64_MAX);
  const auto newer = reader.integer("max_completion_tokens", least, INT64_MAX);
  return newer ? newer : older;
}

/// (0, most]: the largest number that is too small is not there to be named.
std::optional<double> read_positive(FieldReader& reader, std::string_view name, double most) {
  const JsonValue* const value = reader.find(name);
  if (value != nullptr && value->is_number() && value->as_number() <= 0) {
    reader.fail_range(name, fmt::format("a number above 0, at most {}", most), *value);
    return std::nullopt;
  }
  return reader.number(name, 0, most);
}

void read_shape(FieldReader& reader, const ServedModel& model, SamplingFields& fields) {
  fields.temperature = reader.number("temperature", 0, 2);
  fields.top_p = read_positive(reader, "top_p", 1);
  fields.min_p = reader.number("min_p", 0, 1);
  fields.top_k = reader.integer("top_k", -1, model.vocab_size);
  fields.presence_penalty = reader.number("presence_penalty", -2, 2);
  fields.frequency_penalty = reader.number("frequency_penalty", -2, 2);
  fields.repetition_penalty = read_positive(reader, "repetition_penalty", 2);
  fields.seed = reader.integer("seed", INT64_MIN, INT64_MAX);
  read_logit_bias(reader, model, fields);
}

void read_end(FieldReader& reader, const ServedModel& model, SamplingFields& fields) {
  const bool only_echo = reader.find("echo") != nullptr && reader.boolean("echo") == true;
  fields.max_tokens = read_max_tokens(reader, only_echo ? 0 : 1);
  fields.min_tokens = reader.integer("min_tokens", 0, INT64_MAX);
  fields.stop = read_stops(reader, "stop");
  read_stop_ids(reader, model, fields);
  fields.include_stop_text = reader.boolean("include_stop_str_in_output").value_or(false);
  fields.ignore_eos = reader.boolean("ignore_eos").value_or(false);
}

u64 drawn_seed() {
  static thread_local std::random_device device;
  constexpr u64 kExactInJavaScript = (u64{1} << 53) - 1;
  return (static_cast<u64>(device()) << 32 | device()) & kExactInJavaScript;
}

}  // namespace

std::span<const FieldRule> sampling_rules() {
  static constexpr auto kNone = FieldClass::kNoEffect;
  static constexpr auto kNo = FieldClass::kRefused;
  static const auto is_one = [](const JsonValue& value) { return as_whole(value) == 1; };
  static const std::array kRules = {
      FieldRule{"temperature"},
      FieldRule{"top_p"},
      FieldRule{"min_p"},
      FieldRule{"top_k"},
      FieldRule{"presence_penalty"},
      FieldRule{"frequency_penalty"},
      FieldRule{"repetition_penalty"},
      FieldRule{"seed"},
      FieldRule{"n"},
      FieldRule{"max_tokens"},
      FieldRule{"max_completion_tokens"},
      FieldRule{"min_tokens"},
      FieldRule{"stop"},
      FieldRule{"stop_token_ids"},
      FieldRule{"include_stop_str_in_output"},
      FieldRule{"logit_bias"},
      FieldRule{"ignore_eos"},
      FieldRule{"priority"},
      FieldRule{"cache_salt"},
      FieldRule{"model"},
      FieldRule{"user", kNone},
      FieldRule{"user_id", kNone},
      FieldRule{"safety_identifier", kNone},
      FieldRule{"store", kNone},
      FieldRule{"metadata", kNone},
      FieldRule{"service_tier", kNone},
      FieldRule{"verbosity", kNone},
      FieldRule{"prediction", kNone},
      FieldRule{"prompt_cache_key", kNone},
      FieldRule{"prompt_cache_retention", kNone},
      FieldRule{"best_of", kNo, is_one},
      FieldRule{"use_beam_search", kNo},
      FieldRule{"logits_processors", kNo},
      FieldRule{"length_penalty", kNo, is_one},
  };
  return kRules;
}

std::vector<std::string> read_stops(FieldReader& reader, std::string_view name) {
  const JsonValue* const value = reader.find(name);
  if (value == nullptr) return {};
  io::JsonArray one;
  if (value->is_string()) one.push_back(*value);
  if (!value->is_string() && !value->is_array()) {
    reader.fail_type(name, "a string or an array of strings", *value);
    return {};
  }
  const io::JsonArray& all = value->is_array() ? value->as_array() : one;
  if (all.size() > kMaxStops) {
    reader.fail(bad_request(
        "value_out_of_range", reader.path(name),
        fmt::format("{}: expected at most {} texts, found {}", name, kMaxStops, all.size())));
    return {};
  }
  std::vector<std::string> stops;
  for (const JsonValue& stop : all) {
    if (!stop.is_string()) {
      reader.fail_type(name, "strings", stop);
    } else if (stop.as_string().empty() || stop.as_string().size() > kMaxStopBytes) {
      reader.fail_range(name, fmt::format("texts of 1 to {} bytes", kMaxStopBytes), stop);
    } else {
      stops.push_back(stop.as_string());
    }
  }
  return stops;
}

SamplingFields read_sampling(FieldReader& reader, const ServedModel& model) {
  SamplingFields fields;
  read_shape(reader, model, fields);
  read_end(reader, model, fields);
  fields.n = reader.integer("n", 1, kMaxChoices);
  fields.priority = reader.integer("priority", -100, 100).value_or(0);
  fields.cache_salt = reader.text("cache_salt", 256).value_or("");
  for (const char* const name : {"user", "user_id", "safety_identifier"}) {
    if (const auto user = reader.text(name, 1024)) fields.end_user = *user;
  }
  return fields;
}

void apply_sampling(const SamplingFields& fields, const ServedModel& model,
                    engine::GenerateRequest& request) {
  const GenerationConfig& advice = model.advice;
  engine::SamplingParams& sampling = request.sampling;
  const double advised = advice.do_sample == false ? 0.0 : advice.temperature.value_or(1.0);
  sampling.temperature = fields.temperature.value_or(advised);
  sampling.top_p = fields.top_p.value_or(advice.top_p.value_or(1.0));
  sampling.min_p = fields.min_p.value_or(advice.min_p.value_or(0.0));
  sampling.top_k = fields.top_k.value_or(advice.top_k.value_or(0));
  if (sampling.top_k == -1) sampling.top_k = 0;  // another spelling of "all"
  sampling.repetition_penalty =
      fields.repetition_penalty.value_or(advice.repetition_penalty.value_or(1.0));
  sampling.presence_penalty = fields.presence_penalty.value_or(0.0);
  sampling.frequency_penalty = fields.frequency_penalty.value_or(0.0);
  sampling.logit_bias = fields.logit_bias;
  sampling.seed = fields.seed ? static_cast<u64>(*fields.seed) : drawn_seed();
  request.num_choices = fields.n.value_or(1);
  request.min_tokens = fields.min_tokens.value_or(0);
  request.stop_token_ids = fields.stop_token_ids;
  if (!fields.ignore_eos) {
    request.stop_token_ids.insert(request.stop_token_ids.end(), model.stop_token_ids.begin(),
                                  model.stop_token_ids.end());
  }
  request.cache_salt = fields.cache_salt;
  request.priority = static_cast<int>(fields.priority);
  // Rows that decoding made differ in the last bits from a prompt's: where the client can see a
  // repetition, the answer is the same whatever was cached.
  const bool repeatable = fields.seed.has_value() || sampling.temperature == 0;
  request.cache_use = repeatable ? engine::CacheUse::kExact : engine::CacheUse::kAny;
}

}  // namespace fathom::serve

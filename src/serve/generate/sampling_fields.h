#pragma once
// What a client says about how an answer is drawn and when it ends, the same in every dialect.
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/request.h"
#include "serve/api/fields.h"
#include "serve/generate/served_model.h"

namespace fathom::serve {

/// Unset where the client says nothing.
struct SamplingFields {
  std::optional<double> temperature, top_p, min_p;
  std::optional<double> presence_penalty, frequency_penalty, repetition_penalty;
  std::optional<i64> top_k, seed, max_tokens, min_tokens, n;
  std::vector<std::string> stop;
  std::vector<i32> stop_token_ids;
  std::vector<std::pair<i32, double>> logit_bias;
  bool include_stop_text = false;
  bool ignore_eos = false;
  i64 priority = 0;
  std::string cache_salt;
  std::string end_user;  // whom the client speaks for: accounting alone
};

/// The members that read_sampling() reads, and those of every dialect that have no effect.
std::span<const FieldRule> sampling_rules();

inline constexpr size_t kMaxStops = 16, kMaxStopBytes = 256, kMaxStopIds = 32, kMaxBiases = 1024;
inline constexpr i64 kMaxChoices = 8;

SamplingFields read_sampling(FieldReader& reader, const ServedModel& model);
/// A text or an array of texts.
std::vector<std::string> read_stops(FieldReader& reader, std::string_view name);

/// The client's word, else the checkpoint's advice, else the model's own distribution. A seed is
/// drawn where none is given.
void apply_sampling(const SamplingFields& fields, const ServedModel& model,
                    engine::GenerateRequest& request);

}  // namespace fathom::serve

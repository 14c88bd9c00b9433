#pragma once
// Internal to config/: one table per enum, used by load, save and messages.
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "config/model/model_config.h"

namespace fathom {

template <typename E>
using EnumName = std::pair<E, std::string_view>;

inline constexpr std::array<EnumName<Architecture>, 5> kArchitectureNames = {{
    {Architecture::kDeepseekV3, "DeepseekV3ForCausalLM"},
    {Architecture::kDeepseekV2, "DeepseekV2ForCausalLM"},
    {Architecture::kLlama, "LlamaForCausalLM"},
    {Architecture::kQwen2, "Qwen2ForCausalLM"},
    {Architecture::kQwen3, "Qwen3ForCausalLM"},
}};
inline constexpr std::array<EnumName<ScoringFunc>, 2> kScoringFuncNames = {{
    {ScoringFunc::kSoftmax, "softmax"},
    {ScoringFunc::kSigmoid, "sigmoid"},
}};
inline constexpr std::array<EnumName<TopkMethod>, 3> kTopkMethodNames = {{
    {TopkMethod::kGreedy, "greedy"},
    {TopkMethod::kGroupLimitedGreedy, "group_limited_greedy"},
    {TopkMethod::kNoauxTc, "noaux_tc"},
}};
inline constexpr std::array<EnumName<RopeType>, 3> kRopeTypeNames = {{
    {RopeType::kYarn, "yarn"},
    {RopeType::kLlama3, "llama3"},
    {RopeType::kLinear, "linear"},
}};

template <typename E, size_t N>
constexpr std::string_view name_of(const std::array<EnumName<E>, N>& table, E value) {
  for (const auto& [entry, name] : table) {
    if (entry == value) return name;
  }
  return "?";
}

template <typename E, size_t N>
constexpr std::optional<E> value_of(const std::array<EnumName<E>, N>& table,
                                    std::string_view name) {
  for (const auto& [entry, spelling] : table) {
    if (spelling == name) return entry;
  }
  return std::nullopt;
}

/// "yarn, llama3 or linear", for messages.
template <typename E, size_t N>
std::string list_of(const std::array<EnumName<E>, N>& table) {
  std::string text;
  for (size_t i = 0; i < N; ++i) {
    if (i > 0) text += i + 1 == N ? " or " : ", ";
    text += table[i].second;
  }
  return text;
}

}  // namespace fathom

#pragma once
// The one list of config.json's plain fields. Load, save, range checks and documentation run over
// it; a new field is one line there. Nested objects (rope_scaling, quantization_config) and the few
// keys with two spellings are handled in model_config_load.cc.
#include <span>
#include <string_view>
#include <variant>

#include "config/model/model_config.h"

namespace fathom {

/// Which architectures read a field: a sum of these.
inline constexpr unsigned kForDeepseekV3 = 1;
inline constexpr unsigned kForDeepseekV2 = 2;
inline constexpr unsigned kForLlama = 4;
inline constexpr unsigned kForQwen2 = 8;
inline constexpr unsigned kForQwen3 = 16;
inline constexpr unsigned kForMla = kForDeepseekV3 + kForDeepseekV2;
inline constexpr unsigned kForGqa = kForLlama + kForQwen2 + kForQwen3;
inline constexpr unsigned kForAll = kForMla + kForGqa;

unsigned architecture_bit(Architecture architecture);

enum class Presence {
  kRequired,
  kRequiredOrNull,  // the key must stand there; null means the default
  kOptional         // absent or null means the default
};

using FieldMember = std::variant<i64 ModelConfig::*, float ModelConfig::*, double ModelConfig::*,
                                 bool ModelConfig::*, std::string ModelConfig::*,
                                 ScoringFunc ModelConfig::*, TopkMethod ModelConfig::*>;

struct ModelConfigField {
  std::string_view name;  // as in config.json
  FieldMember member;
  unsigned used_by;
  Presence presence;
  double min = 0.0;  // range of numbers, both ends allowed
  double max = 0.0;
  std::string_view doc;
};

/// Sorted by name, as published files are.
std::span<const ModelConfigField> model_config_fields();

/// The defaults an absent key means for this architecture.
ModelConfig default_model_config(Architecture architecture);

}  // namespace fathom

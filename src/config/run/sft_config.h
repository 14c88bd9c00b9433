#pragma once
// The [sft] section of a run file: supervised fine-tuning.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

/// What becomes of a sample that is longer than data.seq_len.
enum class SftTooLong { kDrop, kCutPrompt };
inline constexpr std::array<std::pair<SftTooLong, std::string_view>, 2> kSftTooLongNames = {{
    {SftTooLong::kDrop, "drop"},
    {SftTooLong::kCutPrompt, "cut-prompt"},
}};

/// What the loss of a step is the mean of: all its supervised tokens, or the means of its samples.
enum class SftLoss { kTokens, kSamples };
inline constexpr std::array<std::pair<SftLoss, std::string_view>, 2> kSftLossNames = {{
    {SftLoss::kTokens, "tokens"},
    {SftLoss::kSamples, "samples"},
}};

struct SftConfig {
  double epochs = 2.0;
  std::string chat_template;
  SftLoss loss = SftLoss::kTokens;
  SftTooLong too_long = SftTooLong::kDrop;
  bool freeze_router_bias = true;

  void list_fields(FieldList& list);
};

}  // namespace fathom

#pragma once
// The [sample] section of a run file: answers of a model, and which of them are kept.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

/// Of a prompt's good answers, which are kept first.
enum class SamplePreference { kShortest, kFirst };
inline constexpr std::array<std::pair<SamplePreference, std::string_view>, 2>
    kSamplePreferenceNames = {{
        {SamplePreference::kShortest, "shortest"},
        {SamplePreference::kFirst, "first"},
    }};

struct SampleConfig {
  i64 per_prompt = 8;
  i64 keep = 1;
  double temperature = 1.0;
  double top_p = 0.95;
  i64 max_new_tokens = 1024;
  double least_reward = 1.0;
  SamplePreference prefer = SamplePreference::kShortest;
  i64 parallel = 256;

  void list_fields(FieldList& list);
};

}  // namespace fathom

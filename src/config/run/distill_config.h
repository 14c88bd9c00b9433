#pragma once
// The [distill] section of a run file: a student learns a teacher's distributions.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

/// KL(teacher || student), KL(student || teacher), or the generalised Jensen-Shannon divergence
/// between them.
enum class Divergence { kForward, kReverse, kJensenShannon };
inline constexpr std::array<std::pair<Divergence, std::string_view>, 3> kDivergenceNames = {{
    {Divergence::kForward, "forward"},
    {Divergence::kReverse, "reverse"},
    {Divergence::kJensenShannon, "jsd"},
}};

struct DistillConfig {
  std::string teacher;
  std::string store;
  i64 top_k = 64;
  Divergence divergence = Divergence::kForward;
  double beta = 0.5;
  double temperature = 1.0;
  double nll_weight = 0.0;
  double on_policy = 0.0;
  i64 max_new_tokens = 64;
  double sample_temperature = 1.0;
  i64 parallel = 256;

  void list_fields(FieldList& list);
};

}  // namespace fathom

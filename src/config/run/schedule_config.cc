#include "config/run/schedule_config.h"

#include <fmt/format.h>

namespace fathom {

void ScheduleConfig::list_fields(FieldList& list) {
  constexpr Range kShare = {.min = 0, .max = 1};
  list.add("shape", shape, kScheduleShapeNames,
           "after the warm-up: v3 (constant, cosine, two constant tails), cosine, wsd, constant");
  list.add("peak_lr", peak_lr, "learning rate at the end of the warm-up", {.min = 0});
  list.add("warmup_steps", warmup_steps, "steps of linear growth from 0", {.min = 0});
  list.add("final_lr_frac", final_lr_frac,
           "share of peak_lr that v3's cosine, cosine and wsd end at", kShare);
  list.add("cosine_begin_frac", cosine_begin_frac,
           "v3: the cosine begins at this share of the run's tokens", kShare);
  list.add("cosine_end_frac", cosine_end_frac, "v3: it ends here, and the first tail begins",
           kShare);
  list.add("tail_begin_frac", tail_begin_frac, "v3: the second tail begins", kShare);
  list.add("tail_lr_frac", tail_lr_frac, "v3: share of peak_lr in the second tail", kShare);
  list.add("decay_frac", decay_frac, "wsd: share of the run's tokens over which the rate falls",
           kShare);
}

void ScheduleConfig::check(const std::string& prefix, Problems& problems) const {
  if (shape != ScheduleShape::kV3) return;
  if (cosine_begin_frac > cosine_end_frac) {
    problems.invalid(prefix + "cosine_end_frac", fmt::format("{} is before cosine_begin_frac = {}",
                                                             cosine_end_frac, cosine_begin_frac));
  }
  if (cosine_end_frac > tail_begin_frac) {
    problems.invalid(prefix + "tail_begin_frac", fmt::format("{} is before cosine_end_frac = {}",
                                                             tail_begin_frac, cosine_end_frac));
  }
}

}  // namespace fathom

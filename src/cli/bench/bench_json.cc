#include "cli/bench/bench_json.h"

#include <initializer_list>
#include <string>
#include <utility>

#include "base/control_group.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "model/step_profile.h"

namespace fathom::cli {
namespace {

io::JsonObject object_of(std::initializer_list<std::pair<const char*, io::JsonValue>> members) {
  io::JsonObject object;
  for (const auto& [key, value] : members) object.set(key, value);
  return object;
}

}  // namespace

io::JsonObject machine_json(const Ctx& ctx, const engine::MachineSpeed& machine) {
  io::JsonObject object = object_of({{"cpu", cpu_brand()},
                                     {"isa", ctx.isa_name()},
                                     {"threads", num_threads()},
                                     {"read_bytes_per_s", machine.read_bytes_per_s},
                                     {"bf16_gemm_ops_per_s", machine.bf16_gemm},
                                     {"f32_ops_per_s", machine.peaks.f32},
                                     {"bf16_ops_per_s", machine.peaks.bf16},
                                     {"int8_ops_per_s", machine.peaks.int8}});
  if (const auto quota = cpu_quota()) object.set("cpu_quota", *quota);
  return object;
}

io::JsonObject timing_json(const engine::Timing& t, const engine::MachineSpeed& machine) {
  io::JsonObject parts;
  for (int p = 0; p < model::kNumStepParts; ++p) {
    parts.set(std::string(to_string(static_cast<model::StepPart>(p))),
              t.part_s[static_cast<size_t>(p)]);
  }
  return object_of({{"what", t.what},
                    {"tokens", t.tokens},
                    {"context", t.context},
                    {"best_s", t.best_s},
                    {"median_s", t.median_s},
                    {"mean_s", t.mean_s},
                    {"bytes", t.bytes},
                    {"operations", t.operations},
                    {"read_share", t.bytes / t.best_s / machine.read_bytes_per_s},
                    {"arithmetic_share", t.operations / t.best_s / machine.bf16_gemm},
                    {"part_s", std::move(parts)}});
}

io::JsonObject beside_prompt_json(const engine::BesidePromptTiming& t) {
  return object_of({{"streams", t.streams},
                    {"prompt_tokens", t.prompt_tokens},
                    {"alone_tokens_per_s", t.alone_tokens_per_s},
                    {"beside_tokens_per_s", t.beside_tokens_per_s},
                    {"longest_gap_s", t.longest_gap_s},
                    {"target_s", t.target_s},
                    {"prompt_alone_s", t.prompt_alone_s},
                    {"prompt_beside_s", t.prompt_beside_s}});
}

io::JsonObject draft_json(const engine::DraftTiming& t) {
  return object_of({{"sequences", t.sequences},
                    {"max_drafts", t.drafts},
                    {"adaptive", t.adaptive},
                    {"drafts_per_step", t.drafted},
                    {"tokens_per_s", t.tokens_per_s},
                    {"speed_up", t.speed_up},
                    {"step_s", t.step_s},
                    {"acceptance", io::JsonArray(t.acceptance.begin(), t.acceptance.end())}});
}

}  // namespace fathom::cli

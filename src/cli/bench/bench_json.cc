#include "cli/bench/bench_json.h"

#include <string>

#include "base/control_group.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "model/step_profile.h"

namespace fathom::cli {

io::JsonObject machine_json(const Ctx& ctx, const engine::MachineSpeed& machine) {
  io::JsonObject object;
  object.set("cpu", cpu_brand());
  object.set("isa", ctx.isa_name());
  object.set("threads", num_threads());
  if (const auto quota = cpu_quota()) object.set("cpu_quota", *quota);
  object.set("read_bytes_per_s", machine.read_bytes_per_s);
  object.set("bf16_gemm_ops_per_s", machine.bf16_gemm);
  object.set("f32_ops_per_s", machine.peaks.f32);
  object.set("bf16_ops_per_s", machine.peaks.bf16);
  object.set("int8_ops_per_s", machine.peaks.int8);
  return object;
}

io::JsonObject timing_json(const engine::Timing& t, const engine::MachineSpeed& machine) {
  io::JsonObject object;
  object.set("what", t.what);
  object.set("tokens", t.tokens);
  object.set("context", t.context);
  object.set("best_s", t.best_s);
  object.set("median_s", t.median_s);
  object.set("mean_s", t.mean_s);
  object.set("bytes", t.bytes);
  object.set("operations", t.operations);
  object.set("read_share", t.bytes / t.best_s / machine.read_bytes_per_s);
  object.set("arithmetic_share", t.operations / t.best_s / machine.bf16_gemm);
  io::JsonObject parts;
  for (int p = 0; p < model::kNumStepParts; ++p) {
    parts.set(std::string(to_string(static_cast<model::StepPart>(p))),
              t.part_s[static_cast<size_t>(p)]);
  }
  object.set("part_s", std::move(parts));
  return object;
}

io::JsonObject company_json(const engine::CompanyTiming& t) {
  io::JsonObject object;
  object.set("streams", t.streams);
  object.set("prompt_tokens", t.prompt_tokens);
  object.set("alone_tokens_per_s", t.alone_tokens_per_s);
  object.set("beside_tokens_per_s", t.beside_tokens_per_s);
  object.set("longest_gap_s", t.longest_gap_s);
  object.set("target_s", t.target_s);
  object.set("prompt_alone_s", t.prompt_alone_s);
  object.set("prompt_beside_s", t.prompt_beside_s);
  return object;
}

io::JsonObject draft_json(const engine::DraftTiming& t) {
  io::JsonObject object;
  object.set("sequences", t.sequences);
  object.set("max_drafts", t.drafts);
  object.set("adaptive", t.adaptive);
  object.set("drafts_per_step", t.drafted);
  object.set("tokens_per_s", t.tokens_per_s);
  object.set("speed_up", t.speed_up);
  object.set("step_s", t.step_s);
  object.set("acceptance", io::JsonArray(t.acceptance.begin(), t.acceptance.end()));
  return object;
}

}  // namespace fathom::cli

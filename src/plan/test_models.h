#pragma once
// Models and runs that tests of plans share.
#include "plan/test_files.h"
#include "plan/training/training_plan.h"

namespace fathom::plan {

inline ModelConfig dense_model(i64 layers, i64 hidden, i64 width, i64 heads, i64 kv_heads,
                               i64 vocab) {
  ModelConfig config;
  config.architecture = Architecture::kLlama;
  config.num_hidden_layers = layers;
  config.hidden_size = hidden;
  config.intermediate_size = width;
  config.num_attention_heads = heads;
  config.num_key_value_heads = kv_heads;
  config.head_dim = hidden / heads;
  config.vocab_size = vocab;
  config.max_position_embeddings = 4096;
  config.rope_interleave = false;
  return config;
}

inline ModelConfig qwen_72b() { return dense_model(80, 8192, 29568, 64, 8, 152064); }
inline ModelConfig llama_405b() { return dense_model(126, 16384, 53248, 128, 8, 128256); }
inline ModelConfig deepseek_67b() { return dense_model(95, 8192, 22016, 64, 8, 102400); }

inline Layout v3_layout() {
  return {.pipeline_ranks = 16, .expert_ranks = 64, .schedule = ScheduleKind::kDualPipe};
}

inline TrainingPlan v3_plan(const Layout& layout = v3_layout(),
                            const std::vector<std::string>& edits = {}) {
  return plan_training(shipped_cluster("h800", edits), shipped_model("deepseek-v3"), layout,
                       {.sequences = 15360, .tokens = 14.8e12});
}

/// V3's two context extensions (report §4.3): 1,000 steps of 1,920 sequences of 32K, and of 480 of
/// 128K. Their layout was not published: few enough pipelines that each has its micro-batches.
inline double extension_gpu_hours() {
  double hours = 0.0;
  const struct {
    i64 sequences, seq_len, gpus, expert_ranks;
  } kPhases[] = {{1920, 32768, 512, 64}, {480, 131072, 128, 16}};
  for (const auto& phase : kPhases) {
    const Layout layout{.gpus = phase.gpus,
                        .pipeline_ranks = 8,
                        .expert_ranks = phase.expert_ranks,
                        .schedule = ScheduleKind::kDualPipeV};
    const TrainingRun run{.sequences = phase.sequences, .seq_len = phase.seq_len};
    const TrainingPlan plan =
        plan_training(shipped_cluster("h800"), shipped_model("deepseek-v3"), layout, run);
    EXPECT_TRUE(plan.problems.empty()) << plan.problems.front();
    hours += plan.gpu_hours(run.step_tokens().value * 1000.0);
  }
  return hours;
}

}  // namespace fathom::plan

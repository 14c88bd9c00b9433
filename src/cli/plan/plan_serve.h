#pragma once
#include <string>
#include <vector>

#include "cli/plan/scenario.h"
#include "plan/inference/serving_plan.h"
#include "plan/inference/traffic.h"

namespace fathom::cli {

/// fathom plan serve MODEL --cluster C
class PlanServe {
 public:
  void add(Arguments& parent);
  bool chosen() const { return command_.chosen(); }
  int run();

 private:
  struct Rates {
    plan::PrefillPlan prefill;
    std::vector<plan::DecodePlan> decode;  // at batches, the best last
    plan::ServingMemory decode_memory;
  };
  plan::ServingSetting setting(i64 ranks) const;
  Rates rates(const Scenario& scenario, const ModelConfig& config) const;
  plan::TokensPerSecond prefill_node(const Scenario& scenario, const Rates& rates) const;
  plan::TokensPerSecond decode_node(const Scenario& scenario, const Rates& rates) const;
  void print_text(const Scenario& scenario, const ModelConfig& config, const Rates& rates) const;
  void print_traffic(const Scenario& scenario, const Rates& rates) const;
  void print_json(const Scenario& scenario, const Rates& rates) const;
  plan::Traffic traffic() const;

  Arguments command_;
  ScenarioOptions scenario_;
  std::string model_, precision_;
  i64 prefill_ranks_ = 32, decode_ranks_ = 144, redundant_ = 32;
  i64 prompt_ = 4096, context_ = 4989;
  double tpot_ms_ = 50.0, imbalance_ = 1.0;
  double input_tokens_ = 0.0, output_tokens_ = 0.0, hit_frac_ = 0.0, period_s_ = 86400.0;
  double prefill_rate_ = 0.0, decode_rate_ = 0.0, utilisation_ = 0.7;
  double acceptance_ = 0.0;
  std::vector<double> prices_;
  bool fp8_cache_ = false, one_micro_batch_ = false, json_ = false;
};

}  // namespace fathom::cli

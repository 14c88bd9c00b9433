#include "posttrain/load_stage.h"

#include "posttrain/distill/distill.h"
#include "posttrain/grpo/grpo.h"
#include "posttrain/sft/sft.h"

namespace fathom::posttrain {

LoadedStage load_stage(const RunConfig& config) {
  switch (config.run.stage) {
    case TrainStage::kPretrain:
    case TrainStage::kSample:  // trains nothing: sample/sample.h
      break;
    case TrainStage::kSft:
      return load_sft(config);
    case TrainStage::kDistill:
      return load_distill(config);
    case TrainStage::kGrpo:
      return load_grpo(config);
  }
  return {.config = config, .stage = nullptr};
}

}  // namespace fathom::posttrain

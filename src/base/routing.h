#pragma once

namespace fathom {

/// The router's words, spelt as in config.json; ops/moe/moe.h has their formulas.
enum class ScoringFunc { kSoftmax, kSigmoid };
enum class TopkMethod {
  kGreedy,              // the top-k scores
  kGroupLimitedGreedy,  // V2: groups by their largest score, no bias
  kNoauxTc              // V3: groups by the sum of their two largest biased scores
};

}  // namespace fathom

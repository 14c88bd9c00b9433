#include "model/attention/rope.h"

#include "config/model/rope_frequencies.h"

namespace fathom::model {

ops::RopeTable make_rope_table(const ModelConfig& config) {
  const bool interleaved = config.is_mla() && config.rope_interleave;
  return {.frequency = rope_frequencies(config),
          .cos_sin_factor = rope_cos_sin_factor(config),
          .pairing = interleaved ? ops::RopePairing::kInterleaved : ops::RopePairing::kHalves};
}

}  // namespace fathom::model

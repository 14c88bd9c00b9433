#include "model/step_checks.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/attention/kv_cache_rows.h"

namespace fathom::model {

void check_token_ids(const ModelConfig& config, std::span<const i32> ids) {
  for (const i32 id : ids) {
    if (id < 0 || id >= config.vocab_size) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("token id {} is outside the vocabulary of {}", id, config.vocab_size));
    }
  }
}

void check_room(const KvCache::Impl& cache, i64 held_tokens, i64 new_tokens) {
  if (new_tokens > cache.capacity_tokens() - held_tokens) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} tokens and {} new ones do not fit into a context of {}",
                            held_tokens, new_tokens, cache.capacity_tokens()));
  }
}

void check_cache(const ModelConfig& config, const KvCache::Impl& cache) {
  FATHOM_CHECK(cache.num_layers == config.num_hidden_layers &&
                   cache.layout.cols == config.cache_elements_per_layer(),
               "a cache of ", cache.num_layers, " layers of ", cache.layout.cols,
               " numbers was made for another model");
}

}  // namespace fathom::model

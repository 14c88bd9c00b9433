#pragma once
// What can be wrong with the input of a step, found before any cache is touched.
#include <span>

#include "config/model/model_config.h"
#include "model/attention/kv_cache_rows.h"

namespace fathom::model {

/// Throws Error{kInvalidInput} for an id outside the vocabulary.
void check_token_ids(const ModelConfig& config, std::span<const i32> ids);
/// Throws Error{kInvalidInput} if the cache, holding `held_tokens`, has no room for `new_tokens`.
void check_room(const KvCache::Impl& cache, i64 held_tokens, i64 new_tokens);
/// Throws InternalError for a cache that was made for another model.
void check_cache(const ModelConfig& config, const KvCache::Impl& cache);

}  // namespace fathom::model

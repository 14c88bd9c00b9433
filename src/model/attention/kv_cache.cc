#include "model/attention/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "base/error.h"
#include "model/attention/kv_cache_rows.h"

namespace fathom::model {
namespace {

constexpr i64 kLayerAlignment = 64;  // bytes

/// Bytes of one layer; refuses numbers that cannot be counted (the config came from outside).
i64 layer_bytes(i64 capacity_tokens, i64 row_bytes, i64 layers) {
  const auto bytes = checked_mul(capacity_tokens, row_bytes);
  const auto padded = bytes ? checked_add(*bytes, kLayerAlignment) : std::nullopt;
  if (!padded || !checked_mul(*padded, layers)) {
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("the KV cache of {} tokens in {} layers needs more bytes than can be "
                            "counted",
                            capacity_tokens, layers));
  }
  return round_up(*bytes, kLayerAlignment);
}

}  // namespace

ops::CacheRowLayout cache_row_layout(const ModelConfig& config, ops::CacheDType dtype) {
  const i64 cols = config.cache_elements_per_layer();
  const bool fp8 = dtype == ops::CacheDType::kFp8;
  const i64 quantised = config.is_mla() ? config.kv_lora_rank : cols;
  return {.dtype = dtype, .cols = cols, .fp8_cols = fp8 ? quantised : 0};
}

KvCache::KvCache(const ModelConfig& config, ops::CacheDType dtype, i64 capacity_tokens,
                 i64 mtp_layers)
    : impl_(std::make_unique<Impl>()) {
  FATHOM_CHECK(mtp_layers >= 0, "mtp_layers ", mtp_layers);
  if (capacity_tokens < 1 || capacity_tokens > config.max_position_embeddings) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("a context of {} tokens was asked for; this model takes 1 to {} "
                            "(max_position_embeddings)",
                            capacity_tokens, config.max_position_embeddings));
  }
  Impl& impl = *impl_;
  impl.layout = cache_row_layout(config, dtype);
  impl.num_layers = config.num_hidden_layers;
  impl.mtp_length_tokens.assign(static_cast<size_t>(mtp_layers), 0);
  impl.capacity_tokens = capacity_tokens;
  const i64 layers = impl.num_layers + mtp_layers;
  impl.layer_bytes = layer_bytes(capacity_tokens, impl.layout.row_bytes(), layers);
  const std::string what = fmt::format("the KV cache of {} tokens", capacity_tokens);
  impl.buffer = Buffer(Device::kCpu, layers * impl.layer_bytes, what.c_str());
}

KvCache::~KvCache() = default;
KvCache::KvCache(KvCache&&) noexcept = default;
KvCache& KvCache::operator=(KvCache&&) noexcept = default;

i64 KvCache::capacity_tokens() const { return impl_->capacity_tokens; }
i64 KvCache::length() const { return impl_->length_tokens; }

void KvCache::truncate(i64 length) {
  Impl& impl = *impl_;
  FATHOM_CHECK(length >= 0 && length <= impl.length_tokens, "truncate to ", length, " of ",
               impl.length_tokens, " tokens");
  if (length == impl.length_tokens) return;
  impl.length_tokens = length;
  // Row i of the module of depth k depends on token i + k: its last k rows are stale too.
  for (i64 k = 1; k <= impl.num_mtp(); ++k) {
    i64& rows = impl.mtp_length_tokens[static_cast<size_t>(k - 1)];
    rows = std::min(rows, std::max<i64>(length - k, 0));
  }
}

i64 KvCache::bytes_per_token(const ModelConfig& config, ops::CacheDType dtype) {
  return cache_row_layout(config, dtype).row_bytes() * config.num_hidden_layers;
}

}  // namespace fathom::model

#include "model/attention/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "base/error.h"
#include "model/attention/kv_cache_rows.h"

namespace fathom::model {
namespace {

/// Bytes of `pages` pages; refuses numbers that cannot be counted (the config came from outside).
i64 pages_bytes(i64 pages, const device::PageShape& shape, i64 capacity_tokens) {
  const auto layer = checked_mul(device::kPageTokens, shape.row_bytes);
  const auto page = layer ? checked_mul(*layer, shape.layers) : std::nullopt;
  const auto bytes = page ? checked_mul(*page, pages) : std::nullopt;
  if (!bytes) {
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("the KV cache of {} tokens in {} layers needs more bytes than can be "
                            "counted",
                            capacity_tokens, shape.layers));
  }
  return *bytes;
}

std::unique_ptr<KvCache::Impl> empty_cache(const ModelConfig& config, ops::CacheDType dtype,
                                           i64 capacity_tokens, i64 mtp_layers) {
  FATHOM_CHECK(mtp_layers >= 0, "mtp_layers ", mtp_layers);
  if (capacity_tokens < 1 || capacity_tokens > config.max_position_embeddings) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("a context of {} tokens was asked for; this model takes 1 to {} "
                            "(max_position_embeddings)",
                            capacity_tokens, config.max_position_embeddings));
  }
  auto impl = std::make_unique<KvCache::Impl>();
  impl->layout = cache_row_layout(config, dtype);
  impl->num_layers = config.num_hidden_layers;
  impl->mtp_length_tokens.assign(static_cast<size_t>(mtp_layers), 0);
  impl->max_tokens = capacity_tokens;
  return impl;
}

i64 num_moe_layers(const ModelConfig& config) {
  i64 count = 0;
  for (i64 layer = 0; layer < config.num_hidden_layers; ++layer) {
    count += config.is_moe_layer(layer) ? 1 : 0;
  }
  return count;
}

/// Choices that fit in a row.
i64 routes_per_row(const ops::CacheRowLayout& layout) {
  return layout.row_bytes() / static_cast<i64>(sizeof(u16));
}

void keep_routes(const ModelConfig& config, KvCache::Impl& cache) {
  cache.topk = config.num_experts_per_tok;
  for (i64 layer = 0; layer < config.num_hidden_layers; ++layer) {
    cache.route_begin.push_back(config.is_moe_layer(layer) ? cache.routes_per_token : -1);
    if (config.is_moe_layer(layer)) cache.routes_per_token += cache.topk;
  }
}

}  // namespace

ops::CacheRowLayout cache_row_layout(const ModelConfig& config, ops::CacheDType dtype) {
  const i64 cols = config.cache_elements_per_layer();
  const bool fp8 = dtype == ops::CacheDType::kFp8;
  const i64 quantised = config.is_mla() ? config.kv_lora_rank : cols;
  return {.dtype = dtype, .cols = cols, .fp8_cols = fp8 ? quantised : 0};
}

KvCache::KvCache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

KvCache::KvCache(const ModelConfig& config, ops::CacheDType dtype, i64 capacity_tokens,
                 i64 mtp_layers)
    : impl_(empty_cache(config, dtype, capacity_tokens, mtp_layers)) {
  const device::PageShape shape = page_shape(config, dtype, mtp_layers);
  const i64 pages = ceil_div(capacity_tokens, device::kPageTokens);
  const i64 bytes = pages_bytes(pages, shape, capacity_tokens);
  const std::string what = fmt::format("the KV cache of {} tokens", capacity_tokens);
  impl_->buffer = Buffer(Device::kCpu, bytes, what.c_str());
  for (i64 page = 0; page < pages; ++page) {
    impl_->pages.push_back(impl_->buffer.data() + page * shape.page_bytes());
  }
}

KvCache KvCache::of_lent_pages(const ModelConfig& config, ops::CacheDType dtype,
                               i64 capacity_tokens, i64 mtp_layers, Routes routes) {
  auto impl = empty_cache(config, dtype, capacity_tokens, mtp_layers);
  if (routes == Routes::kKeep) keep_routes(config, *impl);
  impl->pages.reserve(static_cast<size_t>(ceil_div(capacity_tokens, device::kPageTokens)));
  return KvCache(std::move(impl));
}

KvCache::~KvCache() = default;
KvCache::KvCache(KvCache&&) noexcept = default;
KvCache& KvCache::operator=(KvCache&&) noexcept = default;

i64 KvCache::capacity_tokens() const { return impl_->capacity_tokens(); }
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

void KvCache::lend_page(u8* page) {
  FATHOM_CHECK(impl_->buffer.size_bytes() == 0, "a page lent to a cache with its own");
  FATHOM_CHECK(impl_->pages.size() < impl_->pages.capacity(), "a page beyond the ",
               impl_->max_tokens, " tokens of a cache");
  impl_->pages.push_back(page);
}

void KvCache::return_pages() {
  truncate(0);
  impl_->pages.clear();
}

void KvCache::skip_mtp_rows(i64 depth, i64 length) {
  FATHOM_CHECK(depth >= 1 && depth <= impl_->num_mtp() && length <= impl_->length_tokens,
               "skips to ", length, " of ", impl_->length_tokens, " at depth ", depth);
  i64& rows = impl_->mtp_length_tokens[static_cast<size_t>(depth - 1)];
  rows = std::max(rows, length);
}

void KvCache::adopt(i64 length) {
  FATHOM_CHECK(length >= impl_->length_tokens && length <= capacity_tokens(), "adopts ", length,
               " tokens after ", impl_->length_tokens, " of ", capacity_tokens());
  impl_->length_tokens = length;
  // The last k rows of the module of depth k may have seen other tokens than will come here.
  for (i64 k = 1; k <= impl_->num_mtp(); ++k) {
    impl_->mtp_length_tokens[static_cast<size_t>(k - 1)] = length;
  }
}

i64 KvCache::bytes_per_token(const ModelConfig& config, ops::CacheDType dtype) {
  return cache_row_layout(config, dtype).row_bytes() * config.num_hidden_layers;
}

device::PageShape KvCache::page_shape(const ModelConfig& config, ops::CacheDType dtype,
                                      i64 mtp_layers, Routes routes) {
  const ops::CacheRowLayout layout = cache_row_layout(config, dtype);
  i64 layers = config.num_hidden_layers + mtp_layers;
  if (routes == Routes::kKeep) {
    layers += ceil_div(num_moe_layers(config) * config.num_experts_per_tok, routes_per_row(layout));
  }
  return {.layers = layers, .row_bytes = layout.row_bytes()};
}

u8* KvCache::Impl::route_place(i64 token, i64 index) const {
  const i64 row = layout.row_bytes(), per_row = routes_per_row(layout);
  const i64 layer = num_layers + num_mtp() + index / per_row;
  const i64 slot = layer * device::kPageTokens + token % device::kPageTokens;
  return pages[static_cast<size_t>(token / device::kPageTokens)] + slot * row +
         index % per_row * static_cast<i64>(sizeof(u16));
}

void KvCache::Impl::write_route(i64 token, i64 layer, View<const i32, 1> chosen) const {
  const i64 begin = route_begin[static_cast<size_t>(layer)];
  for (i64 j = 0; j < topk; ++j) {
    const auto expert = static_cast<u16>(chosen(j));
    std::memcpy(route_place(token, begin + j), &expert, sizeof(expert));
  }
}

u16 KvCache::Impl::route(i64 token, i64 index) const {
  u16 expert = 0;
  std::memcpy(&expert, route_place(token, index), sizeof(expert));
  return expert;
}

void KvCache::read_routes(i64 tokens, std::vector<u16>& experts) const {
  FATHOM_CHECK(!impl_->route_begin.empty() && tokens >= 0 && tokens <= length(), "routes of ",
               tokens, " tokens of ", length());
  experts.clear();
  for (i64 token = 0; token < tokens; ++token) {
    for (i64 i = 0; i < impl_->routes_per_token; ++i) experts.push_back(impl_->route(token, i));
  }
}

}  // namespace fathom::model

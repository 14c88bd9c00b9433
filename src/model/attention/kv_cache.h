#pragma once
#include <memory>

#include "config/model/model_config.h"
#include "ops/quantize/quantize.h"

namespace fathom::model {

/// What attention reads of the tokens seen so far: one latent row a token and layer (MLA:
/// kv_lora_rank + rope numbers), or K and V rows (dense MHA/GQA). One sequence. Owns its memory;
/// grows to `capacity`.
class KvCache {
 public:
  /// Throws Error{kInvalidInput} if capacity exceeds the config's max_position_embeddings, and
  /// Error{kOutOfMemory} that says how much is needed and what is free.
  /// `mtp_layers`: also rows for that many MTP modules.
  KvCache(const ModelConfig& config, ops::CacheDType dtype, i64 capacity_tokens,
          i64 mtp_layers = 0);
  ~KvCache();
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;

  i64 capacity_tokens() const;
  /// Tokens held, of the main model.
  i64 length() const;
  /// Forgets the tokens from `length` on, and the MTP rows that have seen one of them: of depth k
  /// the rows from length - k on.
  void truncate(i64 length);
  /// Of all main layers.
  static i64 bytes_per_token(const ModelConfig& config, ops::CacheDType dtype);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::model

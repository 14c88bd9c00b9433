#pragma once
#include <memory>
#include <vector>

#include "config/model/model_config.h"
#include "device/paged_rows.h"
#include "ops/quantize/quantize.h"

namespace fathom::model {

/// What attention reads of the tokens of one sequence seen so far: one latent row a token and layer
/// (MLA: kv_lora_rank + rope numbers), or K and V rows (dense MHA/GQA). The rows lie in pages of
/// device::kPageTokens tokens: the cache's own, or lent by whoever shares them between sequences.
class KvCache {
 public:
  /// Whether pages have room behind their rows for the experts that each token chose.
  enum class Routes { kForget, kKeep };

  /// With pages of its own for `capacity_tokens`; the system commits them as rows are written, so a
  /// long capacity costs nothing at first. Throws Error{kInvalidInput} if capacity exceeds the
  /// config's max_position_embeddings, and Error{kOutOfMemory} that says how much is needed and
  /// what is free. `mtp_layers`: also rows for that many MTP modules.
  KvCache(const ModelConfig& config, ops::CacheDType dtype, i64 capacity_tokens,
          i64 mtp_layers = 0);
  /// Without pages: lend_page() brings them, `capacity_tokens` at most. Throws as above for such a
  /// capacity.
  static KvCache of_lent_pages(const ModelConfig& config, ops::CacheDType dtype,
                               i64 capacity_tokens, i64 mtp_layers = 0,
                               Routes routes = Routes::kForget);
  ~KvCache();
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;

  /// Tokens for which there are pages.
  i64 capacity_tokens() const;
  /// Tokens held, of the main model.
  i64 length() const;
  /// Forgets the tokens from `length` on, and the MTP rows that have seen one of them: of depth k
  /// the rows from length - k on.
  void truncate(i64 length);

  /// One more page of shape page_shape(); it must outlive its use here. Allocates nothing.
  void lend_page(u8* page);
  /// Gives all lent pages back and forgets all tokens.
  void return_pages();
  /// Rows before `length` of the MTP module of `depth` that were not made never will be: they are
  /// read as they lie.
  void skip_mtp_rows(i64 depth, i64 length);
  /// The lent pages hold the rows of `length` tokens already, those of MTP modules too.
  void adopt(i64 length);

  /// Of tokens [0, tokens), where routes are kept: [tokens, main MoE layers, topk] experts.
  /// OVERWRITTEN
  void read_routes(i64 tokens, std::vector<u16>& experts) const;

  /// Of all main layers.
  static i64 bytes_per_token(const ModelConfig& config, ops::CacheDType dtype);
  static device::PageShape page_shape(const ModelConfig& config, ops::CacheDType dtype,
                                      i64 mtp_layers, Routes routes = Routes::kForget);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit KvCache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::model

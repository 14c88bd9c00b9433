#pragma once
// Pre-tokenised pieces to ids: BPE behind a cache, and the whole-piece rule of ignore_merges.
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/piece_cache.h"
#include "tokenizer/token_table.h"

namespace fathom::tokenizer {

class PieceEncoder {
 public:
  /// May merging arrive at a control token (as Hugging Face lets it)?
  enum class ControlTokens { kAllowed, kExcluded };

  /// Checks every merge: both sides and their concatenation must be in the vocabulary. `table` must
  /// outlive the result.
  static Result<std::shared_ptr<const PieceEncoder>> build(const TokenizerSpec& spec,
                                                           const TokenTable& table,
                                                           ControlTokens control,
                                                           const std::string& where);

  /// Can merging arrive at a control token at all? In published files it cannot.
  static bool can_reach_control(const TokenizerSpec& spec, const TokenTable& table);

  /// One call's use of the encoder: holds a cache that no other call touches meanwhile.
  class Session {
   public:
    explicit Session(const PieceEncoder& encoder)
        : encoder_(encoder), cache_(encoder.borrow_cache()) {}
    ~Session() { encoder_.give_back(std::move(cache_)); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Appends the ids of `piece` (not empty).
    void encode(std::string_view piece, std::vector<i32>& ids);

   private:
    const PieceEncoder& encoder_;
    std::unique_ptr<PieceCache> cache_;
  };

  /// Use build(); public for make_shared alone.
  PieceEncoder(Bpe bpe, const TokenTable& table) : bpe_(std::move(bpe)), table_(table) {}

 private:
  void merge(std::string_view piece, std::vector<i32>& ids) const;
  std::string with_fused_unknowns(std::string_view piece) const;
  std::unique_ptr<PieceCache> borrow_cache() const;
  void give_back(std::unique_ptr<PieceCache> cache) const noexcept;

  Bpe bpe_;
  const TokenTable& table_;
  bool fuses_unknowns_ = false;  // bytes without tokens exist, and neighbours share one unk_id
  std::unordered_map<std::string_view, i32> whole_pieces_;  // raw bytes -> id, if ignore_merges
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<PieceCache>> idle_caches_;  // guarded by mutex_
  mutable size_t num_caches_ = 0;  // guarded by mutex_; lent ones included
};

}  // namespace fathom::tokenizer

#include "tokenizer/piece_encoder.h"

#include <fmt/format.h>

#include <optional>
#include <span>

namespace fathom::tokenizer {
namespace {

std::optional<i32> merged_id(const TokenTable& table, const Merge& merge) {
  return table.find(std::string(table.spelling(merge.left)).append(table.spelling(merge.right)));
}

}  // namespace

Result<std::shared_ptr<const PieceEncoder>> PieceEncoder::build(const TokenizerSpec& spec,
                                                                const TokenTable& table,
                                                                ControlTokens control,
                                                                const std::string& where) {
  const auto is_excluded = [&](i32 id) {
    return control == ControlTokens::kExcluded && table.is_control(id);
  };
  MergeTable merges(spec.merges.size());
  const auto vocab_size = static_cast<i32>(spec.vocab.size());
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const Merge& merge = spec.merges[rank];
    for (const i32 id : {merge.left, merge.right}) {
      if (id < 0 || id >= vocab_size) {
        return invalid_input(fmt::format("{}: merges[{}]: id {} is outside the vocabulary of {}",
                                         where, rank, id, vocab_size));
      }
    }
    const std::optional<i32> merged = merged_id(table, merge);
    if (!merged || *merged >= vocab_size) {
      return invalid_input(fmt::format("{}: merges[{}]: \"{}\" + \"{}\" is not in model.vocab",
                                       where, rank, table.spelling(merge.left),
                                       table.spelling(merge.right)));
    }
    if (is_excluded(*merged)) continue;
    const i32 merge_rank = spec.rank_is_merged_id ? *merged : static_cast<i32>(rank);
    merges.insert({merge.left, merge.right, merge_rank, *merged});
  }
  auto encoder = std::make_shared<PieceEncoder>(Bpe(table.byte_ids(), std::move(merges)), table);
  encoder->fuses_unknowns_ = spec.fuse_unk && spec.unk_id && table.is_incomplete();
  for (i32 id = 0; spec.ignore_merges && id < vocab_size; ++id) {
    if (table.is_byte_level(id) && !is_excluded(id)) {
      encoder->whole_pieces_.emplace(table.bytes(id), id);
    }
  }
  return encoder;
}

bool PieceEncoder::can_reach_control(const TokenizerSpec& spec, const TokenTable& table) {
  for (const AddedToken& token : spec.added_tokens) {
    if (spec.ignore_merges && table.is_control(token.id) && table.is_byte_level(token.id))
      return true;
  }
  for (const Merge& merge : spec.merges) {
    const std::optional<i32> merged = merged_id(table, merge);
    if (merged && table.is_control(*merged)) return true;
  }
  return false;
}

void PieceEncoder::Session::encode(std::string_view piece, std::vector<i32>& ids) {
  if (piece.size() > PieceCache::kMaxPieceBytes) return encoder_.merge(piece, ids);
  PieceCache::Slot& slot = cache_->slot_of(piece);
  if (PieceCache::holds(slot, piece)) {
    ids.insert(ids.end(), slot.ids, slot.ids + slot.num_ids);
    return;
  }
  const size_t begin = ids.size();
  encoder_.merge(piece, ids);
  PieceCache::store(slot, piece, std::span(ids).subspan(begin));
}

void PieceEncoder::merge(std::string_view piece, std::vector<i32>& ids) const {
  if (!whole_pieces_.empty()) {
    const auto whole = whole_pieces_.find(piece);
    if (whole != whole_pieces_.end()) return ids.push_back(whole->second);
  }
  if (fuses_unknowns_) return bpe_.merge(with_fused_unknowns(piece), ids);
  bpe_.merge(piece, ids);
}

/// Of each run of bytes without tokens only the first.
std::string PieceEncoder::with_fused_unknowns(std::string_view piece) const {
  std::string fused;
  bool after_missing = false;
  for (const char byte : piece) {
    const bool missing = table_.is_missing(byte);
    if (!missing || !after_missing) fused += byte;
    after_missing = missing;
  }
  return fused;
}

std::unique_ptr<PieceCache> PieceEncoder::borrow_cache() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_caches_.empty()) {
      std::unique_ptr<PieceCache> cache = std::move(idle_caches_.back());
      idle_caches_.pop_back();
      return cache;
    }
    // give_back must not allocate: it runs in a destructor.
    idle_caches_.reserve(++num_caches_);
  }
  return std::make_unique<PieceCache>();
}

void PieceEncoder::give_back(std::unique_ptr<PieceCache> cache) const noexcept {
  const std::lock_guard lock(mutex_);
  idle_caches_.push_back(std::move(cache));
}

}  // namespace fathom::tokenizer

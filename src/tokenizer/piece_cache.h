#pragma once
// Remembers the ids of short pieces: a few thousand words make up most of any text, and looking one
// up costs a tenth of merging it.
//
// A fixed table in which a new piece replaces the old one of its slot: bounded memory whatever the
// text, no eviction to manage, and only speed depends on what is in it. One thread at a time.
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::tokenizer {

class PieceCache {
 public:
  /// Longer pieces and those of more ids are not cached.
  static constexpr size_t kMaxPieceBytes = 32;
  static constexpr size_t kMaxIds = 7;

  struct alignas(64) Slot {
    u8 piece_bytes = 0;  // 0: the slot is free
    u8 num_ids = 0;

    char piece[kMaxPieceBytes];
    i32 ids[kMaxIds];
  };
  static_assert(sizeof(Slot) == 64, "one look-up should touch one cache line");

  PieceCache() : slots_(kNumSlots) {}

  /// The slot where `piece` (1 to kMaxPieceBytes bytes) is or belongs.
  Slot& slot_of(std::string_view piece) { return slots_[hash(piece) % kNumSlots]; }

  static bool holds(const Slot& slot, std::string_view piece) {
    return slot.piece_bytes == piece.size() &&
           std::memcmp(slot.piece, piece.data(), piece.size()) == 0;
  }

  static void store(Slot& slot, std::string_view piece, std::span<const i32> ids) {
    if (ids.size() > kMaxIds) return;
    slot.piece_bytes = static_cast<u8>(piece.size());
    slot.num_ids = static_cast<u8>(ids.size());
    std::memcpy(slot.piece, piece.data(), piece.size());
    std::memcpy(slot.ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr size_t kNumSlots = size_t{1}
                                      << 14;  // 1 MiB: stays in a core's second-level cache

  template <typename Word>
  static u64 load(const char* from) {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
  }

  static u64 mix(u64 a, u64 b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<u64>(product) ^ static_cast<u64>(product >> 64);
  }

  /// Reads every byte of at most 32, by loads that overlap rather than a loop over the rest.
  static size_t hash(std::string_view piece) {
    constexpr u64 kSeed0 = 0x9E3779B97F4A7C15u, kSeed1 = 0xD6E8FEB86659FD93u;
    const char* const begin = piece.data();
    const char* const end = begin + piece.size();
    u64 head = 0, tail = 0;
    if (piece.size() >= 8) {
      head = load<u64>(begin);
      tail = load<u64>(end - 8);
    } else if (piece.size() >= 4) {
      head = load<u32>(begin);
      tail = load<u32>(end - 4);
    } else {
      head = static_cast<u8>(begin[0]);
      tail = static_cast<u64>(static_cast<u8>(begin[piece.size() / 2])) << 8 |
             static_cast<u8>(end[-1]);
    }
    u64 state = mix(head ^ kSeed0, tail ^ kSeed1 ^ piece.size());
    if (piece.size() > 16) state = mix(state ^ load<u64>(begin + 8), load<u64>(end - 16) ^ kSeed0);
    return static_cast<size_t>(state);
  }

  std::vector<Slot> slots_;
};

}  // namespace fathom::tokenizer

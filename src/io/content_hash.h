#pragma once
// Identity of content, for caches and damage: XXH3 with 128 bits. Fast enough to read at the disk's
// speed; no defence against someone who forges a collision, which the user's own files need not be.
#include <compare>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::io {

struct Hash128 {
  u64 high = 0;
  u64 low = 0;
  auto operator<=>(const Hash128&) const = default;  // NOLINT: its zeros are no pointers
};

/// 32 lower-case hexadecimal digits.
std::string to_string(const Hash128& hash);

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const u8> bytes);
  /// Values with their length, so that the next one cannot run into them.
  void add(std::string_view text);
  void add(i64 number);
  void add(const Hash128& hash);
  /// Of everything so far.
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::io

#pragma once
// What a page is called: a keyed hash of everything that its rows depend on.
#include <array>
#include <compare>
#include <memory>
#include <span>
#include <string_view>

#include "base/types.h"

namespace fathom::engine {

/// Of BLAKE2b-256.
struct ChainKey {
  std::array<u8, 32> bytes{};
  auto operator<=>(const ChainKey&) const = default;  // NOLINT: its zeros are no pointers
};

/// What nobody outside the server knows, so that nobody can look for two texts with one key.
using ChainSecret = std::array<u8, 32>;

/// From the system's generator. Throws Error{kIo} if it has none.
ChainSecret random_secret();

/// Whose pages: requests find only those of their own namespace, whatever their tokens.
struct Namespace {
  std::string_view owner;  // the API key; shares and flushes are by owner
  std::string_view salt;   // the request's cache_salt, mostly empty
};

/// The chain of keys along a text: BLAKE2b-256(secret; namespace), then for every page
/// BLAKE2b-256(secret; key of the page before, token ids). Not thread-safe.
class ChainHasher {
 public:
  explicit ChainHasher(const ChainSecret& secret);
  ~ChainHasher();
  ChainHasher(const ChainHasher&) = delete;
  ChainHasher& operator=(const ChainHasher&) = delete;

  /// What stands before a namespace's first page.
  ChainKey root(const Namespace& space);
  ChainKey next(const ChainKey& parent, std::span<const i32> ids);
  /// What an owner is called where its name must not stand.
  ChainKey owner(std::string_view name);
  /// Another secret, for keys that must differ from those of other contexts.
  ChainSecret derive(std::string_view context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::engine

#include "io/content_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

#include "base/check.h"

namespace fathom::io {

struct Hasher::State {
  State() : xxh(XXH3_createState()) {
    if (xxh == nullptr) throw std::bad_alloc();
    FATHOM_CHECK(XXH3_128bits_reset(xxh) == XXH_OK);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* xxh;
};

std::string to_string(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const u8> bytes) {
  FATHOM_CHECK(XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size()) == XXH_OK);
}

void Hasher::add(std::string_view text) {
  add(std::ssize(text));
  update({reinterpret_cast<const u8*>(text.data()), text.size()});
}

void Hasher::add(i64 number) { update({reinterpret_cast<const u8*>(&number), sizeof(number)}); }

void Hasher::add(const Hash128& hash) {
  add(static_cast<i64>(hash.high));
  add(static_cast<i64>(hash.low));
}

Hash128 Hasher::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh);
  return {hash.high64, hash.low64};
}

}  // namespace fathom::io

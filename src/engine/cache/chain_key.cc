#include "engine/cache/chain_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "base/error.h"

namespace fathom::engine {
namespace {

// The first byte of every message: none of one kind can read like one of another.
constexpr u8 kOfNamespace = 'n', kOfPage = 'p', kOfOwner = 'o', kOfContext = 'c';

}  // namespace

ChainSecret random_secret() {
  ChainSecret secret;
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1) {
    throw Error(ErrorCode::kIo, "the system's random generator gives no secret for the cache keys");
  }
  return secret;
}

struct ChainHasher::State {
  explicit State(const ChainSecret& secret)
      : mac(EVP_MAC_fetch(nullptr, "BLAKE2BMAC", nullptr)),
        context(mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac)) {
    if (context == nullptr) {
      EVP_MAC_free(mac);
      throw Error(ErrorCode::kUnsupported, "this system's OpenSSL has no BLAKE2b (BLAKE2BMAC)");
    }
    size_t size = ChainKey().bytes.size();
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                     OSSL_PARAM_construct_end()};
    FATHOM_CHECK(EVP_MAC_init(context, secret.data(), secret.size(), parameters) == 1);
  }
  ~State() {
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// The secret stays from message to message.
  void begin() { FATHOM_CHECK(EVP_MAC_init(context, nullptr, 0, nullptr) == 1); }
  void add(const void* bytes, size_t size) {
    FATHOM_CHECK(EVP_MAC_update(context, static_cast<const u8*>(bytes), size) == 1);
  }
  ChainKey end() {
    ChainKey key;
    size_t size = 0;
    FATHOM_CHECK(EVP_MAC_final(context, key.bytes.data(), &size, key.bytes.size()) == 1 &&
                 size == key.bytes.size());
    return key;
  }

  ChainKey of(u8 kind, std::string_view text);

  EVP_MAC* mac;
  EVP_MAC_CTX* context;
};

ChainHasher::ChainHasher(const ChainSecret& secret) : state_(std::make_unique<State>(secret)) {}
ChainHasher::~ChainHasher() = default;

ChainKey ChainHasher::State::of(u8 kind, std::string_view text) {
  begin();
  add(&kind, 1);
  add(text.data(), text.size());
  return end();
}

ChainKey ChainHasher::root(const Namespace& space) {
  state_->begin();
  state_->add(&kOfNamespace, 1);
  const u64 owner_bytes = space.owner.size();  // where the owner ends and the salt begins
  state_->add(&owner_bytes, sizeof(owner_bytes));
  state_->add(space.owner.data(), space.owner.size());
  state_->add(space.salt.data(), space.salt.size());
  return state_->end();
}

ChainKey ChainHasher::next(const ChainKey& parent, std::span<const i32> ids) {
  state_->begin();
  state_->add(&kOfPage, 1);
  state_->add(parent.bytes.data(), parent.bytes.size());
  state_->add(ids.data(), ids.size_bytes());
  return state_->end();
}

ChainKey ChainHasher::owner(std::string_view name) { return state_->of(kOfOwner, name); }

ChainSecret ChainHasher::derive(std::string_view context) {
  return state_->of(kOfContext, context).bytes;
}

}  // namespace fathom::engine

#include "eval/task/few_shot.h"

#include <fmt/format.h>

#include "eval/text/python_json.h"

namespace fathom::eval {
namespace {

bool same(const Document& a, const Document& b) {
  return &a == &b || python_json(a.stored) == python_json(b.stored);
}

}  // namespace

ShotSampler::ShotSampler(std::span<const Document* const> pool, const ShotPolicy& policy)
    : pool_(pool.begin(), pool.end()), policy_(policy), random_(kShotSeed) {}

Result<std::vector<const Document*>> ShotSampler::sample(const Document& asked) {
  std::vector<const Document*> shots;
  if (policy_.shots == 0) return shots;
  const bool without_itself = policy_.from_test || policy_.extra;
  const i64 available = std::ssize(pool_);
  std::vector<const Document*> drawn = pool_;
  if (policy_.order == ShotOrder::kRandom) {
    const i64 wanted = policy_.shots + (without_itself ? 1 : 0);
    if (wanted > available) {
      return invalid_input(
          fmt::format("{} examples are drawn, but there are {}", wanted, available));
    }
    drawn.clear();
    for (const i64 index : random_.sample(available, wanted)) {
      drawn.push_back(pool_[static_cast<size_t>(index)]);
    }
  }
  for (const Document* const each : drawn) {
    if (std::ssize(shots) == policy_.shots) break;
    if (!without_itself || !same(*each, asked)) shots.push_back(each);
  }
  if (std::ssize(shots) < policy_.shots) {
    return invalid_input(
        fmt::format("{} examples are shown, but there are {}", policy_.shots, std::ssize(shots)));
  }
  return shots;
}

}  // namespace fathom::eval

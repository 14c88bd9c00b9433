#pragma once
// Which examples a document is shown with.
#include <span>
#include <vector>

#include "base/types.h"
#include "eval/task/documents.h"
#include "eval/task/python_random.h"

namespace fathom::eval {

/// lm-eval's fewshot_seed.
inline constexpr u64 kShotSeed = 1234;

struct ShotPolicy {
  i64 shots = 0;
  ShotOrder order = ShotOrder::kRandom;
  bool from_test = false;  // the pool holds the documents that are asked, too
  bool extra = false;      // one more is drawn than shown
};

/// Draws for one document after the other, in the order of lm-eval's samplers: the random one takes
/// from one generator a task, so that a document's examples depend on how many were drawn before.
class ShotSampler {
 public:
  ShotSampler(std::span<const Document* const> pool, const ShotPolicy& policy);

  /// kInvalidInput: the pool is too small.
  Result<std::vector<const Document*>> sample(const Document& asked);

 private:
  std::vector<const Document*> pool_;
  ShotPolicy policy_;
  PythonRandom random_;
};

}  // namespace fathom::eval

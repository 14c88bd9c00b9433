#pragma once
// How many tokens chose each expert, over the requests that an engine answers.
#include <string>
#include <vector>

#include "base/mutex.h"
#include "config/model/model_config.h"
#include "engine/request.h"

namespace fathom::engine {

class ExpertLoads {
 public:
  /// Counts nothing of a model without experts.
  explicit ExpertLoads(const ModelConfig& config);

  /// Sets request.on_routes, which uses this as long as the request lives. The engine must keep
  /// routes (EngineOptions::keep_routes). Engines of several ranks may count at once.
  void count_in(GenerateRequest& request);

  /// [MoE layers][experts], of all requests that have ended, as if each were computed alone: tokens
  /// found in the cache count too.
  std::vector<std::vector<i64>> counts() const;

 private:
  i64 experts_ = 0, experts_per_token_ = 1;
  mutable Mutex mutex_;
  std::vector<std::vector<i64>> counts_;
};

/// {"loads": [[...], ...]}, an array a layer, as `fathom plan balance` reads it; the file is
/// replaced whole. Throws Error.
void write_expert_loads(const std::string& path, const std::vector<std::vector<i64>>& counts);

}  // namespace fathom::engine

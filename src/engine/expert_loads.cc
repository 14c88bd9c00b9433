#include "engine/expert_loads.h"

#include "io/files/atomic_file.h"
#include "io/json.h"

namespace fathom::engine {

ExpertLoads::ExpertLoads(const ModelConfig& config) {
  if (!config.has_experts()) return;
  experts_ = config.n_routed_experts;
  experts_per_token_ = config.num_experts_per_tok;
  for (i64 layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (config.is_moe_layer(layer)) {
      counts_.emplace_back(static_cast<size_t>(config.n_routed_experts), 0);
    }
  }
}

void ExpertLoads::count_in(GenerateRequest& request) {
  if (counts_.empty()) return;
  request.on_routes = [this](i32, std::span<const u16> experts) {  // [tokens, layers, topk]
    // A long prompt has millions: the lock, which other ranks want too, is for their sums alone.
    const auto layers = std::ssize(counts_);
    std::vector<i64> sums(static_cast<size_t>(layers * experts_), 0);
    for (i64 i = 0; i < std::ssize(experts); ++i) {
      const i64 layer = i / experts_per_token_ % layers;
      ++sums[static_cast<size_t>(layer * experts_ + experts[static_cast<size_t>(i)])];
    }
    const Lock lock(mutex_);
    for (i64 s = 0; s < std::ssize(sums); ++s) {
      counts_[static_cast<size_t>(s / experts_)][static_cast<size_t>(s % experts_)] +=
          sums[static_cast<size_t>(s)];
    }
  };
}

std::vector<std::vector<i64>> ExpertLoads::counts() const {
  const Lock lock(mutex_);
  return counts_;
}

void write_expert_loads(const std::string& path, const std::vector<std::vector<i64>>& counts) {
  io::JsonArray layers;
  for (const std::vector<i64>& layer : counts) {
    layers.emplace_back(io::JsonArray(layer.begin(), layer.end()));
  }
  io::JsonObject object;
  object.set("loads", std::move(layers));
  io::write_file_atomically(path, io::write_json(std::move(object)) + "\n");
}

}  // namespace fathom::engine

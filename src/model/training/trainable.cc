#include "model/training/trainable.h"

#include <fmt/format.h>

#include "base/error.h"

namespace fathom::model {

void check_trainable(const ModelConfig& config, const TrainingRecipe& recipe, i64 sequences,
                     i64 seq_len) {
  value_or_throw(config.validate());
  std::string problems;
  const auto refuse = [&](const std::string& text) { problems += "\n  " + text; };
  if (sequences < 1 || seq_len < 1) {
    refuse(fmt::format("a micro-batch of {} sequences of {} tokens", sequences, seq_len));
  }
  if (seq_len > config.max_position_embeddings) {
    refuse(fmt::format("sequences of {} tokens, max_position_embeddings is {}", seq_len,
                       config.max_position_embeddings));
  }
  const BalanceConfig& balance = recipe.balance;
  const bool devices = balance.device_aux_loss_weight != 0.0 ||
                       balance.comm_aux_loss_weight != 0.0 || balance.capacity_factor > 0.0;
  if (devices && config.has_experts() &&
      (balance.num_devices < 1 || config.n_routed_experts % balance.num_devices != 0)) {
    refuse(fmt::format("balance.num_devices {} does not divide n_routed_experts {}",
                       balance.num_devices, config.n_routed_experts));
  }
  if (balance.comm_aux_loss_weight != 0.0 && balance.max_devices_per_token < 1) {
    refuse(fmt::format("balance.max_devices_per_token {}", balance.max_devices_per_token));
  }
  if (!problems.empty()) {
    throw Error(ErrorCode::kUnsupported, "this model cannot be trained so:" + problems);
  }
}

}  // namespace fathom::model

// Log-probabilities of samples by the training pass: of the policy, of the reference.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "checkpoint/flat_weights.h"
#include "io/files/atomic_file.h"
#include "io/mapped_file.h"
#include "posttrain/grpo/grpo.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;

/// A replaced reference as bytes: the step that it began to hold with, then the weights.
fs::path reference_file(const RunConfig& config, i64 step) {
  return fs::path(config.run.out) / fmt::format("reference-{:08}.bin", step);
}

/// Removes all references of a run but those of two steps.
void keep_references(const RunConfig& config, i64 step, i64 before) {
  std::vector<fs::path> others;
  for (const auto& file : fs::directory_iterator(config.run.out)) {
    const std::string name = file.path().filename().string();
    const bool is_reference = name.starts_with("reference-") && name.ends_with(".bin");
    if (is_reference && file.path() != reference_file(config, step) &&
        file.path() != reference_file(config, before)) {
      others.push_back(file.path());
    }
  }
  for (const fs::path& path : others) fs::remove(path);
}

std::vector<float> read_reference(const fs::path& path, i64 step, size_t size) {
  const auto file = value_or_throw(io::MappedFile::open(path));
  const auto bytes = file.bytes();
  i64 found = -1;
  if (bytes.size() == sizeof(found) + size * sizeof(float)) {
    std::memcpy(&found, bytes.data(), sizeof(found));
  }
  if (found != step) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: expected the reference of step {} with {} weights, found {} "
                            "bytes{}: go on from the newest checkpoint",
                            path.string(), step, size, bytes.size(),
                            found < 0 ? "" : fmt::format(" of step {}", found)));
  }
  std::vector<float> weights(size);
  std::memcpy(weights.data(), bytes.data() + sizeof(found), size * sizeof(float));
  return weights;
}

}  // namespace

/// A run that begins at `first_step` has the reference that it would have.
void Grpo::load_reference(i64 first_step) {
  reference_.assign(model_->weights().begin(), model_->weights().end());
  const i64 every = grpo_.reference_every;
  const i64 replaced = every == 0 ? 1 : (first_step - 1) / every * every + 1;
  if (replaced == first_step) return;  // these weights, at the run's beginning or as they are
  if (replaced == 1) {
    checkpoint::read_model_directory(*ctx_, model_->config(), model_->layout(),
                                     parts_.config.model.init_from, reference_);
  } else {
    reference_ =
        read_reference(reference_file(parts_.config, replaced), replaced, reference_.size());
  }
}

void Grpo::replace_reference(i64 step) {
  const i64 every = grpo_.reference_every;
  if (reference_.empty() || every == 0 || step == 1 || (step - 1) % every != 0) return;
  std::ranges::copy(model_->weights(), reference_.begin());
  std::string bytes(sizeof(step) + reference_.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), &step, sizeof(step));
  std::memcpy(bytes.data() + sizeof(step), reference_.data(), reference_.size() * sizeof(float));
  io::write_file_atomically(reference_file(parts_.config, step), bytes);
  // The one before, too: checkpoints that failed or were lost send a run back behind this step.
  keep_references(parts_.config, step, step - every);
}

model::RouteReplay* Grpo::routes_of(std::span<const PolicySample* const> samples, i64 seq_len) {
  if (!has_experts()) return nullptr;
  const ModelConfig& config = model_->config();
  i64 layers = 0;
  for (i64 layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers += config.is_moe_layer(layer) ? 1 : 0;
  }
  replay_.apply = grpo_.route_replay;
  replay_.chosen = fill_routes(samples, seq_len, layers, config.num_experts_per_tok, replay_ids_);
  return &replay_;
}

/// What the model as it is thinks of every answer's tokens, into `member`.
void Grpo::score(std::span<PolicySample> samples, Member member, Routes routes) {
  model_->refresh_weights(*ctx_);
  const std::vector<PolicySample*> all = longest_first(samples);
  const auto micro = static_cast<size_t>(parts_.config.train.micro_batch_sequences);
  data::SequenceBatch batch;
  model::StepStats unused(model_->config());
  for (size_t first = 0; first < all.size(); first += micro) {
    const auto part = std::span(all).subspan(first, std::min(micro, all.size() - first));
    fill_rows({part.data(), part.size()}, parts_.mtp_depth, batch);
    LogProbRecorder recorder(part, batch.seq_len, member, grpo_.temperature);
    model::TrainingBatch input = train::as_training_batch(batch, false);
    input.objective = &recorder;
    if (routes == Routes::kOfRollout) input.routes = routes_of(part, batch.seq_len);
    model_->forward_only(*ctx_, input, unused);
  }
}

void Grpo::score_reference(std::span<PolicySample> samples) {
  std::ranges::swap_ranges(model_->weights(), reference_);
  score(samples, &PolicySample::reference_log_probs, Routes::kLive);
  std::ranges::swap_ranges(model_->weights(), reference_);
}

void Grpo::find_log_ratios(std::span<PolicySample* const> samples) {
  log_ratios_.clear();
  std::vector<PolicySample> now;
  for (const PolicySample* sample : samples) now.push_back(*sample);
  score(now, &PolicySample::rollout_log_probs, Routes::kOfRollout);
  for (const PolicySample& sample : now) {
    double sum = 0.0;
    for (size_t t = 0; t < sample.old_log_probs.size(); ++t) {
      sum += sample.rollout_log_probs[t] - sample.old_log_probs[t];
    }
    log_ratios_.push_back(sum / static_cast<double>(std::max<i64>(1, sample.answer_tokens())));
  }
}

}  // namespace fathom::posttrain

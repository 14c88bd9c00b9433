#include "model/training/training_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "checkpoint/random_init.h"
#include "model/attention/rope.h"
#include "model/training/layers/loss_head.h"
#include "model/training/pass.h"
#include "model/training/trainable.h"
#include "tensor/buffer.h"

namespace fathom::model {
namespace {

void fill_zero(float* data, i64 count) {
  parallel_for(count, i64{1} << 16,
               [=](i64 begin, i64 end) { std::fill(data + begin, data + end, 0.0f); });
}

Buffer plan_activations(const ModelConfig& config, const TrainingRecipe& recipe,
                        const training::Precision& precision, i64 tokens,
                        training::ModelSaved& saved) {
  training::StoragePlan measure(nullptr);
  training::plan_model(config, recipe, precision, tokens, measure);
  Buffer buffer(Device::kCpu, measure.bytes(), "activations of a micro-batch");
  training::StoragePlan plan(buffer.data());
  saved = training::plan_model(config, recipe, precision, tokens, plan);
  return buffer;
}

Buffer parameter_array(const checkpoint::ParameterLayout& layout, const char* what) {
  return Buffer(Device::kCpu, layout.size() * static_cast<i64>(sizeof(float)), what);
}
float* floats(Buffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }

}  // namespace

struct TrainingModel::Impl {
  Impl(const Ctx& ctx, const ModelConfig& c, const TrainingRecipe& r, i64 sequences, i64 length)
      : config(c),
        recipe(r),
        seq_len(length),
        layout(c),
        precision(r.precision),
        rope(make_rope_table(c)),
        weight_array(parameter_array(layout, "weights")),
        gradient_array(parameter_array(layout, "gradients")),
        activations(plan_activations(config, recipe, precision, sequences * length, saved)),
        packed(config, layout, precision, floats(weight_array)),
        weights(training::bind_weights(config, layout, floats(weight_array), packed)),
        gradients(training::bind_grads(config, layout, floats(gradient_array))) {
    for (const i64 layer : moe_layers(config)) {
      moe_names.push_back(fmt::format("model.layers.{}", layer));
    }
    raw_counts.resize(moe_names.size() * static_cast<size_t>(config.n_routed_experts));
    packed.lay_out(ctx);
  }

  training::TrainStep start(Ctx& ctx, const TrainingBatch& batch);
  View<i64, 2> raw_count_view() {
    return {raw_counts.data(), {std::ssize(moe_names), config.n_routed_experts}};
  }
  bool has_batch_loss() const {
    return recipe.balance.batch_aux_loss_weight != 0.0 && !moe_names.empty();
  }

  ModelConfig config;
  TrainingRecipe recipe;
  i64 seq_len;
  checkpoint::ParameterLayout layout;
  training::Precision precision;
  ops::RopeTable rope;
  Buffer weight_array, gradient_array;
  training::ModelSaved saved;  // before `activations`, which fills it
  Buffer activations;
  training::PackedWeights packed;
  training::TrainingModelWeights weights;
  training::ModelGrads gradients;
  std::vector<std::string> moe_names;
  std::vector<i64> raw_counts;  // [MoE layers, experts] of the step so far
  i64 counted_sequences = 0;    // that raw_counts holds
};

/// The step of a batch, its inputs in place.
training::TrainStep TrainingModel::Impl::start(Ctx& ctx, const TrainingBatch& batch) {
  FATHOM_CHECK(packed.packed_for(ctx), "begin_step or refresh_weights comes first");
  training::set_inputs(ctx, config, batch, saved);
  const i64 sequences = batch.tokens.dim(0);
  const i64 length = batch.tokens.dim(1) - 1 - config.num_nextn_predict_layers;
  const i64 tokens = sequences * length;
  FATHOM_CHECK(length <= seq_len, "sequences of ", length, " tokens, made for ", seq_len);
  training::TrainStep step{.ctx = ctx,
                           .config = config,
                           .recipe = recipe,
                           .precision = precision,
                           .sequences = sequences,
                           .seq_len = length};
  step.rope.cos = saved.rope.cos.slice(0, 0, tokens);
  step.rope.sin = saved.rope.sin.slice(0, 0, tokens);
  ops::rope_angles(ctx, rope, saved.positions.slice(0, 0, tokens), step.rope);
  if (batch.isolate_documents) step.first_key = saved.first_key.slice(0, 0, tokens);
  FATHOM_CHECK(recipe.balance.capacity_factor == 0.0 || batch.samples.dim(0) == sequences,
               "samples ", batch.samples, " of ", sequences, " sequences");
  step.samples = batch.samples;
  step.objective = batch.objective;
  return step;
}

TrainingModel::TrainingModel(const Ctx& ctx, const ModelConfig& config,
                             const TrainingRecipe& recipe, i64 micro_sequences, i64 seq_len) {
  check_trainable(config, recipe, micro_sequences, seq_len);
  impl_ = std::make_unique<Impl>(ctx, config, recipe, micro_sequences, seq_len);
}
TrainingModel::~TrainingModel() = default;

const ModelConfig& TrainingModel::config() const { return impl_->config; }
const checkpoint::ParameterLayout& TrainingModel::layout() const { return impl_->layout; }
std::span<float> TrainingModel::weights() {
  return {floats(impl_->weight_array), static_cast<size_t>(impl_->layout.size())};
}
std::span<float> TrainingModel::gradients() {
  return {floats(impl_->gradient_array), static_cast<size_t>(impl_->layout.size())};
}
i64 TrainingModel::allocated_bytes() const {
  return impl_->weight_array.size_bytes() + impl_->gradient_array.size_bytes() +
         impl_->activations.size_bytes() + impl_->packed.size_bytes();
}

void TrainingModel::initialise(Ctx&, double std, u64 seed) {
  const checkpoint::RandomInitOptions options{.weight_std = std, .seed = seed};
  for (const checkpoint::ParameterSlot& slot : impl_->layout.slots()) {
    const std::vector<i64>& shape = slot.parameter.shape;
    const i64 cols = shape.back();
    checkpoint::fill_random_rows(
        impl_->config, slot.parameter, options, /*begin=*/0,
        {floats(impl_->weight_array) + slot.offset, {slot.parameter.elements() / cols, cols}});
  }
}

void TrainingModel::begin_step(Ctx& ctx) {
  refresh_weights(ctx);
  fill_zero(floats(impl_->gradient_array), impl_->layout.size());
  std::ranges::fill(impl_->raw_counts, 0);
  impl_->counted_sequences = 0;
}

void TrainingModel::refresh_weights(Ctx& ctx) { impl_->packed.pack(ctx); }

bool TrainingModel::needs_counting_pass() const { return impl_->has_batch_loss(); }

void TrainingModel::count_experts(Ctx& ctx, const TrainingBatch& batch) {
  if (!impl_->has_batch_loss()) return;
  training::TrainStep step = impl_->start(ctx, batch);
  step.drop_tokens = impl_->recipe.balance.capacity_factor > 0.0;
  step.raw_counts = impl_->raw_count_view();
  training::forward_pass(step, impl_->weights, std::ssize(impl_->weights.mtp), impl_->saved);
  impl_->counted_sequences += step.sequences;
}

void TrainingModel::forward_backward(Ctx& ctx, const TrainingBatch& batch, const LossScale& scale,
                                     StepStats& stats) {
  Impl& m = *impl_;
  training::TrainStep step = m.start(ctx, batch);
  step.drop_tokens = m.recipe.balance.capacity_factor > 0.0;
  step.stats = &stats;
  step.scale = scale;
  if (m.has_batch_loss()) {
    // One micro-batch is the whole step: its own forward pass counts.
    if (m.counted_sequences == 0) {
      step.raw_counts = m.raw_count_view();
      m.counted_sequences = step.sequences;
    }
    FATHOM_CHECK(static_cast<double>(m.counted_sequences) == scale.sequences,
                 "count_experts has seen ", m.counted_sequences, " of the step's ", scale.sequences,
                 " sequences");
    step.batch_counts = m.raw_count_view();
  }
  stats.tokens += step.tokens();
  training::forward_pass(step, m.weights, std::ssize(m.weights.mtp), m.saved);

  Workspace::Scope scratch(ctx.workspace());
  const auto dhidden =
      scratch.alloc<float>(1 + std::ssize(m.weights.mtp), step.tokens(), m.config.hidden_size);
  training::head_losses(step, m.weights, m.saved, dhidden, m.gradients.lm_head);
  training::backward_pass(step, m.weights, m.saved, dhidden, m.gradients);
}

void TrainingModel::forward_only(Ctx& ctx, const TrainingBatch& batch, StepStats& stats) {
  training::TrainStep step = impl_->start(ctx, batch);
  step.stats = &stats;
  stats.tokens += step.tokens();
  training::forward_pass(step, impl_->weights, std::ssize(impl_->weights.mtp), impl_->saved);
  training::head_losses(step, impl_->weights, impl_->saved, /*dhidden=*/{}, /*dhead=*/{});
}

void TrainingModel::forward_logits(Ctx& ctx, const TrainingBatch& batch, View<float, 2> logits) {
  const training::TrainStep step = impl_->start(ctx, batch);
  FATHOM_CHECK(logits.dim(0) == step.tokens() && logits.dim(1) == impl_->config.vocab_size,
               "logits ", logits, " of ", step.tokens(), " tokens");
  training::forward_pass(step, impl_->weights, /*modules=*/0, impl_->saved);
  training::head_logits(step, *impl_->weights.lm_head,
                        impl_->saved.hidden[0].slice(0, 0, step.tokens()), logits);
}

View<float, 1> TrainingModel::router_bias(i64 moe_layer) {
  const std::string name = moe_layer_name(moe_layer) + ".mlp.gate.e_score_correction_bias";
  if (impl_->layout.find(name) == nullptr) return {};
  return impl_->layout.vector(floats(impl_->weight_array), name);
}
i64 TrainingModel::num_moe_layers() const { return std::ssize(impl_->moe_names); }
const std::string& TrainingModel::moe_layer_name(i64 moe_layer) const {
  return impl_->moe_names.at(static_cast<size_t>(moe_layer));
}

}  // namespace fathom::model

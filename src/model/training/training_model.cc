#include "model/training/training_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "checkpoint/random_init.h"
#include "model/attention/rope.h"
#include "model/training/layers/loss_head.h"
#include "model/training/trainable.h"
#include "model/training/training_model_impl.h"

namespace fathom::model {
namespace {

void fill_zero(float* data, i64 count) {
  parallel_for(count, i64{1} << 16,
               [=](i64 begin, i64 end) { std::fill(data + begin, data + end, 0.0f); });
}

Buffer parameter_array(const checkpoint::ParameterLayout& layout, const char* what) {
  return Buffer(Device::kCpu, layout.size() * static_cast<i64>(sizeof(float)), what);
}
float* floats(Buffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }

/// Tokens of each row before its padding; nothing where no row is padded.
void find_lengths(const ModelConfig& config, const TrainingBatch& batch,
                  std::vector<i32>& lengths) {
  lengths.clear();
  if (batch.documents.empty()) return;
  const i64 seq_len = batch.tokens.dim(1) - 1 - config.num_nextn_predict_layers;
  bool padded = false;
  for (i64 s = 0; s < batch.documents.dim(0); ++s) {
    i64 length = seq_len;
    while (length > 0 && batch.documents(s, length - 1) < 0) --length;
    padded = padded || length < seq_len;
    lengths.push_back(static_cast<i32>(length));
  }
  if (!padded) lengths.clear();
}

}  // namespace

TrainingModel::Impl::Impl(const Ctx& ctx, const ModelConfig& c, const TrainingRecipe& r,
                          i64 sequences, i64 length, const RankPart& p)
    : config(c),
      recipe(r),
      part(p),
      stages(p.stages.empty() ? std::vector{whole_model(c)} : p.stages),
      micro_tokens(sequences * length),
      seq_len(length),
      layout(c, [&](const Parameter& parameter) { return part.holds(config, parameter); }),
      precision(r.precision),
      rope(make_rope_table(c)),
      weight_array(parameter_array(layout, "weights")),
      gradient_array(parameter_array(layout, "gradients")),
      packed(part.has_tied_head(config), layout, precision, floats(weight_array)),
      weights(training::bind_weights(config, layout, floats(weight_array), packed)),
      gradients(training::bind_grads(config, layout, floats(gradient_array))) {
  for (const i64 layer : moe_layers(config)) {
    moe_names.push_back(fmt::format("model.layers.{}", layer));
  }
  counted.resize(moe_names.size() * static_cast<size_t>(config.n_routed_experts) + 1);
  packed.lay_out(ctx);
  for (i64 stage = 0; stage < std::ssize(stages); ++stage) {
    slot(take_slot(stage)).taken = false;  // allocates the stage's first slot
  }
}

i64 TrainingModel::Impl::take_slot(i64 stage) {
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i]->taken || slots[i]->stage != stage) continue;
    slots[i]->taken = true;
    return static_cast<i64>(i);
  }
  ExchangeRoom room;
  if (part.exchange != nullptr) {
    room = part.exchange->room(config.num_experts_per_tok, part.expert_room);
  }
  const training::PassShape shape{config, recipe, precision,
                                  part.exchange == nullptr ? nullptr : &room};
  const StageLayers& layers = stages[static_cast<size_t>(stage)];
  training::StoragePlan measure(nullptr);
  training::plan_stage(shape, layers, micro_tokens, measure);
  auto made = std::make_unique<MicroBatchSlot>();
  made->stage = stage;
  made->taken = true;
  made->storage = Buffer(Device::kCpu, measure.bytes(), "activations of a micro-batch");
  training::StoragePlan plan(made->storage.data());
  made->saved = training::plan_stage(shape, layers, micro_tokens, plan);
  slots.push_back(std::move(made));
  return std::ssize(slots) - 1;
}

void TrainingModel::Impl::set_inputs(Ctx& ctx, MicroBatchSlot& slot, const TrainingBatch& batch) {
  training::set_inputs(ctx, config, batch, slot.saved);
  slot.batch = batch;
  find_lengths(config, batch, slot.lengths);
  training::TrainStep step = step_of(ctx, slot);
  FATHOM_CHECK(step.seq_len <= seq_len, "sequences of ", step.seq_len, " tokens, made for ",
               seq_len);
  ops::rope_angles(ctx, rope, slot.saved.positions.slice(0, 0, step.tokens()), step.rope);
}

training::TrainStep TrainingModel::Impl::step_of(Ctx& ctx, MicroBatchSlot& slot) {
  FATHOM_CHECK(packed.packed_for(ctx), "begin_step or refresh_weights comes first");
  const TrainingBatch& batch = slot.batch;
  const i64 sequences = batch.tokens.dim(0);
  const i64 length = batch.tokens.dim(1) - 1 - config.num_nextn_predict_layers;
  const i64 tokens = sequences * length;
  training::TrainStep step{.ctx = ctx,
                           .config = config,
                           .recipe = recipe,
                           .precision = precision,
                           .sequences = sequences,
                           .seq_len = length,
                           .exchange = part.exchange};
  step.rope = {.cos = slot.saved.rope.cos.slice(0, 0, tokens),
               .sin = slot.saved.rope.sin.slice(0, 0, tokens),
               .pairing = rope.pairing};
  if (batch.isolate_documents) step.first_key = slot.saved.first_key.slice(0, 0, tokens);
  FATHOM_CHECK(recipe.balance.capacity_factor == 0.0 || batch.samples.dim(0) == sequences,
               "samples ", batch.samples, " of ", sequences, " sequences");
  step.samples = batch.samples;
  step.objective = batch.objective;
  step.routes = batch.routes;
  step.lengths = {slot.lengths.data(), {std::ssize(slot.lengths)}};
  return step;
}

TrainingModel::TrainingModel(const Ctx& ctx, const ModelConfig& config,
                             const TrainingRecipe& recipe, i64 micro_sequences, i64 seq_len,
                             const RankPart& part) {
  check_trainable(config, recipe, micro_sequences, seq_len);
  impl_ = std::make_unique<Impl>(ctx, config, recipe, micro_sequences, seq_len, part);
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
  i64 activations = 0;
  for (const auto& slot : impl_->slots) {
    activations += slot->storage.size_bytes() + slot->kept.capacity_bytes();
  }
  return impl_->weight_array.size_bytes() + impl_->gradient_array.size_bytes() +
         impl_->packed.size_bytes() + activations;
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
  std::ranges::fill(impl_->counted, 0);
}

void TrainingModel::refresh_weights(Ctx& ctx) { impl_->packed.pack(ctx); }

bool TrainingModel::needs_counting_pass() const { return impl_->has_batch_loss(); }

namespace {

/// A slot of the whole model's one stage, and its residual stream, for a pass.
class WholePass {
 public:
  WholePass(TrainingModel& model, Ctx& ctx, const TrainingBatch& batch)
      : model_(model),
        slot_(model.take_slot(ctx, 0, batch)),
        scratch_(ctx.workspace()),
        tokens_(batch.tokens.dim(0) *
                (batch.tokens.dim(1) - 1 - model.config().num_nextn_predict_layers)) {}
  ~WholePass() { model_.free_slot(slot_); }
  WholePass(const WholePass&) = delete;
  WholePass& operator=(const WholePass&) = delete;

  i64 slot() const { return slot_; }
  i64 tokens() const { return tokens_; }
  View<float, 2> stream() { return scratch_.alloc<float>(tokens_, model_.config().hidden_size); }
  View<float, 3> embeddings() {
    const ModelConfig& config = model_.config();
    if (config.num_nextn_predict_layers == 0) return {};
    return scratch_.alloc<float>(config.num_nextn_predict_layers, tokens_, config.hidden_size);
  }

 private:
  TrainingModel& model_;
  i64 slot_;
  Workspace::Scope scratch_;
  i64 tokens_;
};

}  // namespace

void TrainingModel::count_experts(Ctx& ctx, const TrainingBatch& batch) {
  if (!impl_->has_batch_loss()) return;
  WholePass pass(*this, ctx, batch);
  stage_forward(ctx, pass.slot(), pass.stream(), nullptr, Dropping::kAsRecipe);
  impl_->counted.back() += batch.tokens.dim(0);
}

std::span<i64> TrainingModel::counted() const { return impl_->counted; }

void TrainingModel::forward_backward(Ctx& ctx, const TrainingBatch& batch, const LossScale& scale,
                                     StepStats& stats) {
  WholePass pass(*this, ctx, batch);
  {
    Workspace::Scope scratch(ctx.workspace());
    const auto x = scratch.alloc<float>(pass.tokens(), impl_->config.hidden_size);
    stage_forward(ctx, pass.slot(), x, &stats, Dropping::kAsRecipe);
  }
  const auto dembeddings = pass.embeddings();
  stage_backward(ctx, pass.slot(), scale, stats, pass.stream(), dembeddings, WeightWork::kNow);
}

void TrainingModel::forward_only(Ctx& ctx, const TrainingBatch& batch, StepStats& stats) {
  WholePass pass(*this, ctx, batch);
  stage_forward(ctx, pass.slot(), pass.stream(), &stats, Dropping::kNone);
  stage_losses(ctx, pass.slot(), stats);
}

void TrainingModel::forward_logits(Ctx& ctx, const TrainingBatch& batch, View<float, 2> logits) {
  WholePass pass(*this, ctx, batch);
  MicroBatchSlot& slot = impl_->slot(pass.slot());
  const training::TrainStep step = impl_->step_of(ctx, slot);
  FATHOM_CHECK(logits.dim(0) == step.tokens() && logits.dim(1) == impl_->config.vocab_size,
               "logits ", logits, " of ", step.tokens(), " tokens");
  training::forward_pass(step, impl_->weights, impl_->stages.front(), /*modules=*/0, pass.stream(),
                         slot.saved);
  training::head_logits(step, *impl_->weights.lm_head,
                        slot.saved.hidden[0].slice(0, 0, step.tokens()), logits);
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

#include "model/model.h"

#include <fmt/format.h>

#include <cstring>

#include "model/mtp.h"
#include "model/part_timer.h"
#include "model/step.h"
#include "model/weights/weights.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"
#include "ops/rows.h"

namespace fathom::model {
namespace {

void check_token_ids(const ModelConfig& config, std::span<const i32> ids) {
  for (const i32 id : ids) {
    if (id < 0 || id >= config.vocab_size) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("token id {} is outside the vocabulary of {}", id, config.vocab_size));
    }
  }
}

void check_room(const KvCache::Impl& cache, i64 held_tokens, i64 new_tokens) {
  if (new_tokens > cache.capacity_tokens - held_tokens) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} tokens and {} new ones do not fit into a context of {}",
                            held_tokens, new_tokens, cache.capacity_tokens));
  }
}

void check_cache(const ModelConfig& config, const KvCache::Impl& cache) {
  FATHOM_CHECK(cache.num_layers == config.num_hidden_layers &&
                   cache.layout.cols == config.cache_elements_per_layer(),
               "a cache of ", cache.num_layers, " layers of ", cache.layout.cols,
               " numbers was made for another model");
}

/// Everything that can be wrong with a step, before any cache is touched.
void check_steps(const ModelConfig& config, std::span<const SequenceStep> steps) {
  FATHOM_CHECK(!steps.empty(), "a step without sequences");
  for (size_t i = 0; i < steps.size(); ++i) {
    const SequenceStep& step = steps[i];
    FATHOM_CHECK(step.cache != nullptr && !step.token_ids.empty(), "sequence ", i,
                 " of a step needs a cache and at least one token");
    for (size_t j = 0; j < i; ++j) {
      FATHOM_CHECK(steps[j].cache != step.cache, "sequences ", j, " and ", i, " share a cache");
    }
    const KvCache::Impl& cache = step.cache->impl();
    check_cache(config, cache);
    check_room(cache, cache.length_tokens, static_cast<i64>(step.token_ids.size()));
    check_token_ids(config, step.token_ids);
  }
}

i64 wanted_rows(const SequenceStep& step) {
  return step.all_logits ? static_cast<i64>(step.token_ids.size()) : 1;
}

/// The arrays that a step packs from its sequences; all but `sequences` have one entry a row.
struct PackedStep {
  View<i32, 1> token_ids;            // [tokens]
  View<i64, 1> positions;            // [tokens]
  View<BatchSequence, 1> sequences;  // [sequences]
};

PackedStep pack(std::span<const SequenceStep> steps, Workspace::Scope& scratch) {
  i64 tokens = 0;
  for (const SequenceStep& step : steps) tokens += static_cast<i64>(step.token_ids.size());
  const PackedStep packed{.token_ids = scratch.alloc<i32>(tokens),
                          .positions = scratch.alloc<i64>(tokens),
                          .sequences = scratch.alloc<BatchSequence>(steps.size())};
  i64 row = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    KvCache::Impl& cache = steps[i].cache->impl();
    const i64 count = static_cast<i64>(steps[i].token_ids.size());
    packed.sequences(i) = {
        .row_begin = row, .tokens = count, .position_begin = cache.length_tokens, .cache = &cache};
    for (i64 t = 0; t < count; ++t, ++row) {
      packed.token_ids(row) = steps[i].token_ids[static_cast<size_t>(t)];
      packed.positions(row) = cache.length_tokens + t;
    }
  }
  return packed;
}

/// The rows of a step for which logits were asked, [rows].
View<const i32, 1> wanted_row_ids(std::span<const SequenceStep> steps, i64 rows,
                                  Workspace::Scope& scratch) {
  const auto ids = scratch.alloc<i32>(rows);
  i64 end = 0, row = 0;
  for (const SequenceStep& step : steps) {
    end += static_cast<i64>(step.token_ids.size());
    for (i64 from = end - wanted_rows(step); from < end; ++from, ++row) {
      ids(row) = static_cast<i32>(from);
    }
  }
  return ids;
}

}  // namespace

std::string_view to_string(StepPart part) {
  switch (part) {
    case StepPart::kAttention:
      return "attention";
    case StepPart::kExperts:
      return "experts";
    case StepPart::kDenseFfn:
      return "dense";
    case StepPart::kHead:
      return "head";
  }
  return "?";
}

Model::Model() = default;
Model::~Model() = default;

std::unique_ptr<Model> Model::load(Ctx& ctx, const std::string& path, const LoadOptions& options) {
  std::unique_ptr<Model> model(new Model());  // the constructor is private
  model->weights_ = load_weights(ctx, path, options.gguf_dtype, options.on_progress);
  return model;
}

std::unique_ptr<Model> Model::random(Ctx& ctx, const ModelConfig& config,
                                     const RandomWeights& options) {
  std::unique_ptr<Model> model(new Model());
  model->weights_ = make_random_weights(ctx, config, options);
  return model;
}

const ModelConfig& Model::config() const { return weights_->config; }
const std::string& Model::directory() const { return weights_->directory; }
i64 Model::weight_bytes() const { return weights_->stored_bytes; }
ReadBytes Model::read_bytes() const { return model::read_bytes(*weights_); }
i64 Model::num_mtp() const { return std::ssize(weights_->mtp); }

i64 Model::logits_rows(std::span<const SequenceStep> steps) {
  i64 rows = 0;
  for (const SequenceStep& step : steps) rows += wanted_rows(step);
  return rows;
}

namespace {

/// What decides how a sequence's rows are computed: two of one kind may share a pass.
struct StepKind {
  bool prefill_rows;    // in the layers
  bool prefill_logits;  // in the head

  explicit StepKind(const SequenceStep& step)
      : prefill_rows(std::ssize(step.token_ids) >= kPrefillTokens),
        prefill_logits(step.all_logits && prefill_rows) {}
  bool operator==(const StepKind&) const = default;
};

/// One pass over sequences of one kind; the caches' lengths stay as they are.
void forward_alike(Ctx& ctx, const Weights& w, std::span<const SequenceStep> steps,
                   const RunOptions& options, View<float, 2> logits, View<float, 2> hidden) {
  const StepKind kind(steps.front());
  const i64 rows = logits.dim(0), width = w.config.hidden_size;
  Workspace::Scope scratch(ctx.workspace());
  const PackedStep packed = pack(steps, scratch);
  const StepContext step{.ctx = ctx,
                         .config = w.config,
                         .rope = w.rope,
                         .options = options,
                         .positions = packed.positions,
                         .sequences = {packed.sequences.data(), steps.size()},
                         .prefill = kind.prefill_rows};
  const auto x = scratch.alloc<float>(packed.token_ids.dim(0), width);  // the residual stream
  ops::embedding_forward(ctx, w.embed_tokens, packed.token_ids, x);
  for (size_t layer = 0; layer < w.layers.size(); ++layer) {
    block_forward(step, w.layers[layer], static_cast<i64>(layer), x);
  }
  const auto last = hidden.empty() ? scratch.alloc<float>(rows, width) : hidden;
  ops::gather_rows(ctx, x, wanted_row_ids(steps, rows, scratch), last);
  const PartTimer timer(options.profile, StepPart::kHead);
  ops::rmsnorm_forward(ctx, last, w.norm, w.config.rms_norm_eps, last);
  ops::linear_forward(ctx, last, w.lm_head, logits, {options.activations, kind.prefill_logits});
}

}  // namespace

void Model::forward(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
                    View<float, 2> logits, View<float, 2> hidden) const {
  const Weights& w = *weights_;
  const i64 rows = logits_rows(steps), width = w.config.hidden_size;
  check_steps(w.config, steps);
  FATHOM_CHECK(logits.dim(0) == rows && logits.dim(1) == w.config.vocab_size, "logits ", logits,
               ", expected [", rows, ", ", w.config.vocab_size, "]");
  FATHOM_CHECK(hidden.empty() || (hidden.dim(0) == rows && hidden.dim(1) == width), "hidden ",
               hidden, ", expected [", rows, ", ", width, "]");

  // Neighbours of one kind share a pass; a step of prefills and single tokens reads its weights
  // twice.
  i64 row = 0;
  for (size_t begin = 0, end = 0; begin < steps.size(); begin = end) {
    while (end < steps.size() && StepKind(steps[end]) == StepKind(steps[begin])) ++end;
    const auto alike = steps.subspan(begin, end - begin);
    const i64 count = logits_rows(alike);
    forward_alike(ctx, w, alike, options, logits.slice(0, row, count),
                  hidden.empty() ? hidden : hidden.slice(0, row, count));
    row += count;
  }
  // Only now do the new rows count: a throw above leaves every cache as it was.
  for (const SequenceStep& sequence : steps) {
    sequence.cache->impl().length_tokens += static_cast<i64>(sequence.token_ids.size());
  }
}

namespace {

/// Shapes and rows, and that the checkpoint has such a module.
void check_mtp_step(const Weights& w, const MtpStep& step, View<float, 2> logits,
                    View<float, 2> hidden) {
  if (step.depth > std::ssize(w.mtp)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: an MTP module of depth {} was asked for, this checkpoint has {}",
                            w.directory, step.depth, w.mtp.size()));
  }
  const KvCache::Impl& rows = step.cache->impl();
  const i64 tokens = std::ssize(step.next_tokens), width = w.config.hidden_size;
  check_cache(w.config, rows);
  FATHOM_CHECK(tokens > 0 && step.hidden.dim(0) == tokens && step.hidden.dim(1) == width, "hidden ",
               step.hidden, " for ", tokens, " tokens");
  FATHOM_CHECK(step.depth >= 1 && step.depth <= std::ssize(rows.mtp_length_tokens), "depth ",
               step.depth, " of a cache with rows for ", rows.mtp_length_tokens.size());
  const i64 held = rows.mtp_length_tokens[static_cast<size_t>(step.depth - 1)];
  FATHOM_CHECK(step.positions_begin >= 0 && step.positions_begin <= held, "MTP row ",
               step.positions_begin, " after ", held);
  FATHOM_CHECK(logits.empty() || (logits.dim(0) <= tokens && logits.dim(1) == w.config.vocab_size),
               "logits ", logits, " for ", tokens, " tokens");
  FATHOM_CHECK(hidden.empty() ||
                   (hidden.dims() == step.hidden.dims() && hidden.data() != step.hidden.data()),
               "hidden ", hidden, " for ", tokens, " tokens");
  check_room(rows, step.positions_begin, tokens);
  check_token_ids(w.config, step.next_tokens);
}

}  // namespace

void Model::mtp_forward(Ctx& ctx, const MtpStep& mtp, const RunOptions& options,
                        View<float, 2> logits, View<float, 2> hidden) const {
  const Weights& w = *weights_;
  check_mtp_step(w, mtp, logits, hidden);
  const MtpWeights& module = w.mtp[static_cast<size_t>(mtp.depth - 1)];
  KvCache::Impl& rows = mtp.cache->impl();
  const i64 tokens = std::ssize(mtp.next_tokens);
  Workspace::Scope scratch(ctx.workspace());
  const auto positions = scratch.alloc<i64>(tokens);
  for (i64 t = 0; t < tokens; ++t) positions(t) = mtp.positions_begin + t;
  const BatchSequence sequence{
      .row_begin = 0, .tokens = tokens, .position_begin = mtp.positions_begin, .cache = &rows};
  const StepContext step{.ctx = ctx,
                         .config = w.config,
                         .rope = w.rope,
                         .options = options,
                         .positions = positions,
                         .sequences = {&sequence, 1}};
  const auto out = hidden.empty() ? scratch.alloc<float>(tokens, w.config.hidden_size) : hidden;
  const View<const i32, 1> ids(mtp.next_tokens.data(), {tokens});
  mtp_block_forward(step, module, rows.num_layers + mtp.depth - 1, mtp.hidden, ids, out);
  if (!logits.empty() && logits.dim(0) > 0) {
    const i64 wanted = logits.dim(0);
    ops::linear_forward(ctx, out.slice(0, tokens - wanted, wanted), module.shared_head_head, logits,
                        options.activations);
  }
  rows.set_mtp_length(mtp.depth, mtp.positions_begin, tokens);
}

}  // namespace fathom::model

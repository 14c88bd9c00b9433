#include "engine/run/start_costs.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/checked_math.h"
#include "base/clock.h"
#include "model/attention/kv_cache.h"
#include "tensor/buffer.h"

namespace fathom::engine {
namespace {

constexpr i64 kGuessedChunk = 512;
constexpr double kGuessedPair = 1e-6;  // of what one row takes
constexpr i64 kHeldTokens = 4096;      // of the long text
constexpr i64 kRowsBehindDecode = 4, kRowsBehindPrefill = 32;
constexpr double kLeastS = 1e-9;  // clocks tick

/// A pass that may be timed, and what it is thought to take.
struct Probe {
  bool decodes;
  i64 rows;
  i64 held;                               // tokens before them
  double guess_s;                         // of the layer; a head is about as much
  std::optional<double> layer_s, head_s;  // once timed

  double guess() const { return decodes ? 2 * guess_s : guess_s; }
  double seconds() const { return layer_s.value_or(0.0) + head_s.value_or(0.0); }
};

void keep_shorter(std::optional<double>& best, double seconds) {
  best = std::max(std::min(best.value_or(seconds), seconds), kLeastS);
}

/// Runs the last layer: most are like it, while the first ones may be dense.
class LayerTimer {
 public:
  LayerTimer(Ctx& ctx, const model::Model& model, const CostMeasurement& options, i64 capacity)
      : ctx_(ctx),
        model_(model),
        run_(options.run),
        cache_(model::KvCache::of_lent_pages(model.config(), options.cache_dtype, capacity)) {
    const i64 page_bytes =
        model::KvCache::page_shape(model.config(), options.cache_dtype, /*mtp_layers=*/0)
            .page_bytes();
    // A long text needs no memory of its own: the same few pages again and again.
    const i64 pages = ceil_div(capacity, device::kPageTokens);
    const i64 own = std::min(pages, ceil_div(options.chunk_tokens, device::kPageTokens) + 1);
    rows_ = Buffer(Device::kCpu, own * page_bytes, "pages to time passes with");
    for (i64 i = 0; i < pages; ++i) cache_.lend_page(rows_.data() + i % own * page_bytes);
    // Different tokens, as requests have: equal ones would all go to the same experts.
    constexpr i64 kStride = 7919;
    for (i64 i = 0; i < capacity; ++i) {
      ids_.push_back(static_cast<i32>(i * kStride % model.config().vocab_size));
    }
  }

  void time(Probe& probe) {
    const i64 layers = model_.config().num_hidden_layers, width = model_.config().hidden_size;
    x_.resize(static_cast<size_t>(probe.rows * width));
    const View<float, 2> x(x_.data(), {probe.rows, width});
    cache_.adopt(probe.held);
    const model::SequenceStep step{
        .token_ids = {ids_.data(), static_cast<size_t>(probe.rows)},
        .cache = &cache_,
        .logits = model::LogitRows::kAll,
        .form = probe.decodes ? model::StepForm::kDecode : model::StepForm::kPrefill};
    model_.embed(ctx_, {&step, 1}, x);
    const Clock::time_point begin = Clock::now();
    // x means nothing without the layers before, which changes no time.
    model_.run_layers(ctx_, {&step, 1}, run_, layers - 1, layers, x);
    keep_shorter(probe.layer_s, seconds_since(begin));
    if (probe.decodes && probe.held == 0) time_head(probe, step, x);
    cache_.truncate(0);
  }

 private:
  void time_head(Probe& probe, const model::SequenceStep& step, View<const float, 2> x) {
    const i64 vocab = model_.config().vocab_size;
    logits_.resize(static_cast<size_t>(probe.rows * vocab));
    const Clock::time_point begin = Clock::now();
    model_.finish(ctx_, {&step, 1}, run_, x, {logits_.data(), {probe.rows, vocab}});
    keep_shorter(probe.head_s, seconds_since(begin));
  }

  Ctx& ctx_;
  const model::Model& model_;
  model::RunOptions run_;
  Buffer rows_;
  model::KvCache cache_;  // of `rows_`
  std::vector<i32> ids_;
  std::vector<float> x_, logits_;
};

/// What fits into the context, the cheapest first.
std::vector<Probe> make_probes(const CostModel& guess, i64 context, i64 chunk_tokens) {
  std::vector<Probe> probes;
  const i64 chunk = std::min(chunk_tokens, context);
  const auto add = [&](bool decodes, i64 rows, i64 held) {
    if (rows + held > context) return;
    probes.push_back({.decodes = decodes,
                      .rows = rows,
                      .held = held,
                      .guess_s = guess.layer.seconds(rows, 0),
                      .layer_s = {},
                      .head_s = {}});
  };
  for (const i64 rows : {1, 4, 16, 64}) add(true, rows, 0);
  for (const i64 rows : {32, 128}) {
    if (rows < chunk) add(false, rows, 0);
  }
  add(false, chunk, 0);
  const i64 held = std::min(kHeldTokens, context - kRowsBehindPrefill);
  if (held > 0) {
    add(true, kRowsBehindDecode, held);
    add(false, kRowsBehindPrefill, held);
  }
  std::ranges::stable_sort(probes, {}, &Probe::guess);
  return probes;
}

/// All of them twice, if there is time. Returns what the last one took beside its guess.
double time_probes(std::vector<Probe>& probes, LayerTimer& timer, double most_s) {
  const Clock::time_point begin = Clock::now();
  double scale = 0.0;  // the first probe tells
  for (int round = 0; round < 2; ++round) {
    for (Probe& probe : probes) {
      const double expected_s = probe.layer_s ? probe.seconds() : scale * probe.guess();
      if (scale > 0 && seconds_since(begin) + expected_s > most_s) continue;
      timer.time(probe);
      scale = probe.seconds() / probe.guess();
    }
  }
  return scale;
}

/// Of whole decode passes and drafts (`layers` layers and the head), or of one layer of a prompt:
/// what was timed, and the guess where there are not even two points for a line.
std::vector<CostPoint> points(const std::vector<Probe>& probes, bool decodes, i64 layers,
                              double scale) {
  const auto is_of_this = [&](const Probe& probe) {
    return probe.decodes == decodes && probe.held == 0;
  };
  const bool is_line = std::ranges::count_if(probes, [&](const Probe& probe) {
                         return is_of_this(probe) && probe.layer_s;
                       }) > 1;
  std::vector<CostPoint> result;
  for (const Probe& probe : probes) {
    if (!is_of_this(probe) || (is_line && !probe.layer_s)) continue;
    const double guess_s = scale * probe.guess_s;
    const double head_s = decodes ? probe.head_s.value_or(guess_s) : 0.0;
    result.push_back(
        {.rows = probe.rows,
         .seconds = static_cast<double>(layers) * probe.layer_s.value_or(guess_s) + head_s});
  }
  std::ranges::sort(result, {}, &CostPoint::rows);
  for (size_t i = 1; i < result.size(); ++i) {  // more rows never take less: that is noise
    result[i].seconds = std::max(result[i].seconds, result[i - 1].seconds);
  }
  return result;
}

/// What a pair takes in one layer: of the probe behind a long text, less the one without it.
/// Nothing where they were not both timed, or noise made the longer one shorter.
std::optional<double> pair_s(const std::vector<Probe>& probes, bool decodes, i64 pairs_per_held) {
  for (const Probe& behind : probes) {
    if (behind.decodes != decodes || behind.held == 0 || !behind.layer_s) continue;
    for (const Probe& alone : probes) {
      if (alone.decodes != decodes || alone.held > 0 || alone.rows != behind.rows) continue;
      const double pairs = static_cast<double>(behind.held * (behind.rows + pairs_per_held));
      const double more_s = *behind.layer_s - alone.layer_s.value_or(*behind.layer_s);
      if (more_s > 0) return more_s / pairs;
    }
  }
  return std::nullopt;
}

}  // namespace

CostModel guessed_costs(const model::Model& model) {
  constexpr double kBytesPerSecond = 2e10, kProductsPerSecond = 2e11;
  const double bytes = static_cast<double>(model.weight_bytes());
  const double layers = static_cast<double>(model.config().num_hidden_layers);
  const double pass_s = std::max(bytes / kBytesPerSecond, 1e-6);
  const double row_s = bytes / kProductsPerSecond;
  const auto curve = [&](double share) {
    return CostCurve({{.rows = 1, .seconds = share * pass_s},
                      {.rows = kGuessedChunk, .seconds = share * (pass_s + kGuessedChunk * row_s)}},
                     share * pass_s * kGuessedPair, CostCurve::Points::kGuessed);
  };
  return {.decode = curve(1.0),
          .layer = curve(1.0 / layers),
          .part = curve(1.0 / layers),
          .draft = curve(1.0 / layers)};
}

i64 pairs_per_held_token(const ModelConfig& config) {
  if (!config.is_mla()) return 0;
  return config.kv_lora_rank * (config.qk_nope_head_dim + config.v_head_dim) /
         (config.qk_head_dim() + config.value_head_dim());
}

CostModel measured_costs(Ctx& ctx, const model::Model& model, const CostMeasurement& options) {
  const CostModel guess = guessed_costs(model);
  const ModelConfig& config = model.config();
  const i64 layers = config.num_hidden_layers;
  const i64 context = std::min(options.context_tokens, config.max_position_embeddings);
  std::vector<Probe> probes = make_probes(guess, context, options.chunk_tokens);
  const i64 most_rows = std::max(options.chunk_tokens, kHeldTokens + kRowsBehindPrefill);
  LayerTimer timer(ctx, model, options, std::min(context, most_rows));
  const double scale = time_probes(probes, timer, options.most_s);

  const double guessed_pair_s = scale * kGuessedPair * guess.layer.seconds(1, 0);
  const double decode_pair_s = pair_s(probes, true, 0).value_or(guessed_pair_s);
  const double prompt_pair_s =
      pair_s(probes, false, pairs_per_held_token(config)).value_or(guessed_pair_s);
  return {.decode = CostCurve(points(probes, true, layers, scale),
                              static_cast<double>(layers) * decode_pair_s),
          .layer = CostCurve(points(probes, false, 1, scale), prompt_pair_s),
          .part = CostCurve(points(probes, false, 1, scale), 0),  // the first layers say which part
          .draft = CostCurve(points(probes, true, 1, scale), 0)};
}

}  // namespace fathom::engine

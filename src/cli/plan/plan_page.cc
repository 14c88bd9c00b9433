#include "cli/plan/plan_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cli/plan/page_assets.h"
#include "io/json.h"
#include "report/page/html_table.h"
#include "report/page/html_text.h"
#include "report/page/page_assets.h"

namespace fathom::cli {
namespace {

using plan::TrainingPlan;
using report::html_escape;

/// Six digits are enough to draw.
io::JsonValue drawn(double value) {
  const std::string text = fmt::format("{:.6g}", value);
  double rounded = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

/// [rank][op]: kind, chunk, micro-batch, backward chunk, backward micro-batch, start, end.
io::JsonArray timeline_json(const TrainingPlan& p) {
  io::JsonArray ranks;
  for (size_t r = 0; r < p.schedule.ops.size(); ++r) {
    io::JsonArray ops;
    for (size_t i = 0; i < p.schedule.ops[r].size(); ++i) {
      const plan::ScheduleOp& op = p.schedule.ops[r][i];
      const plan::OpSpan& span = p.timeline.spans[r][i];
      ops.emplace_back(io::JsonArray{static_cast<i32>(op.kind), op.chunk, op.micro_batch,
                                     op.backward_chunk, op.backward_micro_batch,
                                     drawn(span.start.value), drawn(span.end.value)});
    }
    ranks.emplace_back(std::move(ops));
  }
  return ranks;
}

io::JsonArray memory_json(const TrainingPlan& p) {
  io::JsonArray ranks;
  for (const plan::RankMemory& m : p.memory) {
    ranks.emplace_back(io::JsonArray{m.weights.value, m.gradients.value, m.optimizer.value,
                                     m.activations.value, m.buffers.value, m.reserved.value,
                                     m.fragmentation.value});
  }
  return ranks;
}

io::JsonArray step_json(const TrainingPlan& p) {
  io::JsonArray rows;
  const auto add = [&](const char* name, plan::Seconds time) {
    if (time.value > 0.0) rows.emplace_back(io::JsonArray{name, drawn(time.value)});
  };
  add("overlapped pairs", p.parts.overlapped);
  add("forward alone", p.parts.forward);
  add("backward alone", p.parts.backward);
  add("weight gradients", p.parts.weights);
  add("bubble", p.parts.bubble);
  add("optimizer", p.parts.optimizer);
  return rows;
}

io::JsonArray kernels_json(const TrainingPlan& p, const plan::Cluster& cluster,
                           const ModelConfig& config) {
  const auto kernels = plan::layer_kernels(
      cluster, config, layer_setting(cluster, p.layout, p.run.seq_len, config.has_experts()));
  std::vector<std::pair<double, std::string>> rows;
  for (size_t k = 0; k < plan::kNumKernelClasses; ++k) {
    const auto kind = static_cast<plan::KernelClass>(k);
    const double time = class_time(kernels, kind).value;
    if (time > 0.0) rows.emplace_back(time, to_string(kind));
  }
  std::sort(rows.rbegin(), rows.rend());
  io::JsonArray array;
  for (const auto& [time, name] : rows) array.emplace_back(io::JsonArray{name, drawn(time)});
  return array;
}

std::string tile(std::string_view name, const std::string& value, const std::string& note) {
  return fmt::format(
      "    <div class=\"tile\"><dt>{}</dt><dd>{}</dd><dd class=\"note\">{}</dd></div>\n", name,
      value, html_escape(note));
}

std::string tiles(const TrainingPlan& p) {
  const double hours = p.gpu_hours(p.run.tokens);
  return tile("Step", fmt::format("{:.2f} <small>s</small>", p.step.value),
              fmt::format("{:.4g} tokens", p.run.step_tokens().value)) +
         tile("Bound by", html_escape(p.bottleneck), "then " + p.next_bottleneck) +
         tile("A GPU", fmt::format("{:.0f} <small>tokens/s</small>", p.tokens_per_s_per_gpu()),
              fmt::format("{:.0f} TFLOP/s, {:.1f} % of the BF16 peak",
                          p.flops_per_s_per_gpu(true) / 1e12, 100.0 * p.mfu(true))) +
         tile("Memory",
              fmt::format("{:.1f} <small>of {:.0f} GB</small>",
                          largest(p.memory).total().value / 1e9, p.room.value / 1e9),
              fmt::format("pipeline rank {}, the fullest", largest(p.memory).rank)) +
         tile("Run",
              fmt::format("{:.1f} <small>days</small>", p.run.tokens / p.rate().value / 86400.0),
              fmt::format("{:.0f} K GPU-hours, {:.1f} % of the time kept", hours / 1e3,
                          100.0 * p.goodput)) +
         tile("Cost", fmt::format("{:.2f} <small>M$</small>", hours * p.price_per_hour / 1e6),
              fmt::format("${} a GPU-hour", p.price_per_hour));
}

std::string advice_table(const std::vector<plan::AdviceResult>& advice) {
  report::HtmlTable table{
      .head = {"", "step", "tokens/s a GPU", "gain", "range", "bound by", "what"},
      .rows = {},
      .best = {}};
  for (const plan::AdviceResult& r : advice) {
    const bool base = r.advice.edits.empty();
    table.rows.push_back(
        {html_escape(r.advice.name), fmt::format("{:.2f} s", r.step.value),
         fmt::format("{:.0f}", r.tokens_per_s_per_gpu),
         base ? "" : fmt::format("{:+.1f} %", 100.0 * r.gain),
         base ? "" : fmt::format("{:+.1f} to {:+.1f} %", 100.0 * r.least, 100.0 * r.most),
         html_escape(r.bottleneck), html_escape(r.advice.mechanism)});
  }
  return to_html(table);
}

/// JSON that may stand in a script element.
std::string script_json(const io::JsonValue& value) {
  std::string text;
  for (const char c : io::write_json(value)) text += c == '<' ? "\\u003c" : std::string(1, c);
  return text;
}

}  // namespace

std::string plan_page(const TrainingPlan& p, const plan::Cluster& cluster,
                      const ModelConfig& config, const std::vector<plan::AdviceResult>& advice) {
  io::JsonObject data;
  data.set("ranks", timeline_json(p));
  data.set("makespan", drawn(p.timeline.makespan.value));
  data.set("memory", memory_json(p));
  data.set("categories", io::JsonArray{"weights", "gradients", "optimizer", "activations",
                                       "buffers", "reserved", "fragmentation"});
  data.set("room", p.room.value);
  data.set("step", step_json(p));
  data.set("kernels", kernels_json(p, cluster, config));
  const plan::Layout& l = p.layout;
  return report::fill_page(
      kPlanHtml,
      {{"title", html_escape(fmt::format("a run on {} {}", l.gpus, cluster.gpu.name))},
       {"badge", p.fits() ? "finished" : "failed"},
       {"verdict", p.fits() ? "fits" : "does not fit"},
       {"layout",
        fmt::format("{} pipeline ranks, {} expert ranks, {} tensor ranks, {} data ranks; {}, {} "
                    "micro-batches",
                    l.pipeline_ranks, l.expert_ranks, l.tensor_ranks, l.data_ranks(),
                    to_string(l.schedule), p.schedule.micro_batches)},
       {"tiles", tiles(p)},
       {"advice", advice_table(advice)},
       {"css", report::kPageCss},
       {"page_css", kPlanCss},
       {"data", script_json(data)},
       {"common_js", report::kCommonJs},
       {"page_js", kPlanJs}});
}

}  // namespace fathom::cli

#include "report/run/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/text.h"
#include "report/page/html_table.h"
#include "report/page/html_text.h"
#include "report/page/page_assets.h"
#include "report/run/report_data.h"
#include "report/run/run_assets.h"
#include "report/run/run_summary.h"
#include "report/run/samples_table.h"

namespace fathom::report {
namespace {

/// The run's state as the badge shows it: its class and its words.
std::pair<std::string_view, std::string> badge(const RunHistory& history, bool alive) {
  if (history.end()) {
    const RunEnd& end = *history.end();
    return {to_string(end.state), std::string(to_string(end.state))};
  }
  if (alive) return {"running", "running"};
  return {"unknown", "no end recorded"};
}

/// "42 % nano" while it runs, so that a glance at the tabs is enough; else "nano: finished".
std::string tab_title(const RunHistory& history, bool alive, const std::string& title,
                      const std::string& words) {
  const i64 total = history.info().total_steps;
  if (!alive || total <= 0 || !history.last_step()) return title + ": " + words;
  return fmt::format("{} % {}", 100 * history.last_step()->step / total, title);
}

std::string progress(const RunHistory& history, bool alive) {
  const RunInfo& info = history.info();
  const i64 step = history.last_step() ? history.last_step()->step : 0;
  const i64 tokens = history.last_step() ? history.last_step()->tokens : 0;
  const double seconds = history.last_step() ? history.last_step()->seconds : 0.0;
  std::string text;
  if (info.total_steps > 0) {
    const double share =
        std::min(1.0, static_cast<double>(step) / static_cast<double>(info.total_steps));
    text += fmt::format(
        "<progress max=\"1\" value=\"{:.4f}\" aria-label=\"progress\"></progress>"
        "<span><b>{:.1f} %</b></span>",
        share, 100 * share);
    text += fmt::format("<span>step <b>{}</b> of {}</span>", step, info.total_steps);
  } else {
    text += fmt::format("<span>step <b>{}</b></span>", step);
  }
  text += fmt::format("<span><b>{}</b>{} tokens</span>", format_count(tokens),
                      info.total_tokens > 0 ? " of " + format_count(info.total_tokens) : "");
  text += fmt::format("<span>trained for <b>{}</b></span>", format_seconds(seconds));
  const double left = seconds_left(history);
  if (alive && std::isfinite(left)) {
    text += fmt::format("<span>about <b>{}</b> left</span>", format_seconds(left));
  }
  return text;
}

std::string tile(std::string_view name, const std::string& value, const std::string& note,
                 bool alarm = false) {
  return fmt::format(
      "<div class=\"tile{}\"><dt>{}</dt><dd>{}</dd><dd class=\"note\">{}</dd></div>\n",
      alarm ? " alarm" : "", name, value, html_escape(note));
}

std::string tiles(const RunHistory& history) {
  if (!history.last_step()) return tile("Loss", "–", "waiting for the first step");
  const StepMetrics& last = *history.last_step();
  const RunSummary now = summarise(history);
  const std::string mean_of = fmt::format("mean of the last {} steps", now.recent_steps);
  std::string text = tile("Training loss", format_figure(now.loss, 4), "nats a token, " + mean_of);
  text += tile("Bits per byte", format_figure(now.bits_per_byte, 4), "training text, " + mean_of);
  for (const SetHistory& set : history.sets()) {
    if (&set - history.sets().data() == 4) break;  // the table has them all
    text += tile("Validation " + html_escape(set.name), format_figure(set.latest.bits_per_byte, 4),
                 fmt::format("bits per byte, loss {}", format_figure(set.latest.loss, 4)));
  }
  text += tile("Tokens a second", format_short_count(now.tokens_per_s),
               std::isfinite(now.gemm_peak_frac)
                   ? fmt::format("{:.0f} % of the GEMM peak", 100 * now.gemm_peak_frac)
                   : mean_of);
  text += tile("Learning rate", format_short(last.lr), "this step");
  text += tile("Gradient norm", format_short(now.grad_norm), "before the clip");
  if (!now.worst_layer.empty()) {
    text += tile("MaxVio", format_figure(now.max_vio, 2), "worst layer: " + now.worst_layer);
    text +=
        tile("Dead experts", fmt::format("{}<small> of {}</small>", now.dead_experts, now.experts),
             "without a token in the last step", now.dead_experts > 0);
  }
  text += tile("Skipped steps", fmt::to_string(history.num_skipped()),
               history.num_skipped() > 0 ? "see below" : "none", history.num_skipped() > 0);
  return text;
}

std::string facts(const RunHistory& history) {
  std::string text;
  for (const auto& [name, value] : history.info().facts) {
    text +=
        fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_escape(name), html_escape(value));
  }
  return text;
}

std::string joined(const std::vector<double>& values, int digits) {
  std::string text;
  for (const double value : values) {
    text += (text.empty() ? "" : " · ") + format_figure(value, digits);
  }
  return text.empty() ? "–" : text;
}

std::string validation_table(const RunHistory& history) {
  if (history.sets().empty()) return "<p class=\"none\">No validation yet.</p>";
  std::vector<std::vector<std::string>> rows;
  for (const SetHistory& set : history.sets()) {
    const ValidationMetrics& latest = set.latest;
    rows.push_back({html_escape(set.name), fmt::to_string(latest.step),
                    format_figure(latest.loss, 4), format_figure(latest.bits_per_byte, 4),
                    format_figure(set.best_loss, 4), format_figure(set.best_bits_per_byte, 4),
                    fmt::to_string(set.best_step), joined(latest.mtp_loss, 4),
                    joined(latest.mtp_acceptance, 3)});
  }
  return to_html({{"set", "step", "loss", "bits/byte", "best loss", "its bits/byte", "at step",
                   "MTP loss", "MTP acceptance"},
                  rows,
                  {}});
}

std::string task_table(const RunHistory& history) {
  if (history.tasks().empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const TaskHistory& task : history.tasks()) {
    for (const auto& [metric, value] : task.latest.values) {
      const auto error = std::ranges::find(task.latest.errors, metric, &NamedNumber::first);
      const bool has_error = error != task.latest.errors.end();
      rows.push_back({html_escape(task.name), fmt::to_string(task.latest.step),
                      fmt::to_string(task.latest.items), html_escape(metric),
                      format_figure(value, 4), has_error ? format_figure(error->second, 4) : "–",
                      task.latest.chance > 0 ? format_figure(task.latest.chance, 4) : "–"});
    }
  }
  return "<h3>Tasks</h3>\n" +
         to_html(
             {{"task", "step", "items", "metric", "value", "standard error", "chance"}, rows, {}});
}

std::string layer_table(const RunHistory& history) {
  const LoadHistory& load = history.load();
  if (load.latest.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const LayerLoad& layer : load.latest) {
    rows.push_back(
        {html_escape(layer.layer), fmt::to_string(layer.share.size()),
         format_figure(layer.max_vio, 3), format_figure(layer.entropy, 3),
         fmt::to_string(layer.dead_experts),
         fmt::format("{} … {}", format_short(layer.bias_min), format_short(layer.bias_max))});
  }
  return fmt::format("<h3>Layers at step {}</h3>\n", load.latest_step) +
         to_html({{"layer", "experts", "MaxVio", "entropy (nats)", "dead", "bias"}, rows, {}});
}

std::string skipped_table(const RunHistory& history) {
  if (history.skipped().empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (auto at = history.skipped().rbegin(); at != history.skipped().rend(); ++at) {
    rows.push_back({fmt::to_string(at->step), html_escape(at->reason)});
  }
  const auto shown = static_cast<i64>(rows.size());
  return fmt::format("<h3>Skipped steps: {}{}</h3>\n", history.num_skipped(),
                     shown < history.num_skipped() ? fmt::format(", the last {}", shown) : "") +
         to_html({{"step", "why"}, rows, {}});
}

}  // namespace

std::string report_page(const RunHistory& history, const PageOptions& options) {
  const bool alive = options.alive && !history.end();
  const auto [state, words] = badge(history, alive);
  const std::string title =
      html_escape(history.info().title.empty() ? "untitled run" : history.info().title);
  const std::string reason =
      history.end() && !history.end()->reason.empty()
          ? fmt::format("<p class=\"reason\">{}</p>", html_escape(history.end()->reason))
          : "";
  const double reload_s = std::max(5.0, std::ceil(options.reload_s));
  const std::string reload =
      alive ? fmt::format("<noscript><meta http-equiv=\"refresh\" content=\"{:.0f}\"></noscript>",
                          reload_s)
            : "";
  const std::string samples = options.directory.empty() ? "" : samples_table(options.directory);
  return fill_page(kReportHtml, {{"title", title},
                                 {"tab", tab_title(history, alive, title, words)},
                                 {"state", state},
                                 {"state_words", words},
                                 {"reason", reason},
                                 {"reload", reload},
                                 {"reload_s", fmt::format("{:.0f}", alive ? reload_s : 0.0)},
                                 {"generated", format_unix(options.generated)},
                                 {"generated_text", format_utc(options.generated)},
                                 {"started", format_unix(history.info().started)},
                                 {"started_text", format_utc(history.info().started)},
                                 {"progress", progress(history, alive)},
                                 {"facts", facts(history)},
                                 {"tiles", tiles(history)},
                                 {"validation_table", validation_table(history)},
                                 {"task_table", task_table(history)},
                                 {"layer_table", layer_table(history)},
                                 {"skipped_table", skipped_table(history)},
                                 {"samples_table", samples},
                                 {"config", html_escape(history.info().config)},
                                 {"css", kPageCss},
                                 {"data", report_data(history, ReportDetail::kFull)},
                                 {"common_js", kCommonJs},
                                 {"chart_js", kChartJs},
                                 {"heatmap_js", kHeatmapJs},
                                 {"report_js", kReportJs}});
}

}  // namespace fathom::report

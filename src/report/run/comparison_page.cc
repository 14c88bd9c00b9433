#include "report/run/comparison_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "base/text.h"
#include "report/page/html_table.h"
#include "report/page/html_text.h"
#include "report/page/page_assets.h"
#include "report/run/loss_gap.h"
#include "report/run/missing_value.h"
#include "report/run/report_data.h"
#include "report/run/run_assets.h"
#include "report/run/run_summary.h"

namespace fathom::report {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// "section.key" -> value, in the order of the text.
std::vector<std::pair<std::string, std::string>> settings_of(std::string_view config) {
  std::vector<std::pair<std::string, std::string>> settings;
  std::string section;
  while (!config.empty()) {
    const size_t end = std::min(config.find('\n'), config.size());
    const std::string_view line = trimmed(config.substr(0, end));
    config.remove_prefix(std::min(end + 1, config.size()));
    const size_t equals = line.find('=');
    if (line.starts_with('[') && line.ends_with(']')) {
      section = std::string(line.substr(1, line.size() - 2)) + ".";
    } else if (!line.starts_with('#') && equals != line.npos) {
      settings.emplace_back(section + std::string(trimmed(line.substr(0, equals))),
                            trimmed(line.substr(equals + 1)));
    }
  }
  return settings;
}

/// A row of the summary: a number of each run, its text, and which way is better.
enum class Better { kNeither, kLess, kMore };
struct Row {
  std::string name;
  Better better = Better::kNeither;
  std::vector<double> values;
  std::vector<std::string> texts;
};

/// The run with the best value of a row, if there is a choice.
std::optional<size_t> best_run(const Row& row) {
  std::optional<size_t> best;
  if (row.better == Better::kNeither || row.values.size() < 2) return best;
  const double sign = row.better == Better::kLess ? 1.0 : -1.0;
  for (size_t r = 0; r < row.values.size(); ++r) {
    if (!std::isfinite(row.values[r])) continue;
    if (!best || sign * row.values[r] < sign * row.values[*best]) best = r;
  }
  return best;
}

std::vector<std::string> set_names(std::span<const ComparedRun> runs) {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs) {
    for (const SetHistory& set : run.history.sets()) {
      if (std::find(names.begin(), names.end(), set.name) == names.end()) names.push_back(set.name);
    }
  }
  return names;
}

double latest_bits_per_byte(const RunHistory& history, const std::string& set_name) {
  for (const SetHistory& set : history.sets()) {
    if (set.name == set_name) return set.latest.bits_per_byte;
  }
  return kNan;
}

double latest_loss(const RunHistory& history, const std::string& set_name) {
  for (const SetHistory& set : history.sets()) {
    if (set.name == set_name) return set.latest.loss;
  }
  return kNan;
}

std::vector<Row> summary_rows(std::span<const ComparedRun> runs) {
  std::vector<RunSummary> summaries;
  for (const ComparedRun& run : runs) summaries.push_back(summarise(run.history));
  std::vector<Row> rows;
  const auto add = [&](std::string name, Better better, auto value, auto text) {
    Row row = {std::move(name), better, {}, {}};
    for (size_t r = 0; r < runs.size(); ++r) {
      row.values.push_back(value(summaries[r], runs[r].history));
      row.texts.push_back(text(row.values.back()));
    }
    rows.push_back(std::move(row));
  };
  const auto figure = [](int digits) {
    return [digits](double value) { return format_figure(value, digits); };
  };
  const auto count = [](double value) { return format_count(static_cast<i64>(value)); };
  using S = const RunSummary&;
  using H = const RunHistory&;
  add(
      "step", Better::kNeither, [](S s, H) { return static_cast<double>(s.step); }, figure(0));
  add(
      "tokens", Better::kNeither, [](S s, H) { return static_cast<double>(s.tokens); }, count);
  add(
      "time", Better::kNeither, [](S s, H) { return s.seconds; }, format_seconds);
  add(
      "training loss", Better::kLess, [](S s, H) { return s.loss; }, figure(4));
  const RunHistory& base = runs.front().history;
  const std::string against = "gap to " + html_escape(runs.front().label);
  const auto percent = [](double value) {
    return std::isfinite(value) ? fmt::format("{:+.3f} %", 100 * value) : "–";
  };
  add(
      against + ", mean", Better::kNeither,
      [&](S, H h) { return &h == &base ? kNan : loss_gap(base, h).mean; }, percent);
  add(
      against + ", largest", Better::kNeither,
      [&](S, H h) { return &h == &base ? kNan : loss_gap(base, h).largest; }, percent);
  for (const std::string& name : set_names(runs)) {
    add(
        "loss on " + html_escape(name), Better::kLess, [&](S, H h) { return latest_loss(h, name); },
        figure(4));
    add(
        "bits/byte on " + html_escape(name), Better::kLess,
        [&](S, H h) { return latest_bits_per_byte(h, name); }, figure(4));
  }
  add(
      "MaxVio, mean of the layers", Better::kLess, [](S s, H) { return s.mean_max_vio; },
      figure(3));
  add(
      "dead experts", Better::kNeither, [](S s, H) { return static_cast<double>(s.dead_experts); },
      figure(0));
  add(
      "tokens/s", Better::kMore, [](S s, H) { return s.tokens_per_s; }, format_short_count);
  add(
      "skipped steps", Better::kNeither,
      [](S, H h) { return static_cast<double>(h.num_skipped()); }, figure(0));
  return rows;
}

HtmlTable table_over_runs(std::string corner, std::span<const ComparedRun> runs) {
  HtmlTable table;
  table.head.push_back(std::move(corner));
  for (const ComparedRun& run : runs) table.head.push_back(html_escape(run.label));
  return table;
}

std::string summary_table(std::span<const ComparedRun> runs) {
  HtmlTable table = table_over_runs("run", runs);
  std::vector<std::string> titles = {"title"}, states = {"state"};
  for (const ComparedRun& run : runs) {
    titles.push_back(html_escape(run.history.info().title));
    states.emplace_back(run.history.end() ? to_string(run.history.end()->state)
                                          : "no end recorded");
  }
  table.rows = {std::move(titles), std::move(states)};
  for (const Row& row : summary_rows(runs)) {
    if (const auto best = best_run(row)) table.best.emplace_back(table.rows.size(), *best + 1);
    table.rows.push_back({row.name});
    table.rows.back().insert(table.rows.back().end(), row.texts.begin(), row.texts.end());
  }
  return to_html(table);
}

std::string config_table(std::span<const ComparedRun> runs) {
  const std::vector<ConfigVariation> variations = config_variations(runs);
  if (variations.empty()) return "<p class=\"none\">Nothing.</p>";
  HtmlTable table = table_over_runs("key", runs);
  for (const ConfigVariation& variation : variations) {
    table.rows.push_back({html_escape(variation.key)});
    for (const std::string& value : variation.values) {
      table.rows.back().push_back(value.empty() ? "–" : html_escape(value));
    }
  }
  return to_html(table);
}

}  // namespace

std::vector<ConfigVariation> config_variations(std::span<const ComparedRun> runs) {
  std::vector<ConfigVariation> all;
  std::map<std::string, size_t, std::less<>> index;
  const auto note = [&](size_t run, const std::string& key, const std::string& value) {
    const auto [at, fresh] = index.emplace(key, all.size());
    if (fresh) all.push_back({key, std::vector<std::string>(runs.size())});
    all[at->second].values[run] = value;
  };
  for (size_t r = 0; r < runs.size(); ++r) {
    const RunInfo& info = runs[r].history.info();
    for (const auto& [key, value] : info.facts) note(r, key, value);
    for (const auto& [key, value] : settings_of(info.config)) note(r, key, value);
  }
  std::erase_if(all, [](const ConfigVariation& variation) {
    return std::all_of(variation.values.begin(), variation.values.end(),
                       [&](const auto& value) { return value == variation.values.front(); });
  });
  return all;
}

std::string comparison_page(std::span<const ComparedRun> runs, double generated) {
  std::string title, data = "[";
  for (const ComparedRun& run : runs) {
    title += (title.empty() ? "" : " · ") + run.label;
    std::string one = report_data(run.history, ReportDetail::kCurvesOnly);
    one.insert(1, "\"label\":" + script_string(run.label) + ",");
    data += (data.size() > 1 ? ",\n" : "") + one;
  }
  data += "]";
  return fill_page(kComparisonHtml, {{"title", html_escape(title)},
                                     {"generated", format_unix(generated)},
                                     {"generated_text", format_utc(generated)},
                                     {"summary_table", summary_table(runs)},
                                     {"config_table", config_table(runs)},
                                     {"css", kPageCss},
                                     {"data", data},
                                     {"common_js", kCommonJs},
                                     {"chart_js", kChartJs},
                                     {"comparison_js", kComparisonJs}});
}

}  // namespace fathom::report

#include "eval/result/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/metric/statistics.h"
#include "eval/result/comparison.h"
#include "eval/result/page_assets.h"
#include "eval/text/python_text.h"
#include "report/page/html_text.h"
#include "report/page/page_assets.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr size_t kItemsATask = 200;

/// What the browser shows of a sample; the other run's stands beside it under the same document.
JsonValue item_of(const StoredSample& sample) {
  JsonObject out;
  out.set("id", sample.index);
  out.set("filter", sample.filter);
  out.set("document", sample.document_hash);
  for (const char* const key : {"target", "arguments", "resps", "filtered_resps"}) {
    if (const JsonValue* const value = sample.line.find(key)) out.set(key, *value);
  }
  const auto take = [&](const char* part, const char* key) {
    const JsonValue* const holder = sample.line.find(part);
    const JsonValue* const value = holder == nullptr ? nullptr : holder->find(key);
    if (value != nullptr) out.set(key, *value);
  };
  take("fathom", "judge");
  take("doc", "tries");  // of exercises: what became of each answer's edits
  JsonObject metrics;
  for (const auto& [name, value] : sample.metrics) {
    if (std::isfinite(value)) metrics.set(name, value);
  }
  out.set("metrics", std::move(metrics));
  return JsonValue(std::move(out));
}

/// Of "acc,none": value, standard error, and Wilson's interval where all values are 0 or 1.
JsonArray metrics_of(const StoredRun& run, const std::string& task,
                     const std::vector<StoredSample>& samples) {
  JsonArray rows;
  const JsonValue* const results = run.results.find("results");
  const JsonValue* const own = results == nullptr ? nullptr : results->find(task);
  if (own == nullptr || !own->is_object()) return rows;
  for (const auto& [key, value] : own->as_object()) {
    const size_t comma = key.find(',');
    if (comma == key.npos || key.find("_stderr,") != key.npos || !value.is_number()) continue;
    const std::string metric = key.substr(0, comma), filter = key.substr(comma + 1);
    JsonObject row;
    row.set("metric", metric);
    row.set("filter", filter);
    row.set("value", value);
    const JsonValue* const error = own->find(metric + "_stderr," + filter);
    if (error != nullptr && error->is_number()) row.set("stderr", *error);
    i64 count = 0;
    bool share = true;
    for (const StoredSample& sample : samples) {
      const auto found = sample.metrics.find(metric);
      if (sample.filter != filter || found == sample.metrics.end()) continue;
      ++count;
      share = share && (found->second == 0.0 || found->second == 1.0);
    }
    row.set("items", count);
    if (share && count > 0 && value.as_number() >= 0 && value.as_number() <= 1) {
      const auto [low, high] = wilson_interval(value.as_number(), count);
      row.set("low", low);
      row.set("high", high);
    }
    rows.emplace_back(std::move(row));
  }
  return rows;
}

JsonValue run_of(const StoredRun& run) {
  JsonObject tasks;
  for (const auto& [task, samples] : run.samples) {
    JsonObject one;
    one.set("metrics", metrics_of(run, task, samples));
    const JsonValue* const fathom = run.results.find("fathom");
    const JsonValue* const facts = fathom == nullptr ? nullptr : fathom->find("tasks");
    const JsonValue* const own = facts == nullptr ? nullptr : facts->find(task);
    const JsonValue* const chance = own == nullptr ? nullptr : own->find("chance");
    if (chance != nullptr && chance->is_number()) one.set("chance", *chance);
    JsonArray items;
    std::map<std::string, size_t> shown;  // by filter
    for (const StoredSample& sample : samples) {
      if (shown[sample.filter]++ < kItemsATask) items.push_back(item_of(sample));
    }
    one.set("total", static_cast<i64>(samples.size()));
    one.set("items", std::move(items));
    tasks.set(task, std::move(one));
  }
  JsonObject out;
  out.set("model", run.model);
  out.set("stamp", run.stamp);
  out.set("tasks", std::move(tasks));
  return JsonValue(std::move(out));
}

JsonArray differences_of(std::span<const StoredRun> runs) {
  JsonArray rows;
  if (runs.size() != 2) return rows;
  for (const ComparedMetric& each : compare_runs(runs[0], runs[1])) {
    JsonObject row;
    row.set("task", each.task);
    row.set("metric", each.metric);
    row.set("filter", each.filter);
    row.set("items", each.items);
    row.set("mean", each.difference.mean);
    row.set("low", each.difference.low);
    row.set("high", each.difference.high);
    row.set("tie", each.tie());
    rows.emplace_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::string results_page(std::span<const StoredRun> runs, double generated) {
  JsonObject data;
  JsonArray all;
  std::string title;
  for (const StoredRun& run : runs) {
    all.push_back(run_of(run));
    title += (title.empty() ? "" : " · ") + run.model;
  }
  data.set("runs", std::move(all));
  data.set("differences", differences_of(runs));
  // Inside <script> nothing may close it; < stands in texts alone, where it may be escaped.
  const std::string json = replace_all(io::write_json(JsonValue(std::move(data))), "<", "\\u003c");
  return report::fill_page(kPageHtml, {{"title", report::html_escape(title)},
                                       {"generated_text", report::format_utc(generated)},
                                       {"css", report::kPageCss},
                                       {"own_css", kPageOwnCss},
                                       {"data", json},
                                       {"js", kPageJs}});
}

}  // namespace fathom::eval

#include "report/run/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "report/page/html_text.h"

namespace fathom::report {
namespace {

/// Appends JSON. Whoever writes the values keeps the nesting right; commas come by themselves.
class Json {
 public:
  Json& key(std::string_view name) {
    separate();
    text_ += script_string(name) + ":";
    fresh_ = true;
    return *this;
  }
  Json& raw(std::string_view value) {
    separate();
    text_ += value;
    return *this;
  }
  Json& string(std::string_view value) { return raw(script_string(value)); }
  Json& number(double value) { return raw(script_number(value)); }
  Json& integer(i64 value) { return raw(fmt::to_string(value)); }
  Json& open(char bracket) {
    separate();
    text_ += bracket;
    fresh_ = true;
    return *this;
  }
  Json& close(char bracket) {
    text_ += bracket;
    fresh_ = false;
    return *this;
  }
  /// [item(0), item(1), ...]
  template <typename List, typename Item>
  Json& list(const List& values, Item item) {
    open('[');
    for (const auto& value : values) item(value);
    return close(']');
  }
  std::string take() { return std::move(text_); }

 private:
  void separate() {
    if (!fresh_) text_ += ',';
    fresh_ = false;
  }
  std::string text_;
  bool fresh_ = true;
};

void put_positions(Json& json, const BucketedRows& rows) {
  const auto put = [&](std::string_view name, auto member) {
    json.key(name).list(rows.buckets(), [&](const BucketedRows::Bucket& bucket) {
      json.raw(fmt::format("{:.10g}", static_cast<double>(bucket.last.*member)));
    });
  };
  json.key("x").open('{');
  put("step", &RunPosition::step);
  put("tokens", &RunPosition::tokens);
  put("seconds", &RunPosition::seconds);
  json.close('}');
}

void put_column(Json& json, const BucketedRows& rows, size_t column) {
  json.list(rows.buckets(), [&](const BucketedRows::Bucket& bucket) {
    json.number(BucketedRows::cell(bucket, column).mean());
  });
}

/// [least, largest] of each bucket.
void put_ranges(Json& json, const BucketedRows& rows, size_t column) {
  const auto put = [&](auto member) {
    json.list(rows.buckets(), [&](const BucketedRows::Bucket& bucket) {
      const BucketedRows::Cell cell = BucketedRows::cell(bucket, column);
      json.number(cell.count > 0 ? static_cast<double>(cell.*member) : NAN);
    });
  };
  json.open('[');
  put(&BucketedRows::Cell::least);
  put(&BucketedRows::Cell::largest);
  json.close(']');
}

void put_columns(Json& json, const BucketedRows& rows, size_t first, size_t step = 1) {
  json.open('[');
  for (size_t c = first; c < rows.width(); c += step) put_column(json, rows, c);
  json.close(']');
}

void put_steps(Json& json, const BucketedRows& rows) {
  json.key("steps").open('{');
  json.key("rows").integer(rows.rows_per_bucket());
  put_positions(json, rows);
  for (size_t c = 0; c < kStepCurves.size(); ++c) {
    json.key(kStepCurves[c].key);
    put_column(json, rows, c);
  }
  json.key("mtp_loss");
  put_columns(json, rows, kStepCurves.size());
  if (rows.rows_per_bucket() > 1) {  // else the mean says everything
    json.key("range").open('{');
    for (const size_t c : {0u, 3u, 4u}) {
      json.key(kStepCurves[c].key);
      put_ranges(json, rows, c);
    }
    json.close('}');
  }
  json.close('}');
}

void put_stage(Json& json, const StageHistory& stage) {
  if (stage.names.empty()) return;
  json.key("stage").open('{');
  put_positions(json, stage.numbers);
  json.key("names").list(stage.names, [&](const std::string& name) { json.string(name); });
  json.key("numbers");
  put_columns(json, stage.numbers, 0);
  json.close('}');
}

void put_layers(Json& json, const LoadHistory& load) {
  json.key("layers").open('{');
  put_positions(json, load.numbers);
  json.key("names").list(load.layers, [&](const std::string& name) { json.string(name); });
  for (size_t c = 0; c < kLayerCurves.size(); ++c) {
    json.key(kLayerCurves[c].key);
    put_columns(json, load.numbers, c, kLayerCurves.size());
  }
  json.close('}');
}

/// {x, layers: [{name, experts}], codes: a byte for each point, layer and expert, in this order}
void put_shares(Json& json, const ExpertShares& shares) {
  std::string codes;
  for (const BucketedRows::Bucket& bucket : shares.rows().buckets()) {
    for (const ExpertShares::Layer& layer : shares.layers()) {
      for (size_t e = 0; e < layer.experts; ++e) {
        const double share = BucketedRows::cell(bucket, layer.first_column + e).mean();
        codes += static_cast<char>(load_code(share * static_cast<double>(layer.experts)));
      }
    }
  }
  json.key("shares").open('{');
  put_positions(json, shares.rows());
  json.key("layers").list(shares.layers(), [&](const ExpertShares::Layer& layer) {
    json.open('{');
    json.key("name").string(layer.name);
    json.key("experts").integer(static_cast<i64>(layer.experts));
    json.close('}');
  });
  json.key("codes").string(base64(codes));
  json.close('}');
}

void put_load(Json& json, const std::vector<LayerLoad>& load) {
  json.list(load, [&](const LayerLoad& layer) {
    json.open('{');
    json.key("layer").string(layer.layer);
    json.key("max_vio").number(layer.max_vio);
    json.key("load").list(layer.share, [&](double share) {
      const double relative = share * static_cast<double>(layer.share.size());
      json.raw(std::isfinite(relative) ? fmt::format("{:.3g}", relative) : "null");
    });
    json.close('}');
  });
}

void put_sets(Json& json, const RunHistory& history, ReportDetail detail) {
  json.key("sets").list(history.sets(), [&](const SetHistory& set) {
    json.open('{');
    json.key("name").string(set.name);
    json.key("step").integer(set.latest.step);
    json.key("best_step").integer(set.best_step);
    put_positions(json, set.loss);
    json.key("loss");
    put_column(json, set.loss, 0);
    json.key("bits_per_byte");
    put_column(json, set.loss, 1);
    json.key("mtp").open('{');
    put_positions(json, set.mtp_loss);
    json.key("loss");
    put_columns(json, set.mtp_loss, 0);
    json.close('}');
    json.key("acceptance").open('{');
    put_positions(json, set.mtp_acceptance);
    json.key("share");
    put_columns(json, set.mtp_acceptance, 0);
    json.close('}');
    if (detail == ReportDetail::kFull) {
      json.key("load");
      put_load(json, set.latest.load);
      put_shares(json, set.shares);
    }
    json.close('}');
  });
}

/// [{name, chance, metrics, x, values, errors}], a list of each metric's numbers.
void put_tasks(Json& json, const RunHistory& history) {
  json.key("tasks").list(history.tasks(), [&](const TaskHistory& task) {
    json.open('{');
    json.key("name").string(task.name);
    json.key("chance").number(task.latest.chance);
    json.key("metrics").list(task.metrics, [&](const std::string& name) { json.string(name); });
    put_positions(json, task.values);
    const auto put = [&](std::string_view key, const BucketedRows& rows) {
      json.key(key).open('[');
      for (size_t c = 0; c < task.metrics.size(); ++c) put_column(json, rows, c);
      json.close(']');
    };
    put("values", task.values);
    put("errors", task.errors);
    json.close('}');
  });
}

void put_specialisation(Json& json, const RunHistory& history) {
  const BucketedRows rows = history.specialisation();
  json.key("specialisation").open('{');
  put_positions(json, rows);
  json.key("layers").list(history.specialised_layers(),
                          [&](const std::string& name) { json.string(name); });
  json.key("bits");
  put_columns(json, rows, 0);
  json.close('}');
}

}  // namespace

u8 load_code(double load) {
  if (!std::isfinite(load)) return 255;
  if (load <= 0) return 0;
  const double scaled = 1.0 + std::round(253.0 * (std::log2(load) + 4.0) / 8.0);
  return static_cast<u8>(std::clamp(scaled, 1.0, 254.0));
}

std::string report_data(const RunHistory& history, ReportDetail detail) {
  const RunInfo& info = history.info();
  Json json;
  json.open('{');
  json.key("title").string(info.title);
  json.key("started").raw(fmt::format("{:.10g}", info.started));
  json.key("total_steps").integer(info.total_steps);
  json.key("total_tokens").integer(info.total_tokens);
  put_steps(json, history.steps());
  put_stage(json, history.stage());
  put_layers(json, history.load());
  if (detail == ReportDetail::kFull) put_shares(json, history.load().shares);
  put_sets(json, history, detail);
  put_tasks(json, history);
  put_specialisation(json, history);
  json.key("skipped").list(history.skipped(),
                           [&](const SkippedStep& skipped) { json.integer(skipped.step); });
  json.close('}');
  return json.take();
}

}  // namespace fathom::report

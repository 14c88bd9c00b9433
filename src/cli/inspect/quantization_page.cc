#include "cli/inspect/quantization_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "cli/inspect/page_assets.h"
#include "cli/inspect/quantization_json.h"
#include "report/page/html_text.h"
#include "report/page/page_assets.h"

namespace fathom::cli {
namespace {

using checkpoint::ErrorRates;
using checkpoint::KindStudy;
using checkpoint::OctaveTable;
using checkpoint::QuantizationStudy;
using checkpoint::StudySums;
using checkpoint::TensorStudy;

constexpr size_t kWorstTensors = 12;

/// Four digits are enough to draw.
io::JsonValue short_number(double value) {
  const std::string text = fmt::format("{:.4g}", value);
  double rounded = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

/// [scheme][rate]
io::JsonArray rate_table(const QuantizationStudy& study, const StudySums& sums) {
  io::JsonArray table;
  for (size_t i = 0; i < study.schemes.size(); ++i) {
    const ErrorRates rates = error_rates(sums, i);
    io::JsonArray row;
    for (const auto& [name, member] : kStudyRates) row.push_back(short_number(rates.*member));
    table.emplace_back(std::move(row));
  }
  return table;
}

/// [scaling][octave]: shares of the non-zero numbers.
io::JsonArray octave_shares(const OctaveTable& octaves) {
  io::JsonArray table;
  for (const auto& counts : octaves) {
    i64 total = 0;
    for (const i64 count : counts) total += count;
    io::JsonArray row;
    for (const i64 count : counts) {
      row.push_back(
          short_number(total > 0 ? static_cast<double>(count) / static_cast<double>(total) : 0.0));
    }
    table.emplace_back(std::move(row));
  }
  return table;
}

io::JsonObject group_object(const QuantizationStudy& study, std::string name, bool is_linear,
                            const StudySums& sums, const OctaveTable& octaves) {
  io::JsonObject group;
  group.set("name", std::move(name));
  group.set("linear", is_linear);
  group.set("tensors", sums.tensors);
  group.set("numbers", sums.magnitudes.numbers);
  group.set("amax", short_number(static_cast<double>(sums.amax)));
  group.set("rates", rate_table(study, sums));
  group.set("octaves", octave_shares(octaves));
  return group;
}

/// All Linear matrices together, then every kind. Models of which no Linear was measured: the
/// kinds.
io::JsonArray groups(const QuantizationStudy& study) {
  io::JsonArray array;
  OctaveTable octaves = {};
  for (const KindStudy& kind : study.kinds) {
    if (!kind.is_linear) continue;
    for (size_t s = 0; s < octaves.size(); ++s) {
      for (size_t o = 0; o < octaves[s].size(); ++o) octaves[s][o] += kind.octaves[s][o];
    }
  }
  if (study.linear.tensors > 0) {
    array.emplace_back(group_object(study, "all Linear", true, study.linear, octaves));
  }
  for (const KindStudy& kind : study.kinds) {
    array.emplace_back(group_object(study, kind.kind, kind.is_linear, kind.sums, kind.octaves));
  }
  return array;
}

/// One cell of the map for each kind and layer that has tensors.
io::JsonArray cells(const QuantizationStudy& study) {
  std::map<std::pair<std::string, i64>, StudySums> sums;
  for (const TensorStudy& tensor : study.tensors) {
    StudySums& cell = sums[{tensor.kind, tensor.layer}];
    cell.errors.resize(study.schemes.size());
    cell.add(tensor.sums);
  }
  io::JsonArray array;
  for (const auto& [place, cell] : sums) {
    io::JsonObject object;
    object.set("kind", place.first);
    object.set("layer", place.second);
    object.set("tensors", cell.tensors);
    object.set("rates", rate_table(study, cell));
    array.emplace_back(std::move(object));
  }
  return array;
}

/// [scheme]: the tensors with the largest mean relative error, worst first.
io::JsonArray worst_tensors(const QuantizationStudy& study) {
  io::JsonArray array;
  for (size_t i = 0; i < study.schemes.size(); ++i) {
    std::vector<std::pair<double, const TensorStudy*>> order;
    for (const TensorStudy& tensor : study.tensors) {
      order.emplace_back(-error_rates(tensor.sums, i).mean_relative_error, &tensor);
    }
    const size_t count = std::min(kWorstTensors, order.size());
    std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(count), {},
                              [](const auto& entry) { return entry.first; });
    io::JsonArray worst;
    for (size_t rank = 0; rank < count; ++rank) {
      const TensorStudy& tensor = *order[rank].second;
      const ErrorRates rates = error_rates(tensor.sums, i);
      io::JsonObject object;
      object.set("name", tensor.name);
      object.set("shape", io::JsonArray{tensor.shape[0], tensor.shape[1]});
      object.set("amax", short_number(static_cast<double>(tensor.sums.amax)));
      io::JsonArray row;
      for (const auto& [name, member] : kStudyRates) row.push_back(short_number(rates.*member));
      object.set("rates", std::move(row));
      worst.emplace_back(std::move(object));
    }
    array.emplace_back(std::move(worst));
  }
  return array;
}

/// JSON that may stand in a script element.
std::string script_json(const io::JsonValue& value) {
  std::string text;
  for (const char c : io::write_json(value)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

std::string list_items(const std::vector<std::string>& lines, std::string_view css_class) {
  std::string html;
  for (const std::string& line : lines) {
    html += fmt::format("<li class=\"{}\">{}</li>\n", css_class, report::html_escape(line));
  }
  return html;
}

}  // namespace

std::string quantization_page(const QuantizationStudy& study, const StudySubject& subject) {
  i64 numbers = 0;
  for (const KindStudy& kind : study.kinds) numbers += kind.sums.magnitudes.numbers;
  io::JsonObject data;
  data.set("schemes", scheme_names(study));
  data.set("groups", groups(study));
  data.set("cells", cells(study));
  data.set("worst", worst_tensors(study));
  const std::string range =
      subject.static_range.empty() ? "" : "static range " + subject.static_range + ", ";
  return report::fill_page(
      kQuantizationHtml,
      {{"title", report::html_escape(subject.directory)},
       {"summary",
        fmt::format("{} matrices, {} numbers, {}{} schemes", study.tensors.size(),
                    format_count(numbers), report::html_escape(range), study.schemes.size())},
       {"notes", list_items(quantization_notes(study), "note") + list_items(study.problems, "bad")},
       {"css", report::kPageCss},
       {"page_css", kQuantizationCss},
       {"data", script_json(data)},
       {"common_js", report::kCommonJs},
       {"heatmap_js", report::kHeatmapJs},
       {"page_js", kQuantizationJs}});
}

}  // namespace fathom::cli

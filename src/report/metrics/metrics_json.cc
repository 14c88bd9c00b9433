#include "report/metrics/metrics_json.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "io/json.h"

namespace fathom::report {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr std::array<std::pair<RunState, std::string_view>, 4> kStateNames = {{
    {RunState::kRunning, "running"},
    {RunState::kFinished, "finished"},
    {RunState::kInterrupted, "interrupted"},
    {RunState::kFailed, "failed"},
}};

/// Stages behind pre-training alone have numbers of their own, and not every metric has an error.
constexpr bool is_left_out(const auto&) { return false; }
bool is_left_out(const std::vector<NamedNumber>& numbers) { return numbers.empty(); }

// The one list of every struct's members, for writing (Self is const) and reading.
template <typename Self, typename Visit>
void visit_members(Self& self, Visit&& visit) {
  using Plain = std::remove_const_t<Self>;
  if constexpr (std::is_same_v<Plain, RunInfo>) {
    visit("title", self.title);
    visit("started", self.started);
    visit("total_steps", self.total_steps);
    visit("total_tokens", self.total_tokens);
    visit("facts", self.facts);
    visit("config", self.config);
  } else if constexpr (std::is_same_v<Plain, RunEnd>) {
    visit("step", self.step);
    visit("state", self.state);
    visit("reason", self.reason);
  } else if constexpr (std::is_same_v<Plain, LayerLoad>) {
    visit("layer", self.layer);
    visit("max_vio", self.max_vio);
    visit("entropy", self.entropy);
    visit("dead_experts", self.dead_experts);
    visit("bias_min", self.bias_min);
    visit("bias_max", self.bias_max);
    visit("share", self.share);
  } else if constexpr (std::is_same_v<Plain, StepMetrics>) {
    visit("step", self.step);
    visit("tokens", self.tokens);
    visit("samples", self.samples);
    visit("seconds", self.seconds);
    visit("loss", self.loss);
    visit("bits_per_byte", self.bits_per_byte);
    visit("mtp_loss", self.mtp_loss);
    visit("balance_loss", self.balance_loss);
    visit("lr", self.lr);
    visit("grad_norm", self.grad_norm);
    visit("bias_update_speed", self.bias_update_speed);
    visit("tokens_per_s", self.tokens_per_s);
    visit("gemm_peak_frac", self.gemm_peak_frac);
    visit("dropped", self.dropped);
    visit("skipped", self.skipped);
    visit("load", self.load);
    visit("stage", self.stage);
  } else if constexpr (std::is_same_v<Plain, TaskMetrics>) {
    visit("step", self.step);
    visit("task", self.task);
    visit("items", self.items);
    visit("chance", self.chance);
    visit("values", self.values);
    visit("errors", self.errors);
  } else {
    static_assert(std::is_same_v<Plain, ValidationMetrics>);
    visit("step", self.step);
    visit("set", self.set);
    visit("loss", self.loss);
    visit("bits_per_byte", self.bits_per_byte);
    visit("mtp_loss", self.mtp_loss);
    visit("mtp_acceptance", self.mtp_acceptance);
    visit("load", self.load);
  }
}

// ---- writing

class Writer {
 public:
  template <typename Record>
  static std::string line(std::string_view kind, const Record& record) {
    Writer writer;
    JsonObject object = writer.object(record, "");
    JsonObject result;
    result.set("kind", kind);
    for (const auto& [key, value] : object) result.set(key, value);
    if (!writer.nonfinite_.empty()) result.set("nonfinite", std::move(writer.nonfinite_));
    return io::write_json(result);
  }

 private:
  template <typename Struct>
  JsonObject object(const Struct& members, const std::string& prefix) {
    JsonObject result;
    visit_members(members, [&](std::string_view key, const auto& member) {
      if (is_left_out(member)) return;
      result.set(std::string(key), value(member, prefix + std::string(key)));
    });
    return result;
  }
  JsonValue value(double number, const std::string& path) {
    if (std::isfinite(number)) return number;
    nonfinite_.set(path, std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
    return {};
  }
  JsonValue value(i64 number, const std::string&) { return number; }
  JsonValue value(const std::string& text, const std::string&) { return text; }
  JsonValue value(RunState state, const std::string&) { return to_string(state); }
  JsonValue value(const std::pair<std::string, std::string>& fact, const std::string&) {
    return JsonArray{fact.first, fact.second};
  }
  JsonValue value(const LayerLoad& load, const std::string& path) {
    return object(load, path + ".");
  }
  JsonValue value(const std::vector<NamedNumber>& numbers, const std::string& path) {
    JsonObject result;
    for (const auto& [name, number] : numbers) {
      result.set(name, value(number, fmt::format("{}.{}", path, name)));
    }
    return result;
  }
  template <typename T>
  JsonValue value(const std::vector<T>& list, const std::string& path) {
    JsonArray array;
    array.reserve(list.size());
    for (const T& item : list)
      array.push_back(value(item, fmt::format("{}.{}", path, array.size())));
    return array;
  }

  JsonObject nonfinite_;
};

// ---- reading

/// The first thing that is wrong with a line; caught in parse_metrics_line.
struct Damaged {
  std::string what;
};

class Reader {
 public:
  explicit Reader(const JsonValue* nonfinite) : nonfinite_(nonfinite) {}

  template <typename Struct>
  void read(const JsonValue& from, Struct& to, const std::string& prefix) {
    visit_members(to, [&](std::string_view key, auto& member) {
      const JsonValue* found = from.find(key);
      const std::string path = prefix + std::string(key);
      if (found == nullptr && std::is_same_v<decltype(member), std::vector<NamedNumber>&>) return;
      if (found == nullptr) throw Damaged{fmt::format("{}: missing", path)};
      take(*found, member, path);
    });
  }

 private:
  [[noreturn]] static void refuse(const JsonValue& found, const std::string& path,
                                  std::string_view expected) {
    throw Damaged{fmt::format("{}: expected {}, found {}", path, expected, io::describe(found))};
  }
  void take(const JsonValue& from, double& to, const std::string& path) {
    if (from.is_number()) {
      to = from.as_number();
      return;
    }
    const JsonValue* flag = nonfinite_ == nullptr ? nullptr : nonfinite_->find(path);
    if (!from.is_null() || flag == nullptr || !flag->is_string()) {
      refuse(from, path, "a number, or null with a flag in \"nonfinite\"");
    }
    constexpr double kInf = std::numeric_limits<double>::infinity();
    const std::string& name = flag->as_string();
    to = name == "inf" ? kInf : name == "-inf" ? -kInf : std::numeric_limits<double>::quiet_NaN();
  }
  void take(const JsonValue& from, i64& to, const std::string& path) {
    if (!from.is_integer()) refuse(from, path, "an integer");
    to = from.as_integer();
  }
  void take(const JsonValue& from, std::string& to, const std::string& path) {
    if (!from.is_string()) refuse(from, path, "a string");
    to = from.as_string();
  }
  void take(const JsonValue& from, RunState& to, const std::string& path) {
    for (const auto& [state, name] : kStateNames) {
      if (from.is_string() && from.as_string() == name) {
        to = state;
        return;
      }
    }
    refuse(from, path, "a state of a run");
  }
  void take(const JsonValue& from, std::pair<std::string, std::string>& to,
            const std::string& path) {
    if (!from.is_array() || from.as_array().size() != 2) refuse(from, path, "a name and a value");
    take(from.as_array()[0], to.first, path);
    take(from.as_array()[1], to.second, path);
  }
  void take(const JsonValue& from, LayerLoad& to, const std::string& path) {
    read(from, to, path + ".");
  }
  void take(const JsonValue& from, std::vector<NamedNumber>& to, const std::string& path) {
    if (!from.is_object()) refuse(from, path, "an object of numbers");
    for (const auto& [name, number] : from.as_object()) {
      take(number, to.emplace_back(name, 0.0).second, fmt::format("{}.{}", path, name));
    }
  }
  template <typename T>
  void take(const JsonValue& from, std::vector<T>& to, const std::string& path) {
    if (!from.is_array()) refuse(from, path, "an array");
    to.reserve(from.as_array().size());
    for (const JsonValue& item : from.as_array()) {
      const std::string item_path = fmt::format("{}.{}", path, to.size());
      take(item, to.emplace_back(), item_path);
    }
  }

  const JsonValue* nonfinite_;
};

template <typename Record>
MetricsRecord read_record(const JsonValue& line) {
  Record record;
  Reader(line.find("nonfinite")).read(line, record, "");
  return record;
}

MetricsRecord read_kind(const JsonValue& line) {
  const JsonValue* kind = line.find("kind");
  if (kind == nullptr || !kind->is_string()) throw Damaged{"no \"kind\""};
  const std::string& name = kind->as_string();
  if (name == "step") return read_record<StepMetrics>(line);
  if (name == "validation") return read_record<ValidationMetrics>(line);
  if (name == "task") return read_record<TaskMetrics>(line);
  if (name == "run") return read_record<RunInfo>(line);
  if (name == "end") return read_record<RunEnd>(line);
  throw Damaged{fmt::format("unknown kind \"{}\"", name)};
}

}  // namespace

std::string_view to_string(RunState state) {
  for (const auto& [value, name] : kStateNames) {
    if (value == state) return name;
  }
  return "?";
}

std::string metrics_line(const MetricsRecord& record) {
  struct {
    std::string operator()(const RunInfo& info) { return Writer::line("run", info); }
    std::string operator()(const StepMetrics& step) { return Writer::line("step", step); }
    std::string operator()(const ValidationMetrics& set) { return Writer::line("validation", set); }
    std::string operator()(const TaskMetrics& task) { return Writer::line("task", task); }
    std::string operator()(const RunEnd& end) { return Writer::line("end", end); }
  } write;
  return std::visit(write, record);
}

Result<MetricsRecord> parse_metrics_line(std::string_view line, const std::string& where) {
  auto value = io::parse_json(line, where);
  if (!value) return tl::unexpected(std::move(value.error()));
  try {
    return read_kind(*value);
  } catch (const Damaged& damage) {
    return invalid_input(fmt::format("{}: {}", where, damage.what));
  }
}

i64 step_of(const MetricsRecord& record) {
  return std::visit(
      [](const auto& kind) -> i64 {
        if constexpr (requires { kind.step; }) {
          return kind.step;
        } else {
          return 0;
        }
      },
      record);
}

}  // namespace fathom::report

#include "cli/plan/scenario.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "cli/plan/cluster_files.h"
#include "config/run/run_config.h"
#include "config/run/run_file.h"
#include "io/mapped_file.h"

namespace fathom::cli {
namespace {

std::vector<std::pair<std::string_view, std::string_view>> shipped() {
  return {{"h800", kH800Toml},         {"h100", kH100Toml},      {"h200", kH200Toml},
          {"h20", kH20Toml},           {"b200", kB200Toml},      {"gb200-nvl72", kGb200Toml},
          {"gb300-nvl72", kGb300Toml}, {"zen4-2core", kZen4Toml}};
}

std::string read_small_file(const std::string& path) {
  const auto file = value_or_throw(io::MappedFile::open(path));
  const auto bytes = file.bytes();
  if (std::ssize(bytes) > kMaxRunFileBytes) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: found {}, expected at most {}", path,
                            format_bytes(std::ssize(bytes)), format_bytes(kMaxRunFileBytes)));
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Edits are read as a run file's --set is; here they are called --if.
std::string as_if(std::string message) {
  constexpr std::string_view kSet = "--set ";
  for (size_t at = 0; (at = message.find(kSet, at)) != std::string::npos;) {
    message.replace(at, kSet.size(), "--if ");
  }
  return message;
}

plan::Recompute recompute_of(const RecomputeConfig& config) {
  return config.norms || config.mla_up_projections || config.swiglu ? plan::Recompute::kSelected
                                                                    : plan::Recompute::kNone;
}

}  // namespace

void Scenario::list_fields(FieldList& list) {
  cluster.list_fields(list);
  list.add("layout", layout, "the run's layout over the cluster");
}

void Scenario::check(const std::string& prefix, Problems& problems) const {
  cluster.check(prefix, problems);
}

void add_cluster_options(Arguments& command, ScenarioOptions& options) {
  command
      .add_option(
          "--cluster", options.cluster,
          "h800, h100, h200, h20, b200, gb200-nvl72, gb300-nvl72, zen4-2core, or a machine file")
      .type_name("NAME|FILE")
      .required();
  command
      .add_option("--if", options.edits,
                  "What if: a key of the machine file or of [layout]; may be repeated")
      .type_name("KEY=VALUE")
      .one_value_each();
}

void add_layout_option(Arguments& command, ScenarioOptions& options) {
  command.add_option("--layout", options.layout, "Layout of the run (TOML)").type_name("FILE");
}

ClusterText cluster_text(const std::string& name) {
  if (std::filesystem::exists(name)) return {read_small_file(name), name};
  std::string known;
  for (const auto& [shipped_name, text] : shipped()) {
    if (shipped_name == name) return {std::string(text), name + ".toml"};
    known += fmt::format(" {}", shipped_name);
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("--cluster: found {}, expected a file or one of:{}", name, known));
}

Scenario load_scenario(const ScenarioOptions& options, const plan::Layout& initial) {
  Scenario scenario;
  scenario.layout = initial;
  if (!options.layout.empty()) {
    value_or_throw(read_run_file(options.layout, {}, field_list(scenario.layout)));
  }
  const ClusterText file = cluster_text(options.cluster);
  const FieldList root = field_list(scenario);
  auto full = plan::full_keys(root, options.edits);
  if (!full) throw Error(full.error().code(), "--if " + full.error().message());
  auto read = parse_run_file(file.text, file.where, *full, root);
  if (!read) throw Error(read.error().code(), as_if(read.error().message()));
  if (scenario.layout.gpus == 0) scenario.layout.gpus = scenario.cluster.gpus;
  return scenario;
}

void require_gpus(const Scenario& scenario, const ScenarioOptions& options, std::string_view what) {
  if (!scenario.cluster.is_cpu()) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("--cluster: found {}, a node without accelerators, expected one with GPUs: "
                  "{}",
                  options.cluster, what));
}

PlannedRun load_planned_run(const std::string& path, const std::vector<std::string>& settings) {
  RunConfig config;
  value_or_throw(read_run_file(path, settings, field_list(config)));
  PlannedRun planned;
  planned.model = value_or_throw(load_model_config(config.model.config_path()));
  planned.run = {.sequences = config.train.batch_sequences,
                 .seq_len = config.data.seq_len,
                 .tokens = static_cast<double>(config.train.tokens),
                 .fp8 = config.recipe.precision.mode == TrainPrecision::kFp8};
  if (config.train.tokens == 0) {
    planned.run.tokens = static_cast<double>(config.train.steps) * planned.run.step_tokens().value;
  }
  planned.layout.precision = planned.run.fp8 ? plan::Precision::kFp8 : plan::Precision::kBf16;
  planned.layout.recompute = recompute_of(config.recipe.recompute);
  planned.layout.micro_batch_sequences = std::max<i64>(1, config.train.micro_batch_sequences);
  planned.layout.bf16_moments = config.optimizer.bf16_moments;
  return planned;
}

}  // namespace fathom::cli

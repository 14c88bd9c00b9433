#include "cli/inspect/inspect_quantization.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "backend/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/inspect/quantization_page.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "io/files/atomic_file.h"
#include "tensor/fp8.h"
#include "train/checkpoint/run_directory.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;
using checkpoint::ErrorRates;
using checkpoint::QuantizationScheme;
using checkpoint::QuantizationStudy;
using checkpoint::StudyOptions;
using checkpoint::StudySums;

/// The model itself, or the newest checkpoint of a run.
fs::path weights_directory(const fs::path& path) {
  if (!fs::is_directory(path)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: expected the directory of a model or of a run", path.string()));
  }
  if (fs::exists(path / "config.json")) return path;
  if (const std::optional<fs::path> newest = train::newest_checkpoint(path)) return *newest;
  throw Error(ErrorCode::kNotFound,
              fmt::format("{}: neither a model (config.json) nor a run with a checkpoint "
                          "(checkpoints/step-N)",
                          path.string()));
}

/// "0.5" is a number, "99.9%" a share of each tensor's numbers.
void read_static_range(const std::string& text, StudyOptions& options) {
  const bool percent = text.ends_with('%');
  const char* end = text.data() + text.size() - (percent ? 1 : 0);
  double value = 0.0;
  const auto parsed = std::from_chars(text.data(), end, value);
  const bool number = parsed.ec == std::errc() && parsed.ptr == end;
  if (percent && number && value > 0.0 && value <= 100.0) {
    options.static_quantile = value / 100.0;
  } else if (!percent && number && value >= static_cast<double>(kFp8AmaxFloor) && value <= 1e9) {
    options.static_amax = static_cast<float>(value);
  } else {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("--static-amax: found {}, expected a largest number from 0.0001 to 1e9, "
                    "or a share of each tensor's numbers such as 99.9%",
                    text));
  }
}

std::vector<std::string_view> scheme_names() {
  std::vector<std::string_view> names;
  for (const QuantizationScheme& scheme : checkpoint::quantization_schemes()) {
    names.push_back(scheme.name);
  }
  return names;
}

const QuantizationScheme& find_scheme(const std::string& name) {
  const auto all = checkpoint::quantization_schemes();
  const auto found = std::ranges::find(all, name, &QuantizationScheme::name);
  if (found != all.end()) return *found;
  const std::vector<std::string_view> names = scheme_names();
  const std::string nearest = nearest_name(name, names);
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("--schemes: {} is none{}; known are {}", name,
                          nearest.empty() ? "" : ", did you mean " + nearest + "?",
                          fmt::join(names, ", ")));
}

std::vector<QuantizationScheme> chosen_schemes(const QuantizationOptions& options) {
  const bool has_range = !options.static_range.empty();
  std::vector<QuantizationScheme> chosen;
  if (options.schemes.empty()) {
    for (const QuantizationScheme& scheme : checkpoint::quantization_schemes()) {
      if (has_range || !scheme.is_static) chosen.push_back(scheme);
    }
    return chosen;
  }
  for (const std::string& name : options.schemes) {
    const QuantizationScheme& scheme = find_scheme(name);
    if (std::ranges::find(chosen, scheme.name, &QuantizationScheme::name) == chosen.end()) {
      chosen.push_back(scheme);
    }
  }
  const bool any_static = std::ranges::any_of(chosen, &QuantizationScheme::is_static);
  if (any_static && !has_range) {
    throw Error(ErrorCode::kInvalidInput,
                "--schemes: a static scheme needs its range: --static-amax X or P%");
  }
  if (has_range && !any_static) {
    throw Error(ErrorCode::kInvalidInput,
                "--static-amax: none of --schemes is static: add e4m3-static or e5m2-static");
  }
  return chosen;
}

/// Where the drawing goes, opened before hours of measuring; nullopt: nowhere.
std::optional<io::AtomicFile> open_drawing(const QuantizationOptions& options, bool json) {
  if (json && options.out.empty()) return std::nullopt;
  const fs::path path = options.out.empty() ? "quantization.html" : options.out;
  if (fs::is_directory(path)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--out: {} is a directory, expected a file", path.string()));
  }
  if (fs::exists(path) && !options.overwrite) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} exists already: --overwrite replaces a file, --out names another",
                            path.string()));
  }
  return io::AtomicFile(path);
}

QuantizationStudy measure(const fs::path& directory, StudyOptions options) {
  Ctx ctx = backend::make_context();
  const InterruptGuard interrupt;
  ProgressLine progress;
  options.on_progress = [&](i64 done, i64 total) {
    interrupt.check();
    progress.update("measuring", done, total);
  };
  return checkpoint::study_quantization(ctx, directory, options);
}

std::string share(double value) {
  return value == 0.0 ? "0" : fmt::format("{:.3g} %", 100.0 * value);
}

/// A line a scheme for all of `sums`.
void print_schemes(const QuantizationStudy& study, const StudySums& sums) {
  constexpr int kBarWidth = 16;
  out::print("\n{:<18} {:>10} {:>10} {:<{}} {:>10} {:>10} {:>10} {:>10}\n", "scheme", "|x-q|",
             "|x-q|/|x|", "", kBarWidth, "rms", "clamped", "to zero", "subnormal");
  double largest = 0.0;
  for (size_t i = 0; i < study.schemes.size(); ++i) {
    largest = std::max(largest, error_rates(sums, i).mean_relative_error);
  }
  for (size_t i = 0; i < study.schemes.size(); ++i) {
    const ErrorRates rates = error_rates(sums, i);
    const double length = largest > 0.0 ? kBarWidth * rates.mean_relative_error / largest : 0.0;
    const std::string bar(static_cast<size_t>(length + 0.5), '#');
    out::print("{:<18} {:>10.3g} {:>10} {:<{}} {:>10} {:>10} {:>10} {:>10}\n",
               study.schemes[i].name, rates.mean_abs_error, share(rates.mean_relative_error), bar,
               kBarWidth, share(rates.rms_error), share(rates.clamp_rate),
               share(rates.underflow_rate), share(rates.subnormal_rate));
  }
}

/// The schemes that a table has room for: those asked for, or the ones that differ most.
std::vector<size_t> columns_of(const QuantizationStudy& study, bool all_measured) {
  constexpr std::array<std::string_view, 6> kTelling = {"e4m3-tensor", "e4m3-channel", "e4m3-block",
                                                        "e4m3-tile",   "e4m3-static",  "e5m2-tile"};
  std::vector<size_t> columns;
  for (size_t i = 0; i < study.schemes.size() && columns.size() < kTelling.size(); ++i) {
    const bool telling = std::ranges::find(kTelling, study.schemes[i].name) != kTelling.end();
    if (!all_measured || telling) columns.push_back(i);
  }
  return columns;
}

void print_kinds(const QuantizationStudy& study, const std::vector<size_t>& columns) {
  out::print("\n{:<28} {:>10}", "mean |x-q|/|x| by kind", "numbers");
  for (const size_t i : columns) out::print(" {:>15}", study.schemes[i].name);
  out::print("\n");
  for (const checkpoint::KindStudy& kind : study.kinds) {
    out::print("{:<28} {:>10}", kind.kind + (kind.is_linear ? "" : " *"),
               format_count(kind.sums.magnitudes.numbers));
    for (const size_t i : columns) {
      const ErrorRates rates = error_rates(kind.sums, i);
      out::print(" {:>15}", share(rates.mean_relative_error));
    }
    out::print("\n");
  }
  if (!std::ranges::all_of(study.kinds, &checkpoint::KindStudy::is_linear)) {
    out::print("* not quantised by the FP8 recipe, and not in the table above\n");
  }
}

void print_worst(const QuantizationStudy& study, const std::vector<size_t>& columns) {
  out::print("\nlargest mean |x-q|/|x| of a tensor\n");
  for (const size_t i : columns) {
    const auto error = [i](const checkpoint::TensorStudy& tensor) {
      return error_rates(tensor.sums, i).mean_relative_error;
    };
    const checkpoint::TensorStudy& worst = *std::ranges::max_element(study.tensors, {}, error);
    const ErrorRates rates = error_rates(worst.sums, i);
    out::print("  {:<18} {:>10}  {} ({} to zero, {} clamped)\n", study.schemes[i].name,
               share(rates.mean_relative_error), worst.name, share(rates.underflow_rate),
               share(rates.clamp_rate));
  }
}

void print_text(const QuantizationStudy& study, const StudySubject& subject, bool all_schemes) {
  i64 numbers = 0;
  for (const checkpoint::KindStudy& kind : study.kinds) numbers += kind.sums.magnitudes.numbers;
  out::print("{}: {} matrices, {} numbers\n", subject.directory, study.tensors.size(),
             format_count(numbers));
  for (const std::string& note : quantization_notes(study)) out::print("  - {}\n", note);
  const bool any_linear = study.linear.tensors > 0;
  StudySums all;
  all.errors.resize(study.schemes.size());
  for (const checkpoint::KindStudy& kind : study.kinds) all.add(kind.sums);
  out::print("\n{}\n", any_linear
                           ? fmt::format("All {} Linear matrices, {} numbers", study.linear.tensors,
                                         format_count(study.linear.magnitudes.numbers))
                           : std::string("None of these is a Linear that FP8 training quantises"));
  print_schemes(study, any_linear ? study.linear : all);
  const std::vector<size_t> columns = columns_of(study, all_schemes);
  print_kinds(study, columns);
  print_worst(study, columns);
  if (!study.problems.empty()) out::print("\nproblems: these weights are damaged\n");
  for (const std::string& problem : study.problems) out::print("  - {}\n", problem);
}

}  // namespace

void add_quantization_options(Arguments& command, QuantizationOptions& options) {
  Option wanted =
      command.add_flag("--quantization", options.wanted,
                       "Measure what FP8 and other schemes do to the weights, and draw it");
  command
      .add_option("--schemes", options.schemes,
                  fmt::format("Of {}; default: all", fmt::join(scheme_names(), ", ")))
      .delimiter(',')
      .type_name("NAME,...")
      .needs(wanted);
  command
      .add_option("--static-amax", options.static_range,
                  "Range of the static schemes: a largest number, or as 99.9% the share of each "
                  "tensor's numbers that it holds")
      .type_name("X|P%")
      .needs(wanted);
  command.add_option("--tensors", options.tensors, "Only tensors with this in their name")
      .type_name("TEXT")
      .needs(wanted);
  command
      .add_option("--out", options.out,
                  "The drawing, one HTML file; default: quantization.html, none with --json")
      .type_name("FILE")
      .needs(wanted);
  command.add_flag("--overwrite", options.overwrite, "Replace the drawing of an earlier time")
      .needs(wanted);
}

int inspect_quantization(const std::string& path, const QuantizationOptions& options, bool json) {
  StudyOptions study_options;
  study_options.schemes = chosen_schemes(options);
  study_options.name_contains = options.tensors;
  if (!options.static_range.empty()) read_static_range(options.static_range, study_options);
  const fs::path directory = weights_directory(path);
  std::optional<io::AtomicFile> drawing = open_drawing(options, json);

  const QuantizationStudy study = measure(directory, std::move(study_options));
  const StudySubject subject{.directory = directory.string(), .static_range = options.static_range};
  if (json) {
    out::print("{}\n", io::write_json(quantization_json(study, subject)));
  } else {
    print_text(study, subject, options.schemes.empty());
  }
  if (drawing) {
    drawing->append(quantization_page(study, subject));
    drawing->commit();
    log::info("drawn in {}", drawing->path().string());
  }
  return study.problems.empty() ? kExitOk : kExitUserError;
}

}  // namespace fathom::cli

#include <fmt/format.h>

#include <fstream>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/control_group.h"
#include "base/cpu_features.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/arguments/value_check.h"
#include "cli/bench/bench_json.h"
#include "cli/bench/bench_text.h"
#include "cli/bench/machine_file.h"
#include "cli/command.h"
#include "cli/options/model_options.h"
#include "cli/options/storage_options.h"
#include "cli/output.h"
#include "engine/measure/benchmark.h"
#include "engine/measure/verification.h"
#include "io/files/atomic_file.h"
#include "io/files/output_path.h"
#include "io/json.h"
#include "model/weights/random_weights.h"
#include "ops/gemm/gemm_peak.h"

namespace fathom::cli {
namespace {

using engine::BesidePromptTiming;
using engine::DraftTiming;
using engine::Timing;

/// Lets peak_resident_bytes() begin anew from what is resident now; kernels that cannot keep the
/// peak of the whole process.
void forget_peak_resident() { std::ofstream("/proc/self/clear_refs") << 5; }

/// The most memory this process has had resident, mapped files included.
i64 peak_resident_bytes() {
  std::ifstream file("/proc/self/status");
  std::string key, rest;
  i64 kib = 0;
  while (file >> key) {
    if (key == "VmHWM:" && file >> kib) return kib * 1024;
    std::getline(file, rest);
  }
  return 0;
}

std::string_view activations_name(ops::Activations activations) {
  switch (activations) {
    case ops::Activations::kF32:
      return "f32";
    case ops::Activations::kBf16:
      return "bf16";
    case ops::Activations::kInt8:
      return "int8";
    case ops::Activations::kFp8:
    case ops::Activations::kFp8PowerOf2:
      return "fp8";
  }
  return "?";
}

/// An instruction set whose kernels share nothing with those of `ctx` but their definition.
std::string_view other_isa(const Ctx& ctx) {
  return cpu_features().avx2 && std::string_view(ctx.isa_name()) != "avx2" ? "avx2" : "scalar";
}

/// More than any model's context, and sums of a few of them fit.
constexpr long kMostTokens = 1 << 30;

class Bench : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("bench", "Measure speed beside this machine's limits");
    Arguments source = command.add_group("source", "What to run");
    source.add_option("-m,--model", model_.directory, "Model directory").type_name("DIR");
    source.add_option("-c,--config", config_, "A config.json: random weights of that shape")
        .type_name("FILE");
    source.require_one();
    add_storage_options(command, storage_, "--weights", "With --config: how they are stored");
    add_passes(command);
    add_engine_runs(command);
    add_run_options(command, model_);
    command.add_flag("--no-verify", no_verify_, "Time without checking first");
    command
        .add_option("--machine-file", machine_file_,
                    "Also write this machine as fathom plan --cluster reads it")
        .type_name("FILE");
    command.add_flag("--json", json_, "One JSON object");
    command.footer(
        "Checks the model's numbers first, then measures the machine, then the model.\n"
        "The table is of passes over the model alone; --drafts and --beside-prompt run the "
        "engine.\n"
        "Tokens/s are of the best pass and, in brackets, of the median one; shares are of the best "
        "pass.\n"
        "Example: fathom --threads 2 bench --config config.json --weights fp8 --contexts 256,2048");
    return command;
  }

  int run() override {
    if (no_prefill_) options_.prefill_tokens.clear();
    if (no_batches_) options_.batches.clear();
    if (!machine_file_.empty()) io::require_output_file(machine_file_);
    Ctx ctx = backend::make_context();
    const auto model = make_model(ctx);
    if (beside_options_.prompt_tokens > model->config().max_position_embeddings) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("--beside-prompt: {} tokens; this model takes 1 to {} "
                      "(max_position_embeddings)",
                      beside_options_.prompt_tokens, model->config().max_position_embeddings));
    }
    const auto engine = engine_options(model_, model->config(), /*wanted_context_tokens=*/1);
    options_.run = engine.run;
    options_.cache_dtype = engine.cache_dtype;
    first_token(ctx, *model);
    if (!no_verify_) require_right(verify(ctx, *model));
    engine::MachineSpeed machine = engine::measure_machine(ctx);
    forget_peak_resident();  // of the measurements
    const std::vector<Timing> timings = engine::run_benchmark(ctx, *model, options_);
    peak_resident_bytes_ = peak_resident_bytes();
    const std::vector<DraftTiming> drafts =
        drafts_ ? run_drafts(ctx, *model) : std::vector<DraftTiming>();
    machine = better_of(machine, engine::measure_machine(ctx));
    const std::vector<BesidePromptTiming> beside = beside_options_.prompt_tokens > 0
                                                       ? run_beside_prompt(ctx, *model)
                                                       : std::vector<BesidePromptTiming>();
    if (!machine_file_.empty()) write_machine_file(ctx, *model, machine, timings);
    if (json_) {
      print_json(ctx, *model, machine, timings, drafts, beside);
    } else {
      print_text(ctx, *model, machine, timings);
      print_drafts(drafts);
      print_beside_prompt(beside);
    }
    return kExitOk;
  }

 private:
  /// Of passes over the model alone.
  void add_passes(Arguments& command) {
    const auto list = [&](const char* name, std::vector<i64>& values, const char* help) {
      command.add_option(name, values, help)
          .delimiter(',')
          .one_value_each()
          .check(integer_between(1, kMostTokens))
          .show_default();
    };
    list("--prefill", options_.prefill_tokens, "Prompt lengths; 0 entries: --no-prefill");
    list("--contexts", options_.decode_contexts, "Tokens in the cache of one decoding sequence");
    list("--batches", options_.batches, "Numbers of sequences that decode together");
    command.add_flag("--no-prefill", no_prefill_, "Decode only");
    command.add_flag("--no-batches", no_batches_, "One sequence only");
    command.add_option("--steps", options_.steps, "Decode steps of one timing")
        .check(integer_between(1, kMostTokens))
        .show_default();
    command.add_option("--repeats", options_.repeats, "Prefills of one timing")
        .check(integer_between(1, kMostTokens))
        .show_default();
    command.add_option("--chunk", options_.chunk_tokens, "Prompt tokens of one pass")
        .check(integer_between(1, kMostTokens))
        .show_default();
  }

  /// Of the engine's requests.
  void add_engine_runs(Arguments& command) {
    command.add_flag("--drafts", drafts_,
                     "Decode with and without drafts of the MTP modules: speed and acceptance");
    command
        .add_option("--beside-prompt", beside_options_.prompt_tokens,
                    "Streams beside a prompt of so many tokens: speed and longest gap")
        .check(integer_between(1, kMostTokens))
        .type_name("TOKENS");
    command.add_option("--mtp", mtp_modules_, "With --config: so many MTP modules")
        .check(integer_between(0, 8));
    command
        .add_option("--forced-acceptance", draft_options_.forced_acceptance,
                    "With --drafts: drafts at position 1, 2, ... are kept at these rates, whatever "
                    "the model says; random weights keep none")
        .delimiter(',')
        .one_value_each()
        .check(number_between(0, 1));
  }

  std::unique_ptr<model::Model> make_model(Ctx& ctx) {
    start_ = Clock::now();
    auto model = config_.empty() ? load_model(ctx, model_) : random_model(ctx);
    load_s_ = seconds_since(start_);
    return model;
  }

  std::unique_ptr<model::Model> random_model(Ctx& ctx) const {
    ModelConfig config = value_or_throw(load_model_config(config_));
    if (mtp_modules_ >= 0) config.num_nextn_predict_layers = mtp_modules_;
    return model::Model::random(ctx, config, {.storage = model_storage(storage_, config)});
  }

  void write_machine_file(Ctx& ctx, const model::Model& model, const engine::MachineSpeed& machine,
                          const std::vector<Timing>& timings) const {
    const double peak = ops::gemm_peak_flops_per_s(ctx);
    const double training = measure_training_flops_per_s(ctx, model.config());
    io::write_file_atomically(machine_file_,
                              machine_file(machine, timings, peak, training, source()));
  }

  engine::Verification verify(Ctx& ctx, const model::Model& model) const {
    Ctx scalar = backend::cpu_context("scalar"), other = backend::cpu_context(other_isa(ctx));
    return engine::verify({.timed = ctx, .scalar = scalar, .other_isa = other}, model, options_.run,
                          options_.cache_dtype);
  }

  /// What all benches of an engine take from the options of the main one.
  template <typename Options>
  void measure_alike(Options& other) const {
    other.run = options_.run;
    other.cache_dtype = options_.cache_dtype;
    other.steps = options_.steps;
    other.context = options_.batch_context;
    other.batches = options_.batches;
  }

  std::vector<DraftTiming> run_drafts(Ctx& ctx, const model::Model& model) {
    measure_alike(draft_options_);
    draft_options_.batches.insert(draft_options_.batches.begin(), 1);
    return engine::run_draft_benchmark(ctx, model, draft_options_);
  }

  std::vector<BesidePromptTiming> run_beside_prompt(Ctx& ctx, const model::Model& model) {
    measure_alike(beside_options_);
    return engine::run_beside_prompt_benchmark(ctx, model, beside_options_);
  }

  /// From nothing to the logits of one token.
  void first_token(Ctx& ctx, const model::Model& model) {
    model::KvCache cache(model.config(), options_.cache_dtype, 1);
    std::vector<float> logits(static_cast<size_t>(model.config().vocab_size));
    const i32 id = 0;
    const model::SequenceStep step{.token_ids = {&id, 1}, .cache = &cache};
    model.forward(ctx, {&step, 1}, options_.run, {logits.data(), {1, std::ssize(logits)}});
    first_token_s_ = seconds_since(start_);
  }

  static void require_right(const engine::Verification& v) {
    if (v.ok()) return;
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("wrong numbers are not timed: logits differ from other kernels' by "
                    "{:.2e} in f32 and {:.2e} as timed (rounding activations changes {:.2e}); "
                    "bitwise equal for one thread: {}, token by token: {}",
                    v.exact_error, v.timed_error, v.rounding_error, v.threads_agree,
                    v.chunking_agrees));
  }

  static engine::MachineSpeed better_of(const engine::MachineSpeed& a,
                                        const engine::MachineSpeed& b) {
    return {.read_bytes_per_s = std::max(a.read_bytes_per_s, b.read_bytes_per_s),
            .peaks = {.f32 = std::max(a.peaks.f32, b.peaks.f32),
                      .bf16 = std::max(a.peaks.bf16, b.peaks.bf16),
                      .int8 = std::max(a.peaks.int8, b.peaks.int8)},
            .bf16_gemm = std::max(a.bf16_gemm, b.bf16_gemm)};
  }

  std::string source() const {
    if (config_.empty()) return model_.directory;
    return fmt::format("{} in {}", config_, describe(storage_));
  }

  /// Under a CPU quota every speed is the quota's and not the machine's.
  static std::string quota_text() {
    const auto quota = cpu_quota();
    return quota ? fmt::format(" under a quota of {:.2f} CPUs", *quota) : "";
  }

  void print_text(const Ctx& ctx, const model::Model& model, const engine::MachineSpeed& machine,
                  const std::vector<Timing>& timings) const {
    out::print(
        "{}, {}, {} thread{}{}: read {:.1f} GB/s, BF16 GEMM {:.0f} Gop/s; in registers f32 {:.0f}, "
        "bf16 {:.0f}, int8 {:.0f}\n",
        cpu_brand(), ctx.isa_name(), num_threads(), num_threads() == 1 ? "" : "s", quota_text(),
        machine.read_bytes_per_s / 1e9, machine.bf16_gemm / 1e9, machine.peaks.f32 / 1e9,
        machine.peaks.bf16 / 1e9, machine.peaks.int8 / 1e9);
    out::print("{}: weights {}, loaded in {:.2f} s, first token after {:.2f} s\n", source(),
               format_bytes(model.weight_bytes()), load_s_, first_token_s_);
    out::print(
        "most memory {}: the weights, a cache of {} and {:.1f} % of the weights beside them\n",
        format_bytes(peak_resident_bytes_), format_bytes(largest_cache_bytes(model, timings)),
        100 * memory_beside(model, timings));
    out::print("activations {}\n", activations_name(options_.run.activations));
    print_timings(timings, machine);
  }

  /// The rows written in the caches of the timing that had most.
  i64 largest_cache_bytes(const model::Model& model, const std::vector<Timing>& timings) const {
    i64 most = 0;
    for (const Timing& t : timings) {
      const bool decode = t.what == "decode";
      most = std::max(most, t.tokens * (decode ? t.context + options_.steps + 1 : 1));
    }
    return most * model::KvCache::bytes_per_token(model.config(), options_.cache_dtype);
  }

  /// Memory beyond weights and cache, as a share of the weights.
  double memory_beside(const model::Model& model, const std::vector<Timing>& timings) const {
    const i64 weights = model.weight_bytes();
    return static_cast<double>(peak_resident_bytes_ - weights -
                               largest_cache_bytes(model, timings)) /
           static_cast<double>(weights);
  }

  void print_json(const Ctx& ctx, const model::Model& model, const engine::MachineSpeed& machine,
                  const std::vector<Timing>& timings, const std::vector<DraftTiming>& drafts,
                  const std::vector<BesidePromptTiming>& beside) const {
    io::JsonArray rows;
    for (const Timing& t : timings) rows.emplace_back(timing_json(t, machine));
    io::JsonObject object;
    object.set("source", source());
    object.set("activations", activations_name(options_.run.activations));
    object.set("machine", machine_json(ctx, machine));
    object.set("weight_bytes", model.weight_bytes());
    object.set("load_s", load_s_);
    object.set("first_token_s", first_token_s_);
    object.set("peak_resident_bytes", peak_resident_bytes_);
    object.set("largest_cache_bytes", largest_cache_bytes(model, timings));
    object.set("memory_beside", memory_beside(model, timings));
    object.set("timings", std::move(rows));
    if (drafts_) {
      io::JsonArray ways;
      for (const DraftTiming& t : drafts) ways.emplace_back(draft_json(t));
      object.set("drafts", std::move(ways));
    }
    if (!beside.empty()) {
      io::JsonArray streams;
      for (const BesidePromptTiming& t : beside) streams.emplace_back(beside_prompt_json(t));
      object.set("beside_prompt", std::move(streams));
    }
    out::print("{}\n", io::write_json(object, 2));
  }

  engine::BenchmarkOptions options_;
  engine::DraftBenchmarkOptions draft_options_;
  engine::BesidePromptOptions beside_options_{.prompt_tokens = 0};
  bool drafts_ = false;
  i64 mtp_modules_ = -1;  // as the config has it
  ModelOptions model_;
  std::string config_, machine_file_;
  StorageOptions storage_ = {.linear = "bf16", .int4_group_size = 128};
  bool no_prefill_ = false, no_batches_ = false, no_verify_ = false, json_ = false;
  Clock::time_point start_;
  double load_s_ = 0.0, first_token_s_ = 0.0;
  i64 peak_resident_bytes_ = 0;  // while timing
};

}  // namespace

std::unique_ptr<Command> make_bench() { return std::make_unique<Bench>(); }

}  // namespace fathom::cli

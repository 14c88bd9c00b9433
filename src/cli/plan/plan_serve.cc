#include "cli/plan/plan_serve.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/output.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

constexpr i64 kPrefillTokens = 8192;  // of a micro-batch
constexpr double kBatches[] = {8, 16, 32, 64, 128, 256};

std::string ms(plan::Seconds time) { return fmt::format("{:.1f}", time.value * 1e3); }

io::JsonObject decode_json(const plan::DecodePlan& d) {
  io::JsonObject object;
  object.set("batch", d.batch);
  object.set("context", d.context);
  object.set("tpot_s", d.step.value);
  object.set("products_s", d.products.value);
  object.set("attention_s", d.attention.value);
  object.set("other_s", d.other.value);
  object.set("exchange_s", d.exchange.value);
  object.set("fits", d.fits);
  object.set("tokens_per_s_per_gpu", d.rate().value);
  object.set("bottleneck", d.bottleneck);
  return object;
}

/// A node without accelerators: decoding reads the active weights, a prompt is arithmetic.
void print_cpu(const plan::Cluster& cluster, const ModelConfig& config, double context) {
  const plan::ModelSize size = plan::model_size(config);
  const double read =
      static_cast<double>(size.read_bytes_per_token) +
      static_cast<double>(plan::cache_bytes_per_token(config, DType::kBF16)) * context;
  const double decode = cluster.cpu.read_gb_s * 1e9 * cluster.cpu.decode_read_frac / read;
  const double prefill =
      cluster.cpu.gemm_gflops * 1e9 / (2.0 * static_cast<double>(size.active_without_embedding));
  out::print(
      "decode             {:.1f} tokens/s: {:.2f} GB a token at {:.0f} % of {} GB/s\n"
      "prefill            {:.0f} tokens/s at most: {:.2f} GFLOP a token at {} GFLOP/s\n",
      decode, read / 1e9, cluster.cpu.decode_read_frac * 100.0, cluster.cpu.read_gb_s, prefill,
      2.0 * static_cast<double>(size.active_without_embedding) / 1e9, cluster.cpu.gemm_gflops);
}

}  // namespace

void PlanServe::add(Arguments& parent) {
  command_ = parent.add_command("serve", "Speed, capacity and cost of serving a model");
  command_.add_option("model", model_, "config.json, or a directory with one")
      .type_name("MODEL")
      .required();
  add_cluster_options(command_, scenario_);
  const auto count = [&](const char* name, i64& value, const char* help) {
    command_.add_option(name, value, help).check(integer_between(1, 1 << 20)).show_default();
  };
  count("--prefill-gpus", prefill_ranks_, "GPUs of a prefill deployment (EP and DP)");
  count("--decode-gpus", decode_ranks_, "GPUs of a decoding deployment");
  command_.add_option("--redundant-experts", redundant_, "Replicas beyond one each")
      .check(integer_between(0, 1 << 16))
      .show_default();
  count("--prompt", prompt_, "Tokens of a prompt");
  count("--context", context_, "Cached tokens of a decoding request, mean");
  command_.add_option("--tpot-ms", tpot_ms_, "Longest time for a token")
      .check(number_from(0.001))
      .show_default();
  command_.add_option("--imbalance", imbalance_, "Largest over mean load of GPUs' experts")
      .check(number_between(1, 100))
      .show_default();
  command_.add_option("--precision", precision_, "Of weights; default: as the config stores them")
      .one_of({"fp8", "bf16"});
  command_.add_flag("--fp8-cache", fp8_cache_, "Cache in FP8 instead of BF16");
  command_.add_flag("--one-micro-batch", one_micro_batch_,
                    "Wait for every exchange instead of computing another micro-batch");
  command_.add_option("--acceptance", acceptance_, "Of drafts by an MTP module; 0: no drafts")
      .check(number_between(0, 1));
  command_.add_option("--input-tokens", input_tokens_, "Traffic: prompt tokens in the period")
      .check(number_from(0));
  command_.add_option("--output-tokens", output_tokens_, "Traffic: answer tokens in the period")
      .check(number_from(0));
  command_.add_option("--hits", hit_frac_, "Share of the prompt tokens found in a cache")
      .check(number_between(0, 1));
  command_.add_option("--period-s", period_s_, "Seconds of the traffic")
      .check(number_from(0.001))
      .show_default();
  command_
      .add_option("--prefill-rate", prefill_rate_,
                  "Prompt tokens/s of a node, hits included, if known; default: computed")
      .check(number_from(0));
  command_.add_option("--decode-rate", decode_rate_, "Answer tokens/s of a node, if known")
      .check(number_from(0));
  command_.add_option("--utilisation", utilisation_, "Of computed rates, over the period")
      .check(number_between(0.001, 1))
      .show_default();
  command_.add_option("--prices", prices_, "$ a million tokens: hit,miss,output")
      .delimiter(',')
      .one_value_each()
      .check(number_from(0));
  command_.add_flag("--json", json_, "Print the plan as JSON");
  command_.footer(
      "Example, DeepSeek's published day:\n"
      "  fathom plan serve configs/models/deepseek-v3.json --cluster h800 --input-tokens 608e9 \\\n"
      "    --output-tokens 168e9 --hits 0.5625 --prefill-rate 73700 --decode-rate 14800 \\\n"
      "    --prices 0.14,0.55,2.19");
}

plan::ServingSetting PlanServe::setting(i64 ranks) const {
  return {.ranks = ranks,
          .redundant_experts = redundant_,
          .precision = precision_ == "fp8" ? plan::Precision::kFp8 : plan::Precision::kBf16,
          .cache_dtype = fp8_cache_ ? DType::kF8E4M3 : DType::kBF16,
          .two_micro_batches = !one_micro_batch_,
          .imbalance = imbalance_};
}

PlanServe::Rates PlanServe::rates(const Scenario& scenario, const ModelConfig& config) const {
  const plan::Cluster& cluster = scenario.cluster;
  const auto context = static_cast<double>(context_);
  Rates rates{
      .prefill = plan_prefill(cluster, config, setting(prefill_ranks_), kPrefillTokens, prompt_),
      .decode = {},
      .decode_memory = serving_memory(cluster, config, setting(decode_ranks_))};
  for (const double batch : kBatches) {
    rates.decode.push_back(plan_decode(cluster, config, setting(decode_ranks_), batch, context));
  }
  rates.decode.push_back(
      best_decode(cluster, config, setting(decode_ranks_), context, plan::Seconds(tpot_ms_ / 1e3)));
  if (acceptance_ > 0.0) {
    const double gain = plan::speculation_gain(config, acceptance_);
    for (plan::DecodePlan& d : rates.decode) d.step *= 1.0 / gain;
  }
  return rates;
}

plan::Traffic PlanServe::traffic() const {
  return {.input = plan::Tokens(input_tokens_),
          .output = plan::Tokens(output_tokens_),
          .hit_frac = hit_frac_,
          .period = plan::Seconds(period_s_)};
}

plan::TokensPerSecond PlanServe::prefill_node(const Scenario& scenario, const Rates& rates) const {
  if (prefill_rate_ > 0.0) return plan::TokensPerSecond(prefill_rate_);
  const double computed = 1.0 - std::min(hit_frac_, 0.999);
  return rates.prefill.rate() *
         (static_cast<double>(scenario.cluster.node.gpus) * utilisation_ / computed);
}

plan::TokensPerSecond PlanServe::decode_node(const Scenario& scenario, const Rates& rates) const {
  if (decode_rate_ > 0.0) return plan::TokensPerSecond(decode_rate_);
  return rates.decode.back().rate() *
         (static_cast<double>(scenario.cluster.node.gpus) * utilisation_);
}

void PlanServe::print_text(const Scenario& scenario, const ModelConfig& config,
                           const Rates& rates) const {
  const plan::Cluster& cluster = scenario.cluster;
  const plan::PrefillPlan& p = rates.prefill;
  out::print(
      "prefill            {} GPUs, prompts of {} tokens: {:.0f} tokens/s a GPU, bound by {}\n",
      prefill_ranks_, prompt_, p.rate().value, p.bottleneck);
  out::print("                   {} tokens: compute {} ms, exchange {} ms\n", p.tokens.value,
             ms(p.compute), ms(p.exchange));
  const plan::ServingMemory& m = rates.decode_memory;
  out::print(
      "memory of decoding {} GPUs: weights {:.1f} GB of {:.0f}; cache {:.1f} GB = {:.0f} K tokens "
      "of "
      "{:.0f} bytes{}\n",
      decode_ranks_, m.weights.value / 1e9, cluster.memory().value / 1e9, m.cache.value / 1e9,
      m.cached_tokens().value / 1e3, m.cache_a_token.value,
      m.weights > cluster.memory() ? ": THE WEIGHTS DO NOT FIT" : "");
  out::print("decode             requests of {} tokens\n", context_);
  out::print("  {:>6} {:>8} {:>10} {:>10} {:>8} {:>10} {:>12}  bound by\n", "batch", "TPOT ms",
             "products", "attention", "other", "exchange", "tokens/s GPU");
  for (const plan::DecodePlan& d : rates.decode) {
    if (d.batch == 0.0) {
      out::print("  no batch keeps {} ms a token\n", tpot_ms_);
      continue;
    }
    out::print("  {:>6.0f} {:>8} {:>10} {:>10} {:>8} {:>10} {:>12.0f}  {}{}\n", d.batch, ms(d.step),
               ms(d.products), ms(d.attention), ms(d.other), ms(d.exchange), d.rate().value,
               d.bottleneck, d.fits ? "" : "; cache does not fit");
  }
  const plan::DecodePlan& best = rates.decode.back();
  if (best.batch > 0.0) {
    const auto first = plan::first_token(static_cast<double>(prompt_), p.rate(),
                                         static_cast<double>(prefill_ranks_), utilisation_,
                                         m.cache_a_token, cluster.nic_rate(), best.step);
    out::print("first token        {} ms: queue {}, prompt {}, cache sent {}, first step {}\n",
               ms(first.total()), ms(first.queue), ms(first.prefill), ms(first.transfer),
               ms(first.decode));
    out::print("cost               ${:.2f} a M output tokens at ${} a GPU-hour\n",
               plan::cost_per_million(cluster.gpu.price_per_hour, best.rate()),
               cluster.gpu.price_per_hour);
  }
  if (config.num_nextn_predict_layers > 0 && acceptance_ == 0.0) {
    out::print("drafts             {:.2f} times as fast if 85 % are kept\n",
               plan::speculation_gain(config, 0.85));
  }
  if (input_tokens_ > 0.0 || output_tokens_ > 0.0) print_traffic(scenario, rates);
}

void PlanServe::print_traffic(const Scenario& scenario, const Rates& rates) const {
  const plan::NodeSplit split =
      split_nodes(traffic(), prefill_node(scenario, rates), decode_node(scenario, rates));
  const auto gpus = static_cast<double>(scenario.cluster.node.gpus);
  const double spent =
      plan::cost(split.nodes(), gpus, scenario.cluster.gpu.price_per_hour, traffic().period);
  out::print("traffic            {:.1f} nodes: {:.1f} of prefill, {:.1f} of decoding; ${:.0f}\n",
             split.nodes(), split.prefill_nodes, split.decode_nodes, spent);
  if (prices_.size() != 3) return;
  const double earned = income(traffic(), {prices_[0], prices_[1], prices_[2]});
  out::print("income             ${:.0f}, {:.0f} % above cost\n", earned,
             100.0 * (earned / spent - 1.0));
}

void PlanServe::print_json(const Scenario& scenario, const Rates& rates) const {
  io::JsonObject object;
  io::JsonObject prefill;
  prefill.set("tokens_per_s_per_gpu", rates.prefill.rate().value);
  prefill.set("compute_s", rates.prefill.compute.value);
  prefill.set("exchange_s", rates.prefill.exchange.value);
  prefill.set("bottleneck", rates.prefill.bottleneck);
  object.set("prefill", std::move(prefill));
  io::JsonArray decode;
  for (const plan::DecodePlan& d : rates.decode) {
    if (d.batch > 0.0) decode.emplace_back(decode_json(d));
  }
  object.set("decode", std::move(decode));
  object.set("weight_bytes", rates.decode_memory.weights.value);
  object.set("cache_bytes", rates.decode_memory.cache.value);
  object.set("cache_tokens", rates.decode_memory.cached_tokens().value);
  if (input_tokens_ > 0.0 || output_tokens_ > 0.0) {
    const plan::NodeSplit split =
        split_nodes(traffic(), prefill_node(scenario, rates), decode_node(scenario, rates));
    object.set("prefill_nodes", split.prefill_nodes);
    object.set("decode_nodes", split.decode_nodes);
    object.set("nodes", split.nodes());
    object.set("cost_usd",
               plan::cost(split.nodes(), static_cast<double>(scenario.cluster.node.gpus),
                          scenario.cluster.gpu.price_per_hour, traffic().period));
    if (prices_.size() == 3) {
      object.set("income_usd", income(traffic(), {prices_[0], prices_[1], prices_[2]}));
    }
  }
  out::print("{}\n", io::write_json(std::move(object), 2));
}

int PlanServe::run() {
  if (!prices_.empty() && prices_.size() != 3) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("--prices: found {} numbers, expected 3: hit,miss,output", prices_.size()));
  }
  const ModelConfig config = value_or_throw(load_model_config(model_));
  if (precision_.empty()) {
    const auto& stored = config.quantization_config;
    precision_ = stored && stored->has_fp8() ? "fp8" : "bf16";
  }
  const Scenario scenario = load_scenario(scenario_);
  if (scenario.cluster.is_cpu()) {
    print_cpu(scenario.cluster, config, static_cast<double>(context_));
    return kExitOk;
  }
  const Rates computed = rates(scenario, config);
  if (json_) {
    print_json(scenario, computed);
  } else {
    print_text(scenario, config, computed);
  }
  return kExitOk;
}

}  // namespace fathom::cli

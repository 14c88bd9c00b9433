#include "checkpoint/convert/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "checkpoint/gguf/convert.h"
#include "checkpoint/gguf/model_config.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/convert/comparison.h"
#include "cli/convert/conversion_parts.h"
#include "cli/convert/tokenizer_files.h"
#include "cli/interrupt.h"
#include "cli/options/model_options.h"
#include "cli/options/storage_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "io/files/output_path.h"
#include "io/gguf/file.h"
#include "io/json.h"
#include "plan/model_size.h"
#include "tensor/buffer.h"

namespace fathom::cli {
namespace {

class Convert : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("convert", "Store a model's weights in another type");
    command.add_option("from", from_, "Model directory, or a .gguf file")
        .required()
        .type_name("PATH");
    command.add_option("out", to_, "Directory to make").required().type_name("OUT");
    add_storage_options(command, storage_, "--to",
                        "Stored weights: fp8 is E4M3 with 128x128 scales as released");
    command.option("--to").required();
    command.add_option("--text", text_, "A text file: report its bits per byte before and after")
        .type_name("FILE");
    command.add_flag("--ue8m0", ue8m0_, "With fp8: scales are powers of two, as V3.1 has them");
    command.add_option("--max-shard-gb", max_shard_gb_, "Largest file, in 10^9 bytes")
        .check(number_between(0.001, 1e9))
        .show_default();
    command.add_flag("--no-check", no_check_, "Do not compare logits before and after");
    command.add_flag("--json", json_, "Print the report, with every tensor, as JSON");
    command.footer(
        "Works tensor by tensor, so a model larger than memory converts. Norms and router are "
        "never\n"
        "quantised, embedding and head only if asked. Parts may differ from --to: the routed "
        "experts,\n"
        "where most of the bytes are, in int4 and the rest in fp8. When both models fit in memory, "
        "the\n"
        "logits of a few tokens are compared.\n"
        "Example: fathom convert models/v2-lite models/v2-lite-fp8 --to fp8\n"
        "         fathom convert models/v2-lite models/v2-lite-mixed --to fp8 --experts int4");
    return command;
  }

  int run() override {
    io::require_output_directory(to_);
    std::optional<std::string> text;  // read before the work that it is to judge
    if (!text_.empty()) text = comparison_text(from_, text_);
    checkpoint::ConvertOptions options;
    options.storage =
        model_storage(storage_, value_or_throw(checkpoint::load_any_model_config(from_)));
    check_storage(options.storage);
    if (ue8m0_) options.scale_format = ops::ScaleFormat::kUe8m0;
    options.max_shard_bytes = static_cast<i64>(max_shard_gb_ * 1e9);
    Ctx ctx = backend::make_context();
    checkpoint::ConvertReport report;
    {
      const InterruptGuard interrupt;
      ProgressLine progress;
      options.on_progress = [&](i64 done, i64 total) {
        interrupt.check();
        progress.update("converting", done, total);
      };
      report = io::gguf::is_gguf(from_)
                   ? checkpoint::convert_gguf(ctx, from_, to_, options, write_tokenizer_files)
                   : checkpoint::convert_checkpoint(ctx, from_, to_, options);
    }
    const std::optional<LogitCheck> check = check_logits(ctx, report);
    std::optional<TextLoss> loss;
    if (text) loss = text_loss(ctx, from_, to_, *text);
    if (json_) {
      print_json(report, check, loss);
    } else {
      print_text(report, check, loss);
    }
    if (check && !check->finite) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} was written, but logits of it or of {} are NaN or infinite: the "
                              "weights are damaged",
                              to_, from_));
    }
    return kExitOk;
  }

 private:
  /// Options that would do nothing, or that no config.json could say.
  void check_storage(const checkpoint::ModelStorage& storage) const {
    if (storage_.group_size != 0 && !storage.is_compressed_tensors()) {
      throw Error(ErrorCode::kInvalidInput,
                  "--group-size is of int8 and int4, and nothing is to be stored so");
    }
    if (!ue8m0_) return;
    if (storage.is_compressed_tensors()) {
      throw Error(ErrorCode::kInvalidInput,
                  "--ue8m0 is of fp8 without int8 and int4: their config.json (compressed-tensors) "
                  "cannot say it");
    }
    if (!storage.has_fp8()) {
      throw Error(ErrorCode::kInvalidInput, "--ue8m0 is of fp8, and nothing is to be stored so");
    }
  }

  std::optional<LogitCheck> check_logits(Ctx& ctx, const checkpoint::ConvertReport& report) const {
    if (no_check_) return std::nullopt;
    const ModelConfig config = value_or_throw(checkpoint::load_any_model_config(from_));
    const i64 decoded = io::gguf::is_gguf(from_) ? plan::model_size(config).total * 4 : 0;
    const i64 needed = report.bytes_before + decoded + report.bytes_after;
    if (needed > free_memory_bytes()) {
      log::info("logits not compared: both models need {}, free are {}", format_bytes(needed),
                format_bytes(free_memory_bytes()));
      return std::nullopt;
    }
    return compare_logits(ctx, from_, to_, config);
  }

  void print_text(const checkpoint::ConvertReport& report, const std::optional<LogitCheck>& check,
                  const std::optional<TextLoss>& loss) const {
    double worst_rms = 0.0;
    std::string worst;
    for (const checkpoint::TensorConversion& t : report.tensors) {
      if (t.rms_error <= worst_rms) continue;
      worst_rms = t.rms_error;
      worst = t.name;
    }
    out::print("{}: {} tensors, {} -> {} in {} file{}\n", to_, report.tensors.size(),
               format_bytes(report.bytes_before), format_bytes(report.bytes_after),
               report.num_shards, report.num_shards == 1 ? "" : "s");
    print_conversion_parts(report);
    if (worst.empty()) {
      out::print("every tensor kept its values\n");
    } else {
      out::print("largest rms error of a tensor: {:.3e} of its norm ({})\n", worst_rms, worst);
    }
    if (check) {
      out::print(
          "logits of {} tokens: largest difference {:.3e} of the largest logit, same first "
          "choice for {}\n",
          check->tokens, check->max_difference, check->same_top1);
    }
    if (loss) {
      out::print("{}: {:.4f} bits per byte, {:.4f} before ({:+.2f} %)\n", text_, loss->after,
                 loss->before, 100 * (loss->after / loss->before - 1));
    }
  }

  static void print_json(const checkpoint::ConvertReport& report,
                         const std::optional<LogitCheck>& check,
                         const std::optional<TextLoss>& loss) {
    io::JsonObject object;
    object.set("bytes_before", report.bytes_before);
    object.set("bytes_after", report.bytes_after);
    object.set("files", report.num_shards);
    if (check) {
      io::JsonObject logits;
      logits.set("tokens", check->tokens);
      logits.set("max_difference_frac", check->max_difference);
      logits.set("same_top1", check->same_top1);
      object.set("logits", std::move(logits));
    }
    if (loss) {
      io::JsonObject bits;
      bits.set("before", loss->before);
      bits.set("after", loss->after);
      object.set("bits_per_byte", std::move(bits));
    }
    object.set("parts", conversion_parts_json(report));
    io::JsonArray tensors;
    for (const checkpoint::TensorConversion& t : report.tensors) {
      io::JsonObject tensor;
      tensor.set("name", t.name);
      tensor.set("from", t.from);
      tensor.set("to", to_string(t.to));
      tensor.set("max_error_frac", t.max_error);
      tensor.set("rms_error_frac", t.rms_error);
      tensors.emplace_back(std::move(tensor));
    }
    object.set("tensors", std::move(tensors));
    out::print("{}\n", io::write_json(object));
  }

  std::string from_, to_, text_;
  StorageOptions storage_ = {.int4_group_size = 32};
  double max_shard_gb_ = 5.0;
  bool ue8m0_ = false, no_check_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_convert() { return std::make_unique<Convert>(); }

}  // namespace fathom::cli

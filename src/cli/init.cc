#include <fmt/format.h>

#include <filesystem>

#include "backend/backend.h"
#include "base/error.h"
#include "checkpoint/random_init.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "io/files/atomic_file.h"
#include "io/files/output_path.h"
#include "io/files/temporary_files.h"
#include "tokenizer/train/train_tokenizer.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

DType parse_weight_dtype(const std::string& name) {
  if (name == "f32") return DType::kF32;
  return name == "fp8" ? DType::kF8E4M3 : DType::kBF16;
}

class Init : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("init", "Make a model directory with random weights");
    command.add_option("-c,--config", config_, "config.json of the shape").required();
    command.add_option("-o,--out", out_, "Directory to make").required().type_name("DIR");
    command.add_option("--tokenizer", tokenizer_,
                       "Directory with tokenizer.json to copy; default: one token a byte");
    command.add_option("--dtype", dtype_, "Stored weights")
        .one_of({"f32", "bf16", "fp8"})
        .show_default();
    command.add_option("--std", options_.weight_std, "Deviation of every matrix")
        .check(number_between(0, 1e6))
        .show_default();
    command
        .add_option("--router-bias-std", options_.router_bias_std,
                    "Deviation of e_score_correction_bias")
        .check(number_between(0, 1e6));
    command.add_option("--seed", options_.seed, "Seed of the weights").show_default();
    command.footer(
        "Such a model writes nonsense, but has every size and speed of a trained one.\n"
        "Example: fathom init --config configs/models/nano.json --out models/nano --seed 1");
    return command;
  }

  int run() override {
    const ModelConfig config = value_or_throw(load_model_config(config_));
    options_.dtype = parse_weight_dtype(dtype_);
    io::require_output_directory(out_);
    if (tokenizer_.empty()) {
      const tokenizer::TrainedTokenizer bytes = tokenizer::byte_tokenizer();
      check_vocab(bytes.tokenizer.vocab_size(), "the byte tokenizer", config);
      write_weights(config);
      bytes.save(out_);
    } else {
      const std::string path = tokenizer_ + "/tokenizer.json";
      const auto given = value_or_throw(tokenizer::Tokenizer::load_model(tokenizer_));
      check_vocab(given.vocab_size(), path, config);
      write_weights(config);
      copy_tokenizer();
    }
    out::print("{}: {} with random weights in {}\n", out_, to_string(config.architecture), dtype_);
    return kExitOk;
  }

 private:
  void check_vocab(i64 ids, const std::string& what, const ModelConfig& config) const {
    if (ids <= config.vocab_size) return;
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} has {} ids, but vocab_size is {} in {}",
                                                      what, ids, config.vocab_size, config_));
  }

  void write_weights(const ModelConfig& config) {
    Ctx ctx = backend::make_context();
    const InterruptGuard interrupt;
    ProgressLine progress;
    options_.on_progress = [&](i64 done, i64 total) {
      interrupt.check();
      progress.update("writing weights", done, total);
    };
    io::remove_stale_temporaries(out_);
    checkpoint::write_random_checkpoint(ctx, config, out_, options_);
  }

  void copy_tokenizer() const {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "added_tokens.json", "chat_template.jinja"}) {
      const fs::path source = fs::path(tokenizer_) / name;
      if (fs::exists(source)) io::copy_file_atomically(source, fs::path(out_) / name);
    }
  }

  checkpoint::RandomInitOptions options_;
  std::string config_, out_, tokenizer_, dtype_ = "bf16";
};

}  // namespace

std::unique_ptr<Command> make_init() { return std::make_unique<Init>(); }

}  // namespace fathom::cli

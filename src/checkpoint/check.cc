#include "checkpoint/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "checkpoint/packed_check.h"
#include "checkpoint/problem_text.h"
#include "checkpoint/stored_model.h"
#include "checkpoint/stored_names.h"

namespace fathom::checkpoint {
namespace {

constexpr size_t kMaxListedProblems = 100;
/// Then the config belongs to another model (or is hostile: it may speak of 200 million tensors).
constexpr size_t kMaxProblems = 10'000;
struct TooManyProblems {};

bool dtype_allowed(const Parameter& parameter, DType dtype) {
  return dtype == DType::kF8E4M3 ? may_be_quantised(parameter) : is_widened(dtype);
}

class Checker {
 public:
  Checker(const ModelConfig& config, const io::Checkpoint& checkpoint)
      : config_(as_stored(config, checkpoint)), checkpoint_(checkpoint) {
    result_.config = config_;
    if (config.tie_word_embeddings && !config_.tie_word_embeddings) {
      result_.notes.push_back(
          "tie_word_embeddings is true in config.json, but lm_head is stored and is not the "
          "embedding: the stored head is kept");
    }
  }

  CheckpointCheck run() {
    const StoredLayers stored = stored_layers(checkpoint_);
    if (std::string problem = layer_count_problem(config_, stored); !problem.empty()) {
      add_problem(fmt::format("{}: {}", checkpoint_.directory().string(), std::move(problem)));
      num_layers_ = std::min(stored.main, config_.num_hidden_layers);
    }
    if (config_.num_hidden_layers < stored.main) {
      result_.notes.push_back(fmt::format("{} layers are stored, num_hidden_layers takes {}",
                                          stored.main, config_.num_hidden_layers));
    }
    for (i64 k = 0; k < config_.num_nextn_predict_layers; ++k) {
      // A module continues the one before it: behind a gap none can be used.
      has_module_.push_back(k == result_.num_mtp && any_tensor_of(config_.num_hidden_layers + k));
      if (has_module_.back()) ++result_.num_mtp;
    }
    try {
      for_each_parameter(config_, [this](const Parameter& parameter) { check(parameter); });
    } catch (const TooManyProblems&) {
      return std::move(result_);
    }
    for (const io::StoredTensor* tensor : checkpoint_.tensors()) {
      if (!used_.contains(tensor->name) && !tensor->name.ends_with("rotary_emb.inv_freq")) {
        result_.unused.push_back(tensor->name);
      }
    }
    return std::move(result_);
  }

 private:
  bool any_tensor_of(i64 layer) const {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    return std::ranges::any_of(checkpoint_.tensors(), [&](const io::StoredTensor* tensor) {
      return tensor->name.starts_with(prefix);
    });
  }

  /// A conversion may have dropped the MTP modules and left num_nextn_predict_layers in the config.
  bool wanted(const Parameter& parameter) const {
    if (parameter.layer >= num_layers_) return false;
    const i64 module = parameter.layer - config_.num_hidden_layers;
    return module < 0 || has_module_[static_cast<size_t>(module)];
  }

  void check(const Parameter& parameter) {
    if (!wanted(parameter)) return;
    const io::StoredTensor* tensor = checkpoint_.find(parameter.name);
    if (tensor == nullptr) {
      if (may_be_quantised(parameter) &&
          checkpoint_.find(PackedNames(parameter.name).packed) != nullptr) {
        check_packed(parameter);
      } else if (!parameter.shared_copy) {
        missing(parameter.name, parameter.shape, where_it_is_missing(parameter));
      }
      return;
    }
    used_.insert(tensor->name);
    check_shape(*tensor, parameter.shape, shape_reason(config_, parameter.name));
    if (!dtype_allowed(parameter, tensor->dtype)) {
      problem(*tensor, fmt::format("is {}, expected {}", dtype_name(tensor->dtype),
                                   may_be_quantised(parameter) ? "F32, BF16, F16 or F8_E4M3"
                                                               : "F32, BF16 or F16"));
    } else if (tensor->dtype == DType::kF8E4M3) {
      check_scale(parameter);
    }
    const DType dtype = tensor->dtype == DType::kF16 ? DType::kF32 : tensor->dtype;
    check_companions(parameter, *tensor, std::string(dtype_name(dtype)));
    result_.parameters.push_back(parameter);
  }

  /// Integers: words, scales and the shape they stand for.
  void check_packed(const Parameter& parameter) {
    PackedCheck check = packed_check(checkpoint_, parameter);
    for (const io::StoredTensor* tensor : check.used) used_.insert(tensor->name);
    for (std::string& text : check.problems) add_problem(std::move(text));
    if (check.type.empty()) return;
    check_companions(parameter, *check.used.front(), check.type);
    result_.parameters.push_back(parameter);
  }

  void check_scale(const Parameter& parameter) {
    const auto expected = scale_shape(parameter.shape);
    const io::StoredTensor* scale = find_block_scale(checkpoint_, parameter.name);
    if (scale == nullptr) {
      missing(block_scale_name(parameter.name, {}), expected,
              fmt::format(", the block scales of the F8_E4M3 tensor `{}`", parameter.name));
      return;
    }
    used_.insert(scale->name);
    check_shape(*scale, expected, "one scale a 128x128 block of " + shape_text(parameter.shape));
    if (!is_widened(scale->dtype)) {
      problem(*scale, fmt::format("is {}, expected F32, BF16 or F16", dtype_name(scale->dtype)));
    }
  }

  /// gate_proj and up_proj read one prepared input, and the experts of a layer run together: they
  /// must have one dtype (F16 becomes F32 when loaded).
  void check_companions(const Parameter& parameter, const io::StoredTensor& tensor,
                        const std::string& type) {
    const size_t mlp = parameter.name.find(".mlp.");
    if (mlp == parameter.name.npos || parameter.kind != ParameterKind::kMatrix) return;
    const bool down = parameter.name.ends_with("down_proj.weight");
    if (down && parameter.expert < 0) return;  // reads an input of its own
    const size_t end = parameter.expert >= 0 ? parameter.name.find(".experts.", mlp) + 1
                                             : parameter.name.rfind('.', parameter.name.size() - 8);
    const std::string group = parameter.name.substr(0, end) + (down ? " down" : " gate and up");
    const auto [first, is_new] = companions_.try_emplace(group, &tensor, type);
    if (is_new || first->second.second == type) return;
    problem(tensor, fmt::format("is {}, expected {} as `{}`, with which it runs", type,
                                first->second.second, first->second.first->name));
  }

  void check_shape(const io::StoredTensor& tensor, std::span<const i64> expected,
                   const std::string& reason) {
    if (std::ranges::equal(tensor.shape, expected)) return;
    problem(tensor, fmt::format("is {}, expected {}{} from config.json", shape_text(tensor.shape),
                                shape_text(expected), reason.empty() ? "" : " = " + reason));
  }

  /// What the config or the index say of a tensor that is not there.
  std::string where_it_is_missing(const Parameter& parameter) const {
    std::string text;
    if (const std::string* shard = checkpoint_.shard_without(parameter.name)) {
      text += fmt::format("; the index lists it in {}, which lacks it", *shard);
    }
    if (const i64 module = parameter.layer - config_.num_hidden_layers; module >= 0) {
      text +=
          fmt::format("; without MTP module {}, num_nextn_predict_layers is {}", module, module);
    }
    return text;
  }

  void missing(const std::string& name, std::span<const i64> shape, const std::string& what) {
    add_problem(missing_tensor(checkpoint_, name, shape, what));
  }

  void problem(const io::StoredTensor& tensor, const std::string& text) {
    add_problem(tensor_problem(tensor, text));
  }

  void add_problem(std::string text) {
    result_.problems.push_back(std::move(text));
    if (result_.problems.size() == kMaxProblems) throw TooManyProblems();
  }

  ModelConfig config_;
  /// Layers from here on are not looked for: their number is the problem.
  i64 num_layers_ = std::numeric_limits<i64>::max();
  const io::Checkpoint& checkpoint_;
  CheckpointCheck result_;
  std::vector<bool> has_module_;               // MTP module k and those before it are there
  std::unordered_set<std::string_view> used_;  // views names inside checkpoint_
  std::unordered_map<std::string, std::pair<const io::StoredTensor*, std::string>> companions_;
};

}  // namespace

CheckpointCheck check_checkpoint(const ModelConfig& config, const io::Checkpoint& checkpoint) {
  CheckpointCheck check = Checker(config, checkpoint).run();
  if (check.problems.empty()) return check;
  if (const std::string other = other_names_problem(checkpoint); !other.empty()) {
    check.problems = {fmt::format("{}: {}", checkpoint.directory().string(), other)};
  }
  return check;
}

CheckpointCheck require_checkpoint(const ModelConfig& config, const io::Checkpoint& checkpoint) {
  CheckpointCheck check = check_checkpoint(config, checkpoint);
  if (!check.problems.empty()) {
    const size_t total = check.problems.size(), listed = std::min(total, kMaxListedProblems);
    std::string text =
        fmt::format("{}: the weights do not fit config.json, {}{} problem{}:\n  {}",
                    checkpoint.directory().string(), total == kMaxProblems ? "at least " : "",
                    total, total == 1 ? "" : "s",
                    fmt::join(check.problems.begin(),
                              check.problems.begin() + static_cast<i64>(listed), "\n  "));
    if (listed < total) text += fmt::format("\n  ... and {} more", total - listed);
    throw Error(ErrorCode::kInvalidInput, text);
  }
  for (const std::string& note : check.notes) {
    log::warn("{}: {}", checkpoint.directory().string(), note);
  }
  if (!check.unused.empty()) {
    log::warn("{}: {} tensors are not part of this model and are ignored, the first is `{}`",
              checkpoint.directory().string(), check.unused.size(), check.unused.front());
  }
  return check;
}

void require_mtp(const CheckpointCheck& check, const io::Checkpoint& checkpoint) {
  const i64 announced = check.config.num_nextn_predict_layers;
  const i64 stored = stored_layers(checkpoint).mtp;
  if (stored >= announced) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("{}: num_nextn_predict_layers is {} in config.json, but the weights hold {} MTP "
                  "module{}: training needs them all; set num_nextn_predict_layers to {}",
                  checkpoint.directory().string(), announced,
                  stored == 0 ? "no" : fmt::format("{}", stored), stored == 1 ? "" : "s", stored));
}

}  // namespace fathom::checkpoint

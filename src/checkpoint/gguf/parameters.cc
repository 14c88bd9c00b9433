#include "checkpoint/gguf/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <unordered_set>

#include "base/check.h"
#include "base/log.h"
#include "base/parallel.h"
#include "io/gguf/dequantize.h"

namespace fathom::checkpoint {
namespace {

constexpr size_t kMaxListedProblems = 100;
/// Then the metadata belongs to another model (or is hostile: it may speak of 10^12 tensors).
constexpr size_t kMaxProblems = 10'000;
struct TooManyProblems {};

/// The tensors' shapes that this source needs: of the keys' and of the values' tensor.
struct ExpectedShapes {
  std::vector<i64> tensor, value_tensor;
};
ExpectedShapes expected_shapes(const ModelConfig& config, const Parameter& parameter,
                               const GgufSource& source) {
  switch (source.form) {
    case GgufForm::kExpert:
      return {{config.n_routed_experts, parameter.shape[0], parameter.shape[1]}, {}};
    case GgufForm::kSplitKvB:
      return {{config.num_attention_heads, config.kv_lora_rank, config.qk_nope_head_dim},
              {config.num_attention_heads, config.v_head_dim, config.kv_lora_rank}};
    case GgufForm::kAsStored:
    case GgufForm::kRotaryPairs:
      break;
  }
  return {parameter.shape, {}};
}

/// Finds tensors and collects what is wrong.
class Finder {
 public:
  Finder(const ModelConfig& config, const io::gguf::File& file) : config_(config), file_(file) {
    split_kv_b_ = config.is_mla() && file.find("blk.0.attn_k_b.weight") != nullptr;
  }

  void add(const Parameter& parameter) {
    GgufParameter found{.parameter = parameter,
                        .source = gguf_source(config_, parameter, split_kv_b_)};
    if (parameter.shared_copy && file_.find(found.source.tensor) == nullptr) return;
    if (problems_.size() >= kMaxProblems) throw TooManyProblems();
    const ExpectedShapes shapes = expected_shapes(config_, parameter, found.source);
    found.tensor = find(found.source.tensor, shapes.tensor);
    if (!found.source.value_tensor.empty()) {
      found.value_tensor = find(found.source.value_tensor, shapes.value_tensor);
    }
    found_.push_back(std::move(found));
  }

  /// What the file holds beyond the model. A bias would change its numbers.
  void check_others() {
    std::string first;
    i64 others = 0;
    for (const io::gguf::Tensor& tensor : file_.tensors()) {
      if (used_.contains(&tensor) || tensor.name == "rope_freqs.weight") continue;
      if (tensor.name.ends_with(".bias")) {
        problems_.push_back(fmt::format("{}: tensor {}: a bias there is not supported",
                                        tensor.file_name, tensor.name));
      } else if (others++ == 0) {
        first = tensor.name;
      }
    }
    if (others > 0) {
      log::warn("{}: {} tensors are not used, {} the first of them", file_.metadata().file_name(),
                others, first);
    }
  }

  Result<std::vector<GgufParameter>> result() {
    if (problems_.empty()) return std::move(found_);
    const size_t shown = std::min(problems_.size(), kMaxListedProblems);
    std::string text = fmt::format(
        "{}",
        fmt::join(problems_.begin(), problems_.begin() + static_cast<std::ptrdiff_t>(shown), "\n"));
    if (problems_.size() > shown) text += fmt::format("\nand {} more", problems_.size() - shown);
    return invalid_input(std::move(text));
  }

 private:
  const io::gguf::Tensor* find(const std::string& name, std::span<const i64> shape) {
    const io::gguf::Tensor* tensor = file_.find(name);
    used_.insert(tensor);
    const std::string expected = fmt::format("[{}]", fmt::join(shape, ", "));
    if (tensor == nullptr) {
      problems_.push_back(fmt::format("{}: there is no tensor {}, expected {}",
                                      file_.metadata().file_name(), name, expected));
    } else if (!std::ranges::equal(tensor->shape, shape)) {
      problems_.push_back(fmt::format("{}: tensor {} is {}, expected {}", tensor->file_name, name,
                                      to_string(*tensor), expected));
    }
    return tensor;
  }

  const ModelConfig& config_;
  const io::gguf::File& file_;
  bool split_kv_b_ = false;
  std::vector<GgufParameter> found_;
  std::unordered_set<const io::gguf::Tensor*> used_;
  std::vector<std::string> problems_;
};

/// Row `row` of a tensor whose axes but the last are taken together.
void read_stored_row(const io::gguf::Tensor& tensor, i64 row, float* out) {
  const auto row_bytes = static_cast<size_t>(tensor.row_bytes());
  io::gguf::dequantize(tensor.type,
                       tensor.bytes.subspan(static_cast<size_t>(row) * row_bytes, row_bytes),
                       {out, static_cast<size_t>(tensor.cols())});
}

/// The stored row of row `row` of a llama model's q_proj or k_proj; of a bias, the element.
i64 rotary_pair_row(i64 row, i64 head_dim) {
  const i64 head = row / head_dim, in_head = row % head_dim, half = head_dim / 2;
  return head * head_dim + 2 * (in_head % half) + in_head / half;
}

/// The bias of a llama model's q_proj or k_proj.
void read_rotary_bias(const GgufParameter& p, View<float, 2> out) {
  std::vector<float> stored(static_cast<size_t>(out.dim(1)));
  read_stored_row(*p.tensor, 0, stored.data());
  for (i64 i = 0; i < out.dim(1); ++i) {
    out(0, i) = stored[static_cast<size_t>(rotary_pair_row(i, p.source.head_dim))];
  }
}

/// Rows of kv_b_proj of one head: [begin, end) of its nope + v rows, into out [end - begin,
/// latent].
void read_split_rows(const GgufParameter& p, i64 head, i64 begin, i64 end, View<float, 2> out) {
  const i64 latent = p.tensor->shape[1], nope = p.tensor->shape[2], v = p.value_tensor->shape[1];
  if (begin < nope) {
    std::vector<float> keys(static_cast<size_t>(latent * nope));  // [latent, nope]: transposed
    for (i64 c = 0; c < latent; ++c) {
      read_stored_row(*p.tensor, head * latent + c, keys.data() + c * nope);
    }
    for (i64 row = begin; row < std::min(end, nope); ++row) {
      for (i64 c = 0; c < latent; ++c) {
        out(row - begin, c) = keys[static_cast<size_t>(c * nope + row)];
      }
    }
  }
  for (i64 row = std::max(begin, nope); row < end; ++row) {
    read_stored_row(*p.value_tensor, head * v + row - nope, &out(row - begin, 0));
  }
}

void read_split_kv_b(const GgufParameter& p, i64 begin, View<float, 2> out) {
  const i64 head_rows = p.tensor->shape[2] + p.value_tensor->shape[1];
  const i64 end = begin + out.dim(0), cols = out.dim(1);
  const i64 first = begin / head_rows, last = (end + head_rows - 1) / head_rows;
  parallel_for(last - first, 1, [&](i64 from, i64 to) {
    for (i64 head = first + from; head < first + to; ++head) {
      const i64 head_begin = std::max(begin, head * head_rows);
      const i64 head_end = std::min(end, (head + 1) * head_rows);
      const View<float, 2> rows(out.data() + (head_begin - begin) * cols,
                                {head_end - head_begin, cols});
      read_split_rows(p, head, head_begin - head * head_rows, head_end - head * head_rows, rows);
    }
  });
}

/// A file that holds fewer blocks than its metadata says: not one line a tensor. Empty if it has
/// them all, or none at all.
std::string block_count_problem(const ModelConfig& config, const io::gguf::File& file) {
  i64 stored = 0;
  for (const io::gguf::Tensor& tensor : file.tensors()) {
    i64 block = 0;
    constexpr std::string_view kPrefix = "blk.";
    if (!tensor.name.starts_with(kPrefix)) continue;
    const char* digits = tensor.name.data() + kPrefix.size();
    const auto parsed = std::from_chars(digits, tensor.name.data() + tensor.name.size(), block);
    if (parsed.ec == std::errc() && block < std::numeric_limits<i64>::max()) {
      stored = std::max(stored, block + 1);
    }
  }
  const i64 announced = config.num_hidden_layers + config.num_nextn_predict_layers;
  if (stored == 0 || stored >= announced) return {};
  return fmt::format(
      "{}: block_count announces {} blocks, the file holds {}: it is incomplete, or "
      "block_count is wrong",
      file.metadata().file_name(), announced, stored);
}

}  // namespace

Result<std::vector<GgufParameter>> gguf_parameters(const ModelConfig& config,
                                                   const io::gguf::File& file) {
  if (std::string problem = block_count_problem(config, file); !problem.empty()) {
    return invalid_input(std::move(problem));
  }
  Finder finder(config, file);
  try {
    for_each_parameter(config, [&](const Parameter& parameter) { finder.add(parameter); });
    finder.check_others();
  } catch (const TooManyProblems&) {  // those that are listed say enough
  }
  return finder.result();
}

i64 stored_row(const GgufParameter& p, i64 row) {
  switch (p.source.form) {
    case GgufForm::kRotaryPairs:
      return rotary_pair_row(row, p.source.head_dim);
    case GgufForm::kExpert:
      return p.parameter.expert * p.parameter.shape[0] + row;
    case GgufForm::kAsStored:
    case GgufForm::kSplitKvB:
      break;
  }
  return row;
}

void read_rows(const GgufParameter& p, i64 begin, View<float, 2> out) {
  FATHOM_CHECK(out.contiguous(), "rows of ", p.parameter.name);
  if (out.dim(0) == 0) return;
  if (p.source.form == GgufForm::kSplitKvB) return read_split_kv_b(p, begin, out);
  if (p.source.form == GgufForm::kRotaryPairs && p.parameter.shape.size() == 1) {
    return read_rotary_bias(p, out);
  }
  const i64 cols = p.tensor->cols();
  FATHOM_CHECK(out.dim(1) == cols, "rows of ", p.parameter.name);
  parallel_for(out.dim(0), 1, [&](i64 from, i64 to) {
    for (i64 i = from; i < to; ++i) {
      read_stored_row(*p.tensor, stored_row(p, begin + i), out.data() + i * cols);
    }
  });
}

}  // namespace fathom::checkpoint

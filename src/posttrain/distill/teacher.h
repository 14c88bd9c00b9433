#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/run/run_config.h"
#include "engine/scorer.h"
#include "posttrain/distill/teacher_row.h"

namespace fathom::posttrain {

/// What a store was made from; a run refuses one of other makings.
struct TeacherStoreKey {
  std::string teacher;    // content of its directory
  std::string samples;    // hash of their tokens and of which are supervised
  std::string tokenizer;  // hash of its vocabulary
  i64 top_k = 0;
  double temperature = 1.0;
};

/// A teacher as far as it is known before it is loaded.
struct TeacherChoice {
  std::filesystem::path directory, store;
  TeacherStoreKey key;  // without `samples`
  i64 num_ids = 0;      // of the tokenizer
};

/// The teacher of a run file. Throws Error: none is named, or one with other tokens than the
/// student (the first that differs).
TeacherChoice choose_teacher(const RunConfig& config);

/// A model that says what it thinks of given tokens, in F32.
class Teacher {
 public:
  /// `longest`: tokens of the texts that it will see. Throws Error: no such model, or one with
  /// fewer ids than the tokenizer.
  Teacher(Ctx& ctx, const TeacherChoice& choice, i64 longest);

  /// Calls write(row) for each token with a mark, but the first, in order. Throws
  /// Error{kInvalidInput} where it computes no number: what it says is stored and learnt from.
  void ask(std::span<const i32> ids, std::span<const u8> marks,
           const std::function<void(const TeacherRow&)>& write);

 private:
  void check_finite(size_t token, size_t tokens) const;

  TeacherChoice choice_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<engine::Scorer> scorer_;
  std::vector<float> log_probs_;
};

}  // namespace fathom::posttrain

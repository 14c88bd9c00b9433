// From a run file to the stage: the teacher's identity, and whether it speaks the student's tokens.
#include <fmt/format.h>

#include "io/content_sample.h"
#include "posttrain/distill/distill.h"
#include "posttrain/distill/on_policy.h"
#include "tokenizer/tokenizer.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;

tokenizer::Tokenizer tokenizer_of(const std::string& path) {
  return value_or_throw(tokenizer::Tokenizer::load_model(path));
}

std::string vocabulary_hash(const tokenizer::Tokenizer& tokenizer) {
  io::Hasher hasher;
  for (i64 id = 0; id < tokenizer.vocab_size(); ++id) {
    hasher.add(tokenizer.token_spelling(static_cast<i32>(id)));
  }
  return io::to_string(hasher.digest());
}

void check_same_tokens(const DistillConfig& config, const tokenizer::Tokenizer& student,
                       const tokenizer::Tokenizer& teacher) {
  const i64 ids = student.vocab_size();
  std::string difference;
  if (teacher.vocab_size() != ids) {
    difference = fmt::format("it has {} tokens, the student {}", teacher.vocab_size(), ids);
  }
  for (i64 i = 0; i < ids && difference.empty(); ++i) {
    const auto id = static_cast<i32>(i);
    if (teacher.token_spelling(id) == student.token_spelling(id)) continue;
    difference = fmt::format("its token {} is \"{}\", the student's \"{}\"", id,
                             teacher.token_spelling(id), student.token_spelling(id));
  }
  if (difference.empty()) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("distill.teacher: {}: {}; logits are distilled between models of one "
                          "tokenizer. Texts can be: run.stage = \"sample\", then \"sft\"",
                          config.teacher, difference));
}

}  // namespace

TeacherChoice choose_teacher(const RunConfig& config) {
  if (config.distill.teacher.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "run file: distill.teacher: missing: name a model directory");
  }
  const auto student = tokenizer_of(config.model.tokenizer_path());
  const auto teacher = tokenizer_of(config.distill.teacher);
  check_same_tokens(config.distill, student, teacher);
  TeacherChoice choice;
  choice.directory = config.distill.teacher;
  choice.store = config.distill.store.empty() ? fs::path(config.run.out) / "teacher"
                                              : fs::path(config.distill.store);
  choice.num_ids = student.vocab_size();
  choice.key.teacher = value_or_throw(io::sample_content(choice.directory)).content;
  choice.key.tokenizer = vocabulary_hash(student);
  choice.key.top_k = std::min(config.distill.top_k, choice.num_ids);
  choice.key.temperature = config.distill.temperature;
  return choice;
}

LoadedStage load_distill(const RunConfig& config) {
  if (config.distill.on_policy > 0.0) {
    OnPolicyParts parts = read_on_policy(config);
    LoadedStage loaded{.config = parts.samples.config, .stage = nullptr};
    loaded.stage = std::make_unique<OnPolicyDistill>(std::move(parts));
    return loaded;
  }
  TeacherChoice teacher = choose_teacher(config);
  return load_on_samples(config, [&](SftParts parts) {
    return std::make_unique<Distill>(std::move(parts), std::move(teacher));
  });
}

}  // namespace fathom::posttrain

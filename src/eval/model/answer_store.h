#pragma once
// Answers that were given already: a run that was stopped goes on where it was.
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>

#include "eval/model/language_model.h"
#include "io/files/append_file.h"

namespace fathom::eval {

/// A model whose answers are kept in a file, a JSON line each, under a hash of the model's identity
/// and the request. A torn last line, of a process that was killed, is cut off. Numbers are read
/// back to the bit.
class StoredModel : public LanguageModel {
 public:
  /// Throws Error{kInvalidInput} that names the line for a file that is something else, Error{kIo}.
  StoredModel(LanguageModel& model, const std::filesystem::path& file);

  void score(std::span<const ContextAndText> requests, const OnScore& done) override;
  void generate(std::span<const GenerationRequest> requests, const OnText& done) override;
  void score_documents(std::span<const RollingRequest> requests, const OnScore& done) override;
  ModelFacts facts() const override { return model_.facts(); }
  ModelWork work() const override { return model_.work(); }
  /// Answers that were there.
  i64 num_known() const { return known_; }

 private:
  void read(const std::filesystem::path& file);

  LanguageModel& model_;
  std::string identity_;
  std::unordered_map<std::string, TextScore> scores_;
  std::unordered_map<std::string, GeneratedText> texts_;
  std::unique_ptr<io::AppendFile> file_;
  i64 known_ = 0;
};

}  // namespace fathom::eval

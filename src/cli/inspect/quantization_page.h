#pragma once
// The study of quantisation schemes for scripts and for the eye.
#include <string>

#include "io/json.h"
#include "model/quantization_study.h"

namespace fathom::cli {

/// What the study is of.
struct StudySubject {
  std::string directory;     // of the weights
  std::string static_range;  // as asked for; empty: none
};

/// Everything that was measured, with every tensor.
io::JsonValue quantization_json(const model::QuantizationStudy& study, const StudySubject& subject);
/// One self-contained page: schemes side by side, maps of kinds and layers, where the numbers lie
/// in each format's range, the worst tensors.
std::string quantization_page(const model::QuantizationStudy& study, const StudySubject& subject);

/// What is worth saying about what was measured and what was not, in sentences.
std::vector<std::string> quantization_notes(const model::QuantizationStudy& study);

}  // namespace fathom::cli

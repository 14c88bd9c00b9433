#pragma once
// The study of quantisation schemes for scripts and for the eye.
#include <string>

#include "checkpoint/quantization_study.h"
#include "io/json.h"

namespace fathom::cli {

/// What the study is of.
struct StudySubject {
  std::string directory;     // of the weights
  std::string static_range;  // as asked for; empty: none
};

/// Everything that was measured, with every tensor.
io::JsonValue quantization_json(const checkpoint::QuantizationStudy& study,
                                const StudySubject& subject);
/// One self-contained page: schemes side by side, maps of kinds and layers, where the numbers lie
/// in each format's range, the worst tensors.
std::string quantization_page(const checkpoint::QuantizationStudy& study,
                              const StudySubject& subject);

/// What is worth saying about what was measured and what was not, in sentences.
std::vector<std::string> quantization_notes(const checkpoint::QuantizationStudy& study);

}  // namespace fathom::cli

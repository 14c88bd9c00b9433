#pragma once
// The study of quantisation schemes for the eye.
#include <string>

#include "checkpoint/quantization_study.h"
#include "cli/inspect/quantization_json.h"

namespace fathom::cli {

/// One self-contained page: schemes side by side, maps of kinds and layers, where the numbers lie
/// in each format's range, the worst tensors.
std::string quantization_page(const checkpoint::QuantizationStudy& study,
                              const StudySubject& subject);

}  // namespace fathom::cli

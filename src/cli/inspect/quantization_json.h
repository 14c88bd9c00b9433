#pragma once
// The study of quantisation schemes for scripts.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/quantization_study.h"
#include "io/json.h"

namespace fathom::cli {

/// Every rate with its name; the page's script reads them in this order.
inline constexpr std::array kStudyRates = {
    std::pair{"mean_relative_error", &checkpoint::ErrorRates::mean_relative_error},
    std::pair{"rms_error", &checkpoint::ErrorRates::rms_error},
    std::pair{"mean_abs_error", &checkpoint::ErrorRates::mean_abs_error},
    std::pair{"clamp_rate", &checkpoint::ErrorRates::clamp_rate},
    std::pair{"underflow_rate", &checkpoint::ErrorRates::underflow_rate},
    std::pair{"subnormal_rate", &checkpoint::ErrorRates::subnormal_rate},
};

/// What the study is of.
struct StudySubject {
  std::string directory;     // of the weights
  std::string static_range;  // as asked for; empty: none
};

/// Everything that was measured, with every tensor.
io::JsonValue quantization_json(const checkpoint::QuantizationStudy& study,
                                const StudySubject& subject);
io::JsonArray scheme_names(const checkpoint::QuantizationStudy& study);

/// What is worth saying about what was measured and what was not, in sentences.
std::vector<std::string> quantization_notes(const checkpoint::QuantizationStudy& study);

}  // namespace fathom::cli

#pragma once
// A conversion's report, part by part.
#include <vector>

#include "checkpoint/convert/convert.h"
#include "io/json.h"

namespace fathom::cli {

/// What became of the matrices of one part of the model; an MTP module's layers count as layers.
struct PartConversion {
  ModelPart role = ModelPart::kAttention;
  i64 matrices = 0;
  std::vector<checkpoint::Storage> stored;  // each storage once, the first met first
  double rms_error = 0.0;  // ||before - after|| / ||before|| over all that were recoded
};

/// The parts that have matrices, in the order of ModelPart.
std::vector<PartConversion> conversion_parts(const checkpoint::ConvertReport& report);

/// A table on stdout.
void print_conversion_parts(const checkpoint::ConvertReport& report);
io::JsonArray conversion_parts_json(const checkpoint::ConvertReport& report);

}  // namespace fathom::cli

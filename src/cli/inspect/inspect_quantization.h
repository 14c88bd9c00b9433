#pragma once
// `fathom inspect --quantization`: what quantisation schemes do to the weights of a model or run.
#include <string>
#include <vector>

#include "cli/arguments/arguments.h"

namespace fathom::cli {

struct QuantizationOptions {
  bool wanted = false;
  std::vector<std::string> schemes;  // empty: all
  std::string static_range;          // "0.5" or "99.9%"; empty: no static schemes
  std::string tensors;               // part of the names
  std::string out;                   // the drawing; empty: quantization.html, or none with --json
  bool overwrite = false;
};

/// --quantization, --schemes, --static-amax, --tensors, --out, --overwrite.
void add_quantization_options(Arguments& command, QuantizationOptions& options);

/// Measures, prints a table or one JSON object, draws. The exit code: 1 if weights hold numbers
/// that cannot be measured.
int inspect_quantization(const std::string& path, const QuantizationOptions& options, bool json);

}  // namespace fathom::cli

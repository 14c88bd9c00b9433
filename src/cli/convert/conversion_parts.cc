#include "cli/convert/conversion_parts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/output.h"

namespace fathom::cli {
namespace {

std::string stored_text(const PartConversion& part) {
  std::vector<std::string> texts;
  for (const checkpoint::Storage& storage : part.stored) texts.push_back(to_string(storage));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

std::vector<PartConversion> conversion_parts(const checkpoint::ConvertReport& report) {
  std::array<PartConversion, kNumModelParts> parts;
  std::array<double, kNumModelParts> squares = {}, squared_errors = {};
  for (const checkpoint::TensorConversion& tensor : report.tensors) {
    if (!tensor.is_matrix) continue;
    const auto role = static_cast<size_t>(tensor.role);
    PartConversion& part = parts[role];
    part.role = tensor.role;
    ++part.matrices;
    if (std::ranges::find(part.stored, tensor.to) == part.stored.end()) {
      part.stored.push_back(tensor.to);
    }
    squares[role] += tensor.squares;
    squared_errors[role] += tensor.rms_error * tensor.rms_error * tensor.squares;
  }
  std::vector<PartConversion> result;
  for (size_t role = 0; role < parts.size(); ++role) {
    if (parts[role].matrices == 0) continue;
    if (squares[role] > 0.0)
      parts[role].rms_error = std::sqrt(squared_errors[role] / squares[role]);
    result.push_back(std::move(parts[role]));
  }
  return result;
}

void print_conversion_parts(const checkpoint::ConvertReport& report) {
  out::print("  {:<16} {:>8}  {:>9}  {}\n", "part", "matrices", "rms error", "stored as");
  for (const PartConversion& part : conversion_parts(report)) {
    const std::string error =
        part.rms_error == 0.0 ? "0" : fmt::format("{:.3g} %", 100.0 * part.rms_error);
    out::print("  {:<16} {:>8}  {:>9}  {}\n", to_string(part.role), part.matrices, error,
               stored_text(part));
  }
}

io::JsonArray conversion_parts_json(const checkpoint::ConvertReport& report) {
  io::JsonArray array;
  for (const PartConversion& part : conversion_parts(report)) {
    io::JsonObject object;
    object.set("part", to_string(part.role));
    object.set("matrices", part.matrices);
    object.set("stored", stored_text(part));
    object.set("rms_error_frac", part.rms_error);
    array.emplace_back(std::move(object));
  }
  return array;
}

}  // namespace fathom::cli

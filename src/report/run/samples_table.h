#pragma once
#include <filesystem>
#include <string>

namespace fathom::report {

/// What the run in `directory` wrote last of its own, as its samples.jsonl has it: prompt, text,
/// tokens and reward of some samples of the newest step, spread over it. Nothing without that
/// file; lines that are no samples, such as one that is being written, are passed over.
std::string samples_table(const std::filesystem::path& directory);

}  // namespace fathom::report

#pragma once
// A GGUF file's tokenizer as the files of a model directory.
#include <filesystem>
#include <string>
#include <vector>

#include "io/gguf/file.h"

namespace fathom::cli {

/// Writes tokenizer.json, tokenizer_config.json and, if more tokens than one end an answer,
/// generation_config.json; their names. A tokenizer that has no such form is left out, with a
/// warning.
std::vector<std::string> write_tokenizer_files(const std::filesystem::path& directory,
                                               const io::gguf::File& file);

}  // namespace fathom::cli

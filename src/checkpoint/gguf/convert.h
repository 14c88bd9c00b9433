#pragma once
#include <filesystem>
#include <functional>

#include "checkpoint/convert/convert.h"
#include "device/ctx.h"
#include "io/gguf/file.h"

namespace fathom::checkpoint {

/// Writes the model of a GGUF file as a Hugging Face directory, chunk by chunk: weights as
/// `options` want them, config.json, and what `add_files`, called with the directory and the file,
/// adds (tokenizer, generation defaults), whose names it returns. All or nothing, as
/// convert_checkpoint(), with the same errors and those of load_gguf().
ConvertReport convert_gguf(
    Ctx& ctx, const std::filesystem::path& from, const std::filesystem::path& to,
    const ConvertOptions& options,
    const std::function<std::vector<std::string>(const std::filesystem::path&,
                                                 const io::gguf::File&)>& add_files = {});

}  // namespace fathom::checkpoint

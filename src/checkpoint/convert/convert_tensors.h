#pragma once
// The tensors of a conversion, chunk by chunk; convert.h adds what else is in a model directory.
#include <filesystem>

#include "checkpoint/check.h"
#include "checkpoint/convert/convert.h"
#include "device/ctx.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {

/// Writes the tensors of `source`, which `check` found whole, to the safetensors files of
/// `directory`: a parameter stored as `options` want it is copied byte for byte, any other goes
/// through f32 rows; what is not of the model is copied. Fills the report's figures of tensors.
void convert_tensors(Ctx& ctx, const io::Checkpoint& source, const CheckpointCheck& check,
                     const std::filesystem::path& directory, const ConvertOptions& options,
                     ConvertReport& report);

}  // namespace fathom::checkpoint

#include "backend/cpu/table.h"

namespace fathom::backend::cpu {
namespace {

/// The CPU multiplies weights where they lie.
void upload_matrix(Ctx&, const device::UploadMatrix& op) { op.uploaded = op.host; }

}  // namespace

void set_upload(device::OpTable& table) { table.set(upload_matrix); }

}  // namespace fathom::backend::cpu

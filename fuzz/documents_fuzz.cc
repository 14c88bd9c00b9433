// Any bytes as a file of text, JSON lines, gzip or zstd: documents and problems come to an end, and
// what is not compressed comes out whole. The first byte chooses the format, the separator and the
// size at which texts are cut.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "data/text/document_reader.h"

namespace fathom::data {
namespace {

/// A file without a name on any disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    FATHOM_CHECK(fd_ >= 0 && ::write(fd_, bytes.data(), bytes.size()) == std::ssize(bytes));
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void check(std::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<u8>(input[0]);
  input.remove_prefix(1);
  const MemoryFile memory(input);
  SourceFile file;
  file.path = memory.path();
  file.format = (choice & 1) != 0 ? SourceFormat::kJsonl : SourceFormat::kText;
  file.compression = static_cast<Compression>((choice >> 1) % 3);
  const std::string separator = (choice & 8) != 0 ? "%" : "";
  DocumentReader reader(file, separator, (choice & 16) != 0 ? 50 : 0);

  std::string joined;
  RawDocument document;
  Problem problem;
  // Each step but the last takes a byte of text or reports the one end of the file.
  i64 steps = 0;
  auto step = reader.next(document, problem);
  for (; step != DocumentReader::Step::kEnd; step = reader.next(document, problem)) {
    if (step == DocumentReader::Step::kDocument) joined += document.bytes;
    FATHOM_CHECK(++steps < (i64{1} << 24), "no end");
  }
  if (input.starts_with("\xEF\xBB\xBF")) input.remove_prefix(3);
  const bool is_whole = file.format == SourceFormat::kText && separator.empty() &&
                        file.compression == Compression::kNone;
  FATHOM_CHECK(!is_whole || joined == input, "text was lost");
}

}  // namespace
}  // namespace fathom::data

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  fathom::data::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

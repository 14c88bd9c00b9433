#include "io/text/byte_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace fathom::io {
namespace {

bool ends_with_letters(std::string_view name, std::string_view end) {
  if (name.size() < end.size()) return false;
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
  return std::equal(end.begin(), end.end(), name.end() - std::ssize(end), same);
}

class FileReader final : public ByteReader {
 public:
  explicit FileReader(int fd) : fd_(fd) {}
  ~FileReader() override { ::close(fd_); }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  Result<size_t> read(std::span<u8> out) override {
    while (true) {
      const ssize_t count = ::read(fd_, out.data(), out.size());
      if (count >= 0) {
        file_bytes_read_ += count;
        return static_cast<size_t>(count);
      }
      if (errno != EINTR) {
        return fail(ErrorCode::kIo, fmt::format("cannot read: {}", std::strerror(errno)));
      }
    }
  }
  i64 file_bytes_read() const override { return file_bytes_read_; }

 private:
  int fd_;
  i64 file_bytes_read_ = 0;
};

/// Compressed bytes waiting to be taken. At the end of the file the decoders are asked once more
/// with none: they may hold output for which there was no room.
class Input {
 public:
  explicit Input(std::unique_ptr<ByteReader> file) : file_(std::move(file)), buffer_(1 << 18) {}

  /// False at the end of the file.
  Result<bool> refill() {
    if (!unread().empty()) return true;
    auto count = file_->read(buffer_);
    if (!count) return tl::unexpected(count.error());
    begin_ = 0;
    end_ = *count;
    return end_ > 0;
  }
  std::span<const u8> unread() const { return std::span(buffer_).subspan(begin_, end_ - begin_); }
  void take(size_t count) { begin_ += count; }
  i64 file_bytes_read() const { return file_->file_bytes_read(); }

 private:
  std::unique_ptr<ByteReader> file_;
  std::vector<u8> buffer_;
  size_t begin_ = 0, end_ = 0;
};

class GzipReader final : public ByteReader {
 public:
  explicit GzipReader(std::unique_ptr<ByteReader> file) : input_(std::move(file)) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (::inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipReader() override { ::inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  Result<size_t> read(std::span<u8> out) override {
    constexpr size_t kMax = 1 << 30;  // zlib counts in 32 bits
    out = out.first(std::min(out.size(), kMax));
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out == out.size()) {
      const auto more = input_.refill();
      if (!more) return tl::unexpected(more.error());
      if (!*more && between_members_ && any_member_) return size_t{0};
      // A file may hold several members, one after the other (bgzip, cat a.gz b.gz).
      if (between_members_ && ::inflateReset(&stream_) != Z_OK) throw std::bad_alloc();
      between_members_ = false;
      const auto unread = input_.unread();
      stream_.next_in = const_cast<Bytef*>(unread.data());
      stream_.avail_in = static_cast<uInt>(unread.size());
      const int code = ::inflate(&stream_, Z_NO_FLUSH);
      input_.take(unread.size() - stream_.avail_in);
      const bool is_stuck = !*more && stream_.avail_out == out.size();
      if (code == Z_STREAM_END) {
        between_members_ = any_member_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return invalid_input(fmt::format("damaged gzip data: {}",
                                         stream_.msg != nullptr ? stream_.msg : "no reason given"));
      } else if (is_stuck) {
        return invalid_input("the gzip data ends early");
      }
    }
    return out.size() - stream_.avail_out;
  }
  i64 file_bytes_read() const override { return input_.file_bytes_read(); }

 private:
  Input input_;
  z_stream stream_ = {};
  bool between_members_ = true;
  bool any_member_ = false;
};

class ZstdReader final : public ByteReader {
 public:
  explicit ZstdReader(std::unique_ptr<ByteReader> file)
      : input_(std::move(file)), stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {
    if (stream_ == nullptr) throw std::bad_alloc();
    // The largest window that zstd writes (--long=31, 2 GiB); its memory is taken when a file has
    // one.
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax,
                           ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).upperBound);
  }

  Result<size_t> read(std::span<u8> out) override {
    ZSTD_outBuffer produced = {out.data(), out.size(), 0};
    while (produced.pos == 0) {
      const auto more = input_.refill();
      if (!more) return tl::unexpected(more.error());
      if (!*more && at_frame_end_) return size_t{0};
      ZSTD_inBuffer consumed = {input_.unread().data(), input_.unread().size(), 0};
      // Frames that follow each other are read as one.
      const size_t code = ZSTD_decompressStream(stream_.get(), &produced, &consumed);
      if (ZSTD_isError(code) != 0) return invalid_input(reason_of(code));
      input_.take(consumed.pos);
      at_frame_end_ = code == 0;
      if (!*more && produced.pos == 0) return invalid_input("the zstd data ends early");
    }
    return produced.pos;
  }
  i64 file_bytes_read() const override { return input_.file_bytes_read(); }

 private:
  static std::string reason_of(size_t code) {
    switch (ZSTD_getErrorCode(code)) {
      case ZSTD_error_memory_allocation:
        return "no memory for the window that this zstd file was packed with; pack it again "
               "without "
               "--long or --ultra";
      case ZSTD_error_frameParameter_windowTooLarge:
        return "this zstd file was packed with a window larger than zstd's own limit of 2 GiB";
      case ZSTD_error_dictionary_wrong:
        return "this zstd file was packed with a dictionary, which it does not hold; unpack it "
               "with "
               "zstd -D DICTIONARY";
      case ZSTD_error_prefix_unknown:
        return "is not zstd, or something else follows the zstd data";
      default:
        return fmt::format("damaged zstd data: {}", ZSTD_getErrorName(code));
    }
  }

  Input input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  bool at_frame_end_ = false;
};

}  // namespace

Compression compression_of_name(std::string_view name) {
  if (ends_with_letters(name, ".gz")) return Compression::kGzip;
  if (ends_with_letters(name, ".zst")) return Compression::kZstd;
  return Compression::kNone;
}

std::string_view without_compression(std::string_view name) {
  switch (compression_of_name(name)) {
    case Compression::kGzip:
      return name.substr(0, name.size() - 3);
    case Compression::kZstd:
      return name.substr(0, name.size() - 4);
    case Compression::kNone:
      break;
  }
  return name;
}

Result<std::unique_ptr<ByteReader>> ByteReader::open(const std::filesystem::path& path,
                                                     Compression compression) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("cannot open: {}", std::strerror(errno)));
  }
  std::unique_ptr<ByteReader> file = std::make_unique<FileReader>(fd);
  switch (compression) {
    case Compression::kNone:
      return file;
    case Compression::kGzip:
      return std::make_unique<GzipReader>(std::move(file));
    case Compression::kZstd:
      return std::make_unique<ZstdReader>(std::move(file));
  }
  return file;
}

}  // namespace fathom::io

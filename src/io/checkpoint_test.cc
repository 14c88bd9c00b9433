#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "base/check.h"
#include "io/files/atomic_file.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

using fathom::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kIndexName = "model.safetensors.index.json";

std::vector<u8> pattern(size_t size, u8 seed) {
  std::vector<u8> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<u8>(seed + i * 7);
  return bytes;
}

const std::vector<TensorSpec> kSpecs = {{"a.weight", DType::kBF16, {3, 5}},
                                        {"b.flag", DType::kBool, {3}},
                                        {"c.weight", DType::kF32, {2, 2}},
                                        {"d.empty", DType::kF16, {0, 7}},
                                        {"e.weight", DType::kF8E4M3, {40}}};

i64 spec_size(const TensorSpec& spec) {
  i64 size = dtype_bytes(spec.dtype);
  for (const i64 extent : spec.shape) size *= extent;
  return size;
}

void write_checkpoint(const std::filesystem::path& directory, i64 max_shard_bytes) {
  CheckpointWriter writer(directory, kSpecs, max_shard_bytes);
  u8 seed = 0;
  for (const TensorSpec& spec : kSpecs) {
    const auto bytes = pattern(static_cast<size_t>(spec_size(spec)), seed++);
    const size_t half = bytes.size() / 2;  // two chunks
    writer.append(spec.name, std::span(bytes).first(half));
    writer.append(spec.name, std::span(bytes).subspan(half));
  }
  writer.commit();
}

void expect_checkpoint(const std::filesystem::path& directory) {
  const auto checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_EQ(checkpoint->tensors().size(), kSpecs.size());
  EXPECT_EQ(checkpoint->metadata().at("format"), "pt");
  const std::map<DType, i64> bytes = {{DType::kBF16, 30},
                                      {DType::kBool, 3},
                                      {DType::kF32, 16},
                                      {DType::kF16, 0},
                                      {DType::kF8E4M3, 40}};
  EXPECT_EQ(checkpoint->bytes_by_dtype(), bytes);
  u8 seed = 0;
  for (const TensorSpec& spec : kSpecs) {
    const StoredTensor* tensor = checkpoint->find(spec.name);
    ASSERT_NE(tensor, nullptr) << spec.name;
    EXPECT_EQ(tensor->dtype, spec.dtype);
    EXPECT_EQ(tensor->shape, spec.shape);
    const auto want = pattern(static_cast<size_t>(spec_size(spec)), seed++);
    EXPECT_TRUE(std::equal(want.begin(), want.end(), tensor->bytes.begin(), tensor->bytes.end()))
        << spec.name;
    EXPECT_TRUE(tensor->aligned_to(static_cast<size_t>(dtype_bytes(spec.dtype)))) << spec.name;
  }
}

std::vector<std::string> files_of(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(CheckpointWriter, OneFileRoundTrip) {
  const TempDir dir;
  write_checkpoint(dir / "out", kDefaultMaxShardBytes);
  expect_checkpoint(dir / "out");
  EXPECT_EQ(files_of(dir / "out"), std::vector<std::string>{"model.safetensors"});
}

TEST(CheckpointWriter, ShardsRoundTrip) {
  const TempDir dir;
  write_checkpoint(dir.path(), 34);
  expect_checkpoint(dir.path());
  EXPECT_EQ(files_of(dir.path()),
            (std::vector<std::string>{"model-00001-of-00003.safetensors",
                                      "model-00002-of-00003.safetensors",
                                      "model-00003-of-00003.safetensors", kIndexName}));
  EXPECT_THAT(dir.read(kIndexName),
              AllOf(HasSubstr("\"total_size\": 89"), HasSubstr("\"c.weight\": \"model-00002-of-")));
}

TEST(CheckpointWriter, NothingAppearsBeforeCommit) {
  const TempDir dir;
  {
    CheckpointWriter writer(dir.path(), kSpecs, 34);
    writer.append("a.weight", pattern(30, 0));
    writer.append("b.flag", pattern(3, 1));
    EXPECT_FALSE(Checkpoint::open(dir.path()));
    EXPECT_THROW(writer.commit(), InternalError) << "bytes are missing";
  }
  EXPECT_TRUE(files_of(dir.path()).empty()) << "temporary files are removed";
}

TEST(CheckpointWriter, MisuseAndOccupiedDirectoriesAreRefused) {
  const TempDir dir;
  CheckpointWriter writer(dir.path(), kSpecs, 34);
  EXPECT_THROW(writer.append("nobody", {}), InternalError);
  EXPECT_THROW(writer.append("b.flag", pattern(4, 0)), InternalError);
  const std::vector<TensorSpec> twice = {kSpecs[0], kSpecs[0]};
  EXPECT_THROW(CheckpointWriter(dir.path(), twice), InternalError);
  dir.write("model-00001-of-00009.safetensors", "old");
  EXPECT_THROW(CheckpointWriter(dir.path(), kSpecs), Error);
}

std::string error_of(const TempDir& dir) {
  const auto checkpoint = Checkpoint::open(dir.path());
  return checkpoint ? "no error" : checkpoint.error().message();
}

TEST(CheckpointTest, NoWeights) {
  const TempDir dir;
  EXPECT_THAT(error_of(dir), HasSubstr("expected model.safetensors or"));
  dir.write("pytorch_model.bin", "");
  EXPECT_THAT(error_of(dir), HasSubstr("is a pickle and is not read"));
  const auto missing = Checkpoint::open(dir / "nowhere");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
}

TEST(CheckpointTest, MissingShard) {
  const TempDir dir;
  write_checkpoint(dir.path(), 34);
  std::filesystem::remove(dir / "model-00002-of-00003.safetensors");
  EXPECT_THAT(error_of(dir),
              HasSubstr("shard model-00002-of-00003.safetensors is missing; 2 of 3 shards are "
                        "there"));
}

TEST(CheckpointTest, TruncatedShardIsNamed) {
  const TempDir dir;
  write_checkpoint(dir.path(), 34);
  std::filesystem::resize_file(dir / "model-00002-of-00003.safetensors", 130);
  EXPECT_THAT(error_of(dir),
              AllOf(HasSubstr("model-00002-of-00003.safetensors: "), HasSubstr("truncated?")));
}

TEST(CheckpointTest, AListedTensorThatNoShardHoldsIsAbsent) {
  const TempDir dir;
  write_checkpoint(dir.path(), 34);
  std::string index = dir.read(kIndexName);
  index.replace(index.find("a.weight"), 8, "x.weight");
  dir.write(kIndexName, index);
  const Checkpoint checkpoint = value_or_throw(Checkpoint::open(dir.path()));
  EXPECT_EQ(checkpoint.find("x.weight"), nullptr);
  ASSERT_NE(checkpoint.shard_without("x.weight"), nullptr);
  EXPECT_EQ(*checkpoint.shard_without("x.weight"), "model-00001-of-00003.safetensors");
  EXPECT_EQ(checkpoint.find("a.weight"), nullptr) << "not listed";
  EXPECT_EQ(checkpoint.shard_without("a.weight"), nullptr);
  EXPECT_NE(checkpoint.find("c.weight"), nullptr);
}

TEST(CheckpointTest, ATensorListedInTheWrongShardIsFoundInItsOwn) {
  const TempDir dir;
  write_checkpoint(dir.path(), 34);
  std::string index = dir.read(kIndexName);
  for (size_t at = 0; (at = index.find("-of-", at)) != index.npos; ++at) {
    char& number = index[at - 1];
    number = number == '1' ? '2' : number == '2' ? '1' : number;
  }
  dir.write(kIndexName, index);
  const auto checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  ASSERT_EQ(checkpoint->tensors().size(), kSpecs.size());
  EXPECT_EQ(checkpoint->find("a.weight")->file_name, "model-00001-of-00003.safetensors");
}

TEST(CheckpointTest, ShardNamesStayInTheDirectory) {
  const TempDir dir;
  for (const char* name : {"../secret", "/etc/passwd", "..", "", "a\\\\b", "sub/x", "a\\u0000b"}) {
    dir.write(kIndexName, fmt::format(R"({{"weight_map": {{"t": "{}"}}}})", name));
    EXPECT_THAT(error_of(dir), HasSubstr("expected the name of a file in the same directory"))
        << name;
  }
  dir.write(kIndexName, R"({"weight_map": {"t": 5}})");
  EXPECT_THAT(error_of(dir), HasSubstr("found the number 5"));
  dir.write(kIndexName, R"({"weight_map": {}})");
  EXPECT_THAT(error_of(dir), HasSubstr("no tensors"));
  dir.write(kIndexName, R"({"metadata": {}})");
  EXPECT_THAT(error_of(dir), HasSubstr("weight_map: missing, expected an object"));
  dir.write(kIndexName, "{");
  EXPECT_THAT(error_of(dir), HasSubstr("index.json:1:"));
}

TEST(MappedFileTest, RefusesDirectoriesAndPipesWithoutWaiting) {
  const TempDir dir;
  EXPECT_THAT(MappedFile::open(dir.path()).error().message(), HasSubstr("found a directory"));
  const auto pipe = dir / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(MappedFile::open(pipe).error().message(), HasSubstr("found a special file"));
}

TEST(MappedFileTest, MapsAndMoves) {
  const TempDir dir;
  auto file = MappedFile::open(dir.write("f", "hello"));
  ASSERT_TRUE(file);
  const u8* address = file->bytes().data();
  MappedFile moved = std::move(*file);
  moved.advise(AccessHint::kSequential);
  moved.advise(AccessHint::kDontNeed, 3, INT64_MAX);
  EXPECT_EQ(moved.bytes().data(), address);
  EXPECT_EQ(moved.bytes()[4], 'o');
  const auto empty = MappedFile::open(dir.write("empty", ""));
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->bytes().empty());
}

TEST(AtomicFileTest, AppearsOnlyAtCommit) {
  const TempDir dir;
  dir.write("f", "old");
  {
    AtomicFile file(dir / "f");
    file.append("ne");
    file.append("w!");
    EXPECT_EQ(dir.read("f"), "old");
  }
  EXPECT_EQ(dir.read("f"), "old") << "abandoned";
  EXPECT_EQ(files_of(dir.path()).size(), 1u) << "no temporary file stays";
  write_file_atomically(dir / "f", "new");
  EXPECT_EQ(dir.read("f"), "new");
  EXPECT_EQ(files_of(dir.path()).size(), 1u);
}

TEST(AtomicFileTest, TheSystemsRefusalsAreErrorsWithTheReason) {
  const TempDir dir;
  try {
    AtomicFile file(dir / "no" / "f");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_THAT(error.message(), HasSubstr("no/f: cannot create: No such file or directory"));
  }
  try {
    AtomicFile file(dir / "f");
    file.reserve(i64{1} << 60);  // more than any disk
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_THAT(error.message(), HasSubstr("f: no space: 1024.0 PiB are to be written"));
  }
  EXPECT_TRUE(files_of(dir.path()).empty());
}

// A limit on file size stands for a full disk: the write fails half way.
TEST(AtomicFileTest, AFailedWriteLeavesNothing) {
  const TempDir dir;
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = 1000, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message;
  try {
    write_file_atomically(dir / "f", std::string(5000, 'x'));
  } catch (const Error& error) {
    message = error.message();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, HasSubstr("f: cannot write: File too large"));
  EXPECT_TRUE(files_of(dir.path()).empty());
}

}  // namespace
}  // namespace fathom::io

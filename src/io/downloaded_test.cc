#include "io/downloaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/json.h"
#include "io/safetensors.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kLfsPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 8460800\n";

class DownloadedTest : public ::testing::Test {
 protected:
  fs::path put(const std::string& name, std::string_view text) {
    fs::path path = dir_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string error_of(std::string_view text) {
    const auto map = open_downloaded(put("file", text));
    return map ? "no error" : map.error().message();
  }
  std::string weights_error() {
    const auto checkpoint = Checkpoint::open(dir_.path());
    return checkpoint ? "no error" : checkpoint.error().message();
  }

  testing::TempDir dir_;
};

TEST_F(DownloadedTest, SaysWhatStandsInPlaceOfTheFile) {
  EXPECT_THAT(error_of(kLfsPointer),
              HasSubstr("/file: the file is a Git LFS pointer of 72 bytes, not the file of 8460800 "
                        "bytes itself: run `git lfs pull` in its folder, or download the file "
                        "again"));
  EXPECT_THAT(error_of("# xet version 0\nfilesize = 3\n"), HasSubstr("a Xet pointer"));
  EXPECT_THAT(error_of("/annex/objects/MD5E-s3--00\n"), HasSubstr("a git-annex pointer"));
  for (const char* page :
       {"<!DOCTYPE html><html>", "\n <HTML lang=en>", "\xef\xbb\xbf<!doctype html"}) {
    EXPECT_THAT(error_of(page), HasSubstr("the file is a page in HTML, not the file itself"));
  }
  EXPECT_THAT(error_of("<?xml version='1.0'?><Error><Code>AccessDenied</Code>"),
              HasSubstr("a page in XML"));
  EXPECT_THAT(error_of("Entry not found\n"), HasSubstr("a server's answer, not the file itself "
                                                       "(\"Entry not found\"): download"));
  EXPECT_THAT(error_of("{\"error\":\"Repository not found\"}"), HasSubstr("a server's answer"));
  EXPECT_THAT(error_of(""), HasSubstr("the file is empty: download the file again"));
  EXPECT_THAT(error_of(std::string(4096, '\0')), HasSubstr("full of zeros at its beginning"));
}

TEST_F(DownloadedTest, TakesFilesThatOnlyResembleThem) {
  EXPECT_EQ(error_of("{\"version\": \"https://git-lfs.github.com/spec/v1\"}"), "no error");
  EXPECT_EQ(error_of(std::string(63, '\0')), "no error");
  EXPECT_EQ(error_of(std::string(63, '\0') + "x" + std::string(99, '\0')), "no error");
  EXPECT_EQ(error_of("{\"error_code\": 1}"), "no error");
  EXPECT_EQ(error_of("Not found" + std::string(9999, 'x')), "no error") << "too long for an answer";
  EXPECT_EQ(error_of("{}"), "no error");
}

TEST_F(DownloadedTest, EveryReaderChecks) {
  const fs::path path = put("x.json", kLfsPointer);
  EXPECT_THAT(read_downloaded(path, 1000).error().message(), HasSubstr("Git LFS"));
  EXPECT_THAT(read_downloaded_json(path).error().message(), HasSubstr("Git LFS"));
  EXPECT_THAT(read_downloaded(path, 10).error().message(), HasSubstr("expected at most 10"));
  EXPECT_EQ(value_or_throw(read_downloaded(put("y.json", "{}"), 10)), "{}");
  put("model.safetensors", kLfsPointer);
  EXPECT_THAT(weights_error(), HasSubstr("model.safetensors: the file is a Git LFS pointer"));
}

TEST_F(DownloadedTest, UnfinishedFilesAreFoundBesideMissingOnes) {
  for (const char* ending : {".incomplete", ".part", ".crdownload"}) {
    const fs::path part = put(std::string("tokenizer.json") + ending, "");
    const auto missing = open_downloaded(dir_.path() / "tokenizer.json");
    EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
    EXPECT_THAT(missing.error().message(), HasSubstr("; " + part.filename().string() +
                                                     " beside it is a download that was not"));
    fs::remove(part);
  }
  EXPECT_EQ(unfinished_download(dir_.path() / "tokenizer.json"), "");
  put(".cache/huggingface/download/x.lock", "");
  EXPECT_EQ(unfinished_download(dir_.path() / "tokenizer.json"), "");
  put(".cache/huggingface/download/ab12.incomplete", "");
  EXPECT_THAT(unfinished_download(dir_.path() / "tokenizer.json"), HasSubstr("run `hf download`"));
  fs::create_symlink("../blobs/ab12", dir_.path() / "linked");
  EXPECT_THAT(unfinished_download(dir_.path() / "linked"), HasSubstr("a link to ../blobs/ab12"));
  put("whole", "x");
  put("whole.aria2", "");
  EXPECT_THAT(open_downloaded(dir_.path() / "whole").error().message(),
              HasSubstr("aria2 has not finished"));
}

TEST_F(DownloadedTest, MissingWeightsSayWhatToDo) {
  EXPECT_THAT(weights_error(), HasSubstr("found neither"));
  const fs::path adapter = put("adapter_config.json", "{}");
  EXPECT_THAT(weights_error(), HasSubstr("an adapter (adapter_config.json), not a model"));
  fs::remove(adapter);
  put("model-00001-of-00002.safetensors", "x");
  EXPECT_THAT(weights_error(), AllOf(HasSubstr("there is model-00001-of-00002.safetensors, but not "
                                               "model.safetensors.index.json"),
                                     Not(HasSubstr("neither"))));
  put("model.safetensors.index.json",
      R"({"weight_map": {"a": "model-00001-of-00002.safetensors",
                         "b": "model-00002-of-00002.safetensors"}})");
  EXPECT_THAT(weights_error(),
              HasSubstr("shard model-00002-of-00002.safetensors is missing; 1 of 2 "
                        "shards are there; download the missing ones"));
  put("model-00002-of-00002.safetensors.part", "x");
  EXPECT_THAT(weights_error(), HasSubstr("model-00002-of-00002.safetensors.part beside it is"));
  put("model.safetensors.index.json", "<html>");
  EXPECT_THAT(weights_error(), HasSubstr("model.safetensors.index.json: the file is a page"));
  fs::remove(dir_.path() / "model.safetensors.index.json");
  put("model.safetensors.incomplete", "x");
  EXPECT_THAT(weights_error(), HasSubstr("expected model.safetensors, which is missing; "
                                         "model.safetensors.incomplete beside it"));
}

}  // namespace
}  // namespace fathom::io

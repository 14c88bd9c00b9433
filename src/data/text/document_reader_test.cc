#include "data/text/document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/compress.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

using ::testing::ElementsAre;
using testing::gzip;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::sample_text;
using ::testing::StartsWith;

/// Everything a reader gives, as text: "line:bytes" for documents, "!place: text" for problems.
struct Read {
  std::vector<std::string> documents;
  std::vector<std::string> problems;
  std::vector<bool> is_cut;
};

class DocumentReaderTest : public ::testing::Test {
 protected:
  Read read(std::string_view bytes, SourceFormat format, const std::string& separator = "",
            i64 max_bytes = 0, Compression compression = Compression::kNone) {
    SourceFile file;
    file.path = dir_.write("file", bytes);
    file.format = format;
    file.compression = compression;
    return read_file(file, separator, max_bytes);
  }
  Read read_file(const SourceFile& file, const std::string& separator, i64 max_bytes) {
    DocumentReader reader(file, separator, max_bytes);
    Read result;
    RawDocument document;
    Problem problem;
    while (true) {
      switch (reader.next(document, problem)) {
        case DocumentReader::Step::kEnd:
          return result;
        case DocumentReader::Step::kProblem:
          EXPECT_THAT(problem.place, StartsWith(file.path.string()));
          result.problems.push_back(problem.place.substr(file.path.string().size()) + ": " +
                                    problem.text);
          break;
        case DocumentReader::Step::kDocument:
          result.documents.push_back(std::to_string(document.line) + ":" + document.bytes);
          result.is_cut.push_back(document.is_cut);
          EXPECT_EQ(document.is_json, file.format == SourceFormat::kJsonl);
          break;
      }
    }
  }

  testing::TempDir dir_;
};

TEST_F(DocumentReaderTest, ATextFileIsOneDocument) {
  EXPECT_THAT(read("one\ntwo\n", SourceFormat::kText).documents, ElementsAre("0:one\ntwo\n"));
  EXPECT_THAT(read("", SourceFormat::kText).documents, ElementsAre("0:"));
  EXPECT_THAT(read("\xEF\xBB\xBFone", SourceFormat::kText).documents, ElementsAre("0:one"));
  EXPECT_THAT(read("\xEF\xBB", SourceFormat::kText).documents, ElementsAre("0:\xEF\xBB"));
}

TEST_F(DocumentReaderTest, JsonLinesAreNumbered) {
  EXPECT_THAT(read("{1}\n\n{3}\r\n{4}", SourceFormat::kJsonl).documents,
              ElementsAre("1:{1}", "2:", "3:{3}\r", "4:{4}"));
  EXPECT_THAT(read("\xEF\xBB\xBF{1}\n", SourceFormat::kJsonl).documents, ElementsAre("1:{1}"));
  EXPECT_THAT(read("", SourceFormat::kJsonl).documents, IsEmpty());
}

TEST_F(DocumentReaderTest, SeparatorLinesDivideText) {
  EXPECT_THAT(read("a\nb\n%\nc % d\n%\r\n%%\n%\n", SourceFormat::kText, "%").documents,
              ElementsAre("1:a\nb\n", "4:c % d\n", "6:%%\n"));
  EXPECT_THAT(read("%\n%\na\n%", SourceFormat::kText, "%").documents,
              ElementsAre("1:", "2:", "3:a\n"));
  EXPECT_THAT(read("a", SourceFormat::kText, "%").documents, ElementsAre("1:a"));
  EXPECT_THAT(read("", SourceFormat::kText, "%").documents, IsEmpty());
}

TEST_F(DocumentReaderTest, LongTextIsCutAtLineEndsWithoutLoss) {
  const std::string text = sample_text(2'500'000);
  const Read got = read(text, SourceFormat::kText, "", 100'000);
  std::string joined;
  ASSERT_GT(got.documents.size(), 24u);
  for (size_t i = 0; i < got.documents.size(); ++i) {
    const std::string document = got.documents[i].substr(got.documents[i].find(':') + 1);
    EXPECT_LE(document.size(), 100'000u);
    EXPECT_EQ(got.is_cut[i], i > 0);
    EXPECT_TRUE(document.ends_with('\n') || i + 1 == got.documents.size());
    const auto line = std::to_string(std::ranges::count(joined, '\n') + 1);
    EXPECT_THAT(got.documents[i], StartsWith(i == 0 ? "0:" : line + ":"));
    joined += document;
  }
  EXPECT_TRUE(joined == text);
}

TEST_F(DocumentReaderTest, ACutNeverSplitsACharacter) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "\u20AC";
  std::string joined;
  for (const std::string& document : read(text, SourceFormat::kText, "", 1000).documents) {
    const size_t bytes = document.size() - document.find(':') - 1;
    EXPECT_EQ(bytes % 3, 0u);
    joined += document.substr(document.find(':') + 1);
  }
  EXPECT_TRUE(joined == text);
}

TEST_F(DocumentReaderTest, LinesAcrossReadsStayWhole) {
  std::string text;
  std::vector<std::string> expected;
  for (size_t line = 1; line <= 300; ++line) {
    const std::string bytes = sample_text(line * 37);
    std::string one_line = bytes;
    std::ranges::replace(one_line, '\n', ' ');
    text += one_line + "\n";
    expected.push_back(std::to_string(line) + ":" + one_line);
  }
  EXPECT_EQ(read(text, SourceFormat::kJsonl).documents, expected);
  EXPECT_EQ(read(gzip(text), SourceFormat::kJsonl, "", 0, Compression::kGzip).documents, expected);
}

TEST_F(DocumentReaderTest, TooLongJsonLinesAreReportedAndSkipped) {
  const std::string long_line(3'000'000, 'x');
  const Read got =
      read("{1}\n" + long_line + "\n{3}\n" + long_line, SourceFormat::kJsonl, "", 1'000'000);
  EXPECT_THAT(got.documents, ElementsAre("1:{1}", "3:{3}"));
  EXPECT_THAT(got.problems, ElementsAre(":2: a line of more than 976.6 KiB",
                                        ":4: a line of more than 976.6 KiB"));
}

TEST_F(DocumentReaderTest, DamagedCompressionKeepsWhatCameBefore) {
  std::string text;
  for (int line = 1; line <= 50'000; ++line)
    text += "{\"text\": \"line " + std::to_string(line) + "\"}\n";
  std::string bytes = gzip(text);
  bytes.resize(bytes.size() / 2);
  const Read lines = read(bytes, SourceFormat::kJsonl, "", 0, Compression::kGzip);
  ASSERT_EQ(lines.problems.size(), 1u);
  EXPECT_THAT(lines.problems[0], HasSubstr("the gzip data ends early; what follows line " +
                                           std::to_string(lines.documents.size()) + " is lost"));
  ASSERT_GT(lines.documents.size(), 1000u);
  EXPECT_TRUE(lines.documents.back().ends_with("\"}"));

  const Read whole = read(bytes, SourceFormat::kText, "", 0, Compression::kGzip);
  EXPECT_EQ(whole.problems.size(), 1u);
  ASSERT_EQ(whole.documents.size(), 1u);
  EXPECT_THAT(text, StartsWith(whole.documents[0].substr(2)));

  const Read nothing = read("no gzip at all", SourceFormat::kText, "", 0, Compression::kGzip);
  EXPECT_THAT(nothing.documents, IsEmpty());
  EXPECT_THAT(nothing.problems,
              ElementsAre(HasSubstr("damaged gzip data: incorrect header check")));
}

TEST_F(DocumentReaderTest, MissingFilesAreAProblem) {
  SourceFile file;
  file.path = dir_ / "gone";
  const Read got = read_file(file, "", 0);
  EXPECT_THAT(got.documents, IsEmpty());
  EXPECT_THAT(got.problems, ElementsAre(HasSubstr("cannot open: No such file")));
}

}  // namespace
}  // namespace fathom::data

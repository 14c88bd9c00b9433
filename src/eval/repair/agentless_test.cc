// A small repository with a bug, and a model whose answers are known.
#include "eval/repair/agentless.h"

#include <gmock/gmock.h>

#include <fstream>
#include <regex>

#include "eval/model/test_parrot.h"
#include "eval/repair/git_repository.h"
#include "eval/repair/localise.h"
#include "eval/repair/unified_diff.h"
#include "eval/sandbox/trusted_command.h"
#include "testing/temp_dir.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kShapes =
    "class Square:\n    def __init__(self, side):\n        self.side = side\n\n"
    "    def area(self):\n        return self.side * 4\n\n\ndef total(shapes):\n"
    "    return sum(s.area() for s in shapes)\n";
constexpr const char* kProblem = "The area of a Square with side 3 is 12, but it should be 9.";

class RepairTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
    write("lib/shapes.py", kShapes);
    write("lib/words.py", "def upper(text):\n    return text.upper()\n");
    write("tests/test_total.py",
          "import sys; sys.path.insert(0, '.')\nfrom lib.shapes import total\nassert total([]) == "
          "0\n");
    write("logo.bin", std::string("\0\xff", 2));
    git({"init", "-q"});
    git({"add", "."});
    git({"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"});
    write("lib/shapes.py", "not committed\n");
  }
  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  std::string git(std::vector<std::string> arguments) const {
    std::vector<std::string> command = {
        "/usr/bin/env", "-u", "GIT_DIR",          "-u", "GIT_WORK_TREE",
        "git",          "-c", "safe.directory=*", "-C", folder_.path().string()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const TrustedOutcome outcome = run_trusted(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return outcome.output;
  }
  RepairInstance instance() const {
    return {"own__shapes-1", folder_.path(), "HEAD", kProblem, "python3 tests/test_total.py"};
  }

  fathom::testing::TempDir folder_;
  Result<Sandbox> sandbox_ = Sandbox::build();
};

std::string edit(const std::string& search, const std::string& replace) {
  return "lib/shapes.py\n```python\n<<<<<<< SEARCH\n" + search + "\n=======\n" + replace +
         "\n>>>>>>> REPLACE\n```\n";
}

/// Answers each step of the pipeline; of the edits most change nothing that matters, some are
/// right, some break the tests, some do not fit.
std::string answer(const GenerationRequest& request) {
  const std::string& prompt = request.prompt;
  const auto asks = [&](const char* text) { return prompt.find(text) != std::string::npos; };
  if (asks("Which files must be changed")) return "1. `lib/shapes.py`\nlib/unknown.py";
  if (asks("Which classes and functions")) return "area (of Square)";
  if (asks("Which lines must be changed")) return "lib/shapes.py:6-6";
  if (asks("shows whether the problem is still there")) {
    const char* const head = "import sys; sys.path.insert(0, '.')\nfrom lib.shapes import Square\n";
    if (request.seed % 2 == 0) return std::string("```python\n") + head + "assert True\n```";
    return std::string("```python\n") + head + "assert Square(3).area() == 9\n```";
  }
  EXPECT_TRUE(asks("SEARCH/REPLACE")) << prompt;
  const std::string line = "        return self.side * 4";
  if (request.temperature == 0) return edit("        return side * 4", "        return 9");
  switch (request.seed % 8) {
    case 4:
      return edit(line, "        raise ValueError\n\nimport nothing_of_the_kind");
    case 5:
      return edit(line, "        return self.side * self.side  # a square");
    case 6:
    case 7:
      return edit(line, "        return self.side * self.side");
    default:
      return edit(line, "        return 9 if self.side == 2 else 12");
  }
}

TEST_F(RepairTest, LocalisesRepairsTestsAndVotes) {
  Parrot model(answer);
  const RepairOptions options{
      .files = 2, .locations = 2, .patches = 9, .reproductions = 5, .seed = 1};
  const RepairInstance one = instance();
  const RepairResult result = value_or_throw(repair(model, *sandbox_, one, options));
  EXPECT_THAT(result.files,
              ElementsAre("lib/shapes.py"));  // no other shares words with the problem
  EXPECT_TRUE(result.tests_passed_before);
  EXPECT_THAT(result.reproduction, HasSubstr("== 9"));  // `assert True` does not show it
  EXPECT_TRUE(result.tests_pass);
  EXPECT_TRUE(result.reproduction_passes);
  EXPECT_EQ(result.candidates, 16);  // the greedy answers did not fit
  EXPECT_EQ(result.different, 3);    // a comment makes no difference
  EXPECT_EQ(result.votes, 6);        // another one had 8, and solves nothing
  EXPECT_THAT(result.patch, HasSubstr("+        return self.side * self.side"));
  // SWE-bench's line, whose patch git takes.
  const RepairInstance* const first = &one;
  const std::string lines = prediction_lines({first, 1}, {&result, 1}, "parrot");
  const io::JsonValue line =
      value_or_throw(io::parse_json(lines.substr(0, lines.size() - 1), "line"));
  EXPECT_EQ(line.find("instance_id")->as_string(), "own__shapes-1");
  EXPECT_EQ(line.find("model_name_or_path")->as_string(), "parrot");
  git({"checkout", "-q", "."});
  write("p.patch", line.find("model_patch")->as_string());
  git({"apply", "p.patch"});
  EXPECT_THAT(git({"diff", "--stat"}), HasSubstr("1 file changed, 1 insertion(+), 1 deletion(-)"));
  const TaskResult task = repair_task({first, 1}, {&result, 1});
  EXPECT_EQ(task.metrics[0].value, 1.0);
  EXPECT_EQ(task.metrics[1].value, 1.0);
  EXPECT_EQ(task.metrics[2].value, 1.0);
}

TEST_F(RepairTest, WithoutAnEditThatFitsThereIsNoPatch) {
  Parrot model([](const GenerationRequest&) { return "I do not know."; });
  const RepairOptions options{.locations = 1, .patches = 2, .reproductions = 1};
  const RepairResult result = value_or_throw(repair(model, *sandbox_, instance(), options));
  EXPECT_EQ(result.patch, "");
  EXPECT_EQ(result.candidates, 0);
  EXPECT_FALSE(result.tests_pass);
}

TEST_F(RepairTest, ACommitIsReadAsItIsInGitAndABadOneIsNamed) {
  setenv("GIT_DIR", "/nowhere/.git", 1);  // as in a hook of another repository
  const auto commit = GitCommit::open(folder_.path(), "HEAD");
  ASSERT_TRUE(commit) << commit.error().message();
  EXPECT_EQ(commit->files().at("lib/shapes.py"), kShapes);
  EXPECT_FALSE(commit->files().contains("logo.bin"));
  EXPECT_THAT(commit->archive(), HasSubstr("logo.bin"));
  for (const char* const bad : {"", "--help", "no-such-commit"}) {
    EXPECT_FALSE(GitCommit::open(folder_.path(), bad)) << bad;
  }
  EXPECT_THAT(GitCommit::open("/nowhere", "HEAD").error().message(),
              HasSubstr("/nowhere: no git repository with a commit HEAD"));
  unsetenv("GIT_DIR");
}

TEST(Localise, FilesAreRankedByTheWordsThatFewOthersHave) {
  const Files files = {{"a.py", "def common():\n    return rare_thing\n"},
                       {"b.py", "def common():\n    pass\n"},
                       {"c.py", "nothing\n"}};
  EXPECT_THAT(retrieved_files(files, "the common rare_thing fails", 3),
              ElementsAre("a.py", "b.py"));
  EXPECT_THAT(retrieved_files(files, "xyz", 3), IsEmpty());
}

TEST(Localise, AnswersNameWhatIsThere) {
  const Files files = {{"a.py", kShapes}, {"2.py", "x\n"}};
  EXPECT_THAT(files_answered("- a.py\n2.py:\na.py\nb.py", files, 3), ElementsAre("a.py", "2.py"));
  EXPECT_THAT(files_answered("- a.py\n2.py", files, 1), ElementsAre("a.py"));
  EXPECT_THAT(elements_answered("Square.area, and volume", files), ElementsAre("Square", "area"));
  const LineSets lines = lines_answered("a.py:5-7, a.py: line 9; b.py:1\n2.py:1-999", files);
  EXPECT_THAT(lines.at("a.py"), ElementsAre(5, 6, 7, 9));
  EXPECT_THAT(lines.at("2.py"), ElementsAre(1, 2));
  EXPECT_EQ(lines.size(), 2u);
  // Edits see ten lines before and behind, and no others.
  std::string long_file;
  for (int i = 1; i <= 40; ++i) long_file += "line " + std::to_string(i) + ";\n";
  const std::string near =
      edit_question({{"l.py", long_file}, {"a.py", kShapes}}, {{"l.py", {20}}}, "p");
  EXPECT_THAT(near, HasSubstr("l.py\n```\n...\nline 10;\n"));
  EXPECT_THAT(near, HasSubstr("line 30;\n```"));
  EXPECT_EQ(near.find("class Square"), std::string::npos);
  // An element's body ends where the next one of its level begins.
  const std::string asked = lines_question(files, {"area"}, kProblem);
  EXPECT_THAT(asked, HasSubstr("5|     def area(self):\n6|         return self.side * 4\n"));
  EXPECT_EQ(asked.find("9| def total"), std::string::npos);
}

TEST(UnifiedDiff, IsWhatGitPrints) {
  fathom::testing::TempDir folder;
  const std::string before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n";
  const std::pair<std::string, std::string> cases[] = {
      {before, "a\nb\nX\nd\ne\nf\ng\nh\ni\nj\nk\nY\nZ\nm\nn\n"},
      {before, "X\n" + before},
      {before, before + "no end"},
      {"no end", "no end\n"},
      {"a\n", ""},
      {"", "a\n"},
      {before, "b\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n"},
  };
  for (const auto& [old_text, new_text] : cases) {
    fs::create_directories(folder.path() / "a");
    fs::create_directories(folder.path() / "b");
    std::ofstream(folder.path() / "a/f.txt") << old_text;
    std::ofstream(folder.path() / "b/f.txt") << new_text;
    const TrustedOutcome git =
        run_trusted({"/usr/bin/env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-C",
                     folder.path().string(), "git", "diff", "--no-index", "--no-prefix", "a", "b"});
    if (git.exit_code > 1) GTEST_SKIP() << git.errors;
    std::string want = git.output;
    want.erase(want.find("index "), want.find('\n', want.find("index ")) + 1 - want.find("index "));
    // git says behind the second @@ in what function a hunk is.
    want = std::regex_replace(want, std::regex("(@@ -[0-9,]+ [+][0-9,]+ @@)[^\n]*"), "$1");
    EXPECT_EQ(unified_diff("f.txt", old_text, new_text), want) << new_text;
  }
  EXPECT_EQ(unified_diff("f.txt", "a\n", "a\n"), "");
  EXPECT_EQ(unified_diff("n.txt", "", "a\n", true),
            "diff --git a/n.txt b/n.txt\nnew file mode 100644\n--- /dev/null\n+++ b/n.txt\n"
            "@@ -0,0 +1 @@\n+a\n");
}

}  // namespace
}  // namespace fathom::eval

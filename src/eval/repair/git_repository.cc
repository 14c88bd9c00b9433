#include "eval/repair/git_repository.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "eval/sandbox/trusted_command.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

/// git's output; kInvalidInput with its own words where it fails.
Result<std::string> git(const std::filesystem::path& repository, std::vector<std::string> arguments,
                        const std::string& input = {}) {
  // Without what a hook of another repository has in its environment.
  std::vector<std::string> command = {
      "/usr/bin/env", "-u", "GIT_DIR",          "-u", "GIT_WORK_TREE",    "-u", "GIT_INDEX_FILE",
      "/usr/bin/git", "-c", "safe.directory=*", "-C", repository.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  TrustedOutcome outcome = run_trusted(command, input);
  if (outcome.exit_code == 0) return std::move(outcome.output);
  if (outcome.exit_code == 127) return unsupported("repositories are read by git: no /usr/bin/git");
  return invalid_input(fmt::format("{}: git {}: {}", repository.string(), arguments.front(),
                                   printable(outcome.errors)));
}

/// "HASH blob SIZE\n", the bytes and a line feed, of each path.
Result<Files> parse_batch(std::string_view output, const std::vector<std::string>& paths) {
  Files files;
  for (const std::string& path : paths) {
    const size_t line = output.find('\n');
    const std::string_view head = output.substr(0, line);
    const size_t space = head.rfind(' ');
    size_t size = 0;
    if (line == output.npos || space == head.npos ||
        std::from_chars(head.data() + space + 1, head.data() + head.size(), size).ec !=
            std::errc() ||
        line + 1 + size + 1 > output.size()) {
      return invalid_input(fmt::format("{}: git cat-file gave no object", path));
    }
    const std::string_view bytes = output.substr(line + 1, size);
    output.remove_prefix(line + 1 + size + 1);
    if (size <= kMaxFileBytes && tokenizer::valid_utf8_prefix_bytes(bytes) == bytes.size() &&
        bytes.find('\0') == bytes.npos) {
      files.emplace(path, bytes);
    }
  }
  return files;
}

}  // namespace

Result<GitCommit> GitCommit::open(const std::filesystem::path& repository,
                                  const std::string& commit) {
  if (commit.empty() || commit.front() == '-') {
    return invalid_input(fmt::format("expected a commit, found \"{}\"", printable(commit)));
  }
  const auto hash = git(repository, {"rev-parse", "--verify", "--quiet", commit + "^{commit}"});
  if (!hash) {
    if (hash.error().code() == ErrorCode::kUnsupported) return tl::unexpected(hash.error());
    return invalid_input(
        fmt::format("{}: no git repository with a commit {}", repository.string(), commit));
  }
  const std::string id = hash->substr(0, hash->find('\n'));
  const auto tree = git(repository, {"ls-tree", "-r", "-z", id});
  if (!tree) return tl::unexpected(tree.error());
  std::vector<std::string> paths;
  std::string wanted;
  for (std::string_view rest = *tree; !rest.empty();) {
    const std::string_view entry = rest.substr(0, rest.find('\0'));  // MODE TYPE HASH\tPATH
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    const size_t tab = entry.find('\t');
    if (tab == entry.npos || !entry.starts_with("100")) continue;  // links and submodules
    paths.emplace_back(entry.substr(tab + 1));
    const std::string_view before = entry.substr(0, tab);
    wanted += fmt::format("{}\n", before.substr(before.rfind(' ') + 1));
  }
  const auto objects = git(repository, {"cat-file", "--batch"}, wanted);
  if (!objects) return tl::unexpected(objects.error());
  GitCommit out;
  Result<Files> files = parse_batch(*objects, paths);
  if (!files) return tl::unexpected(files.error());
  out.files_ = std::move(*files);
  Result<std::string> archive = git(repository, {"archive", "--format=tar", id});
  if (!archive) return tl::unexpected(archive.error());
  out.archive_ = std::move(*archive);
  return out;
}

}  // namespace fathom::eval

#include "tests/image/image_fixture.h"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace oneagent {
namespace {

// Of the image's one loader, whatever the architecture calls it.
std::string LoaderAmong(const std::set<std::string>& files) {
  for (const std::string& file : files) {
    if (absl::StrContains(file, "/ld-linux")) return file;
  }
  ADD_FAILURE() << "no loader in the image";
  return "";
}

}  // namespace

TempDir* ImageFixture::layout_ = nullptr;

void ImageFixture::SetUpTestSuite() {
  if (layout_ != nullptr) return;
  layout_ = new TempDir;
  static const absl::Cleanup kRemove = [] { delete layout_; };
  const ProgramResult laid_out =
      RunScript("layout.sh", {ONEAGENT_BUILD_DIR, layout_->Path("root")});
  ASSERT_EQ(laid_out.exit_code, 0) << laid_out.out << laid_out.err;
}

void ImageFixture::SetUp() {
  const ProgramResult copied =
      RunProgram({"/usr/bin/cp", "--archive", layout_->Path("root"), root()});
  ASSERT_EQ(copied.exit_code, 0) << copied.err;
}

ProgramResult ImageFixture::RunScript(
    absl::string_view name, const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {
      absl::StrCat(ONEAGENT_SOURCE_DIR, "/.ci/image/", name)};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunProgram(argv, {"SOURCE_DATE_EPOCH=1700000000", "VERSION=1.2.3",
                           "REVISION=0123456789abcdef"});
}

std::vector<std::string> ImageFixture::InImage(
    std::vector<std::string> argv) const {
  argv.insert(argv.begin(), {"/usr/sbin/chroot", root()});
  return argv;
}

ProgramResult ImageFixture::RunInImage(
    const std::vector<std::string>& argv) const {
  return RunProgram(InImage(argv));
}

std::set<std::string> ImageFixture::LoadedBy(const std::string& program) const {
  const std::string loader = LoaderAmong(Files());
  const ProgramResult list = RunInImage({loader, "--list", program});
  EXPECT_EQ(list.exit_code, 0) << program << ": " << list.out << list.err;
  std::set<std::string> loaded = {loader};
  for (const absl::string_view line :
       absl::StrSplit(list.out, '\n', absl::SkipEmpty())) {
    // "	libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x...)"
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    if (words.size() == 4 && words[1] == "=>") loaded.emplace(words[2]);
  }
  return loaded;
}

std::set<std::string> ImageFixture::Files() const {
  std::set<std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root())) {
    if (!entry.is_directory()) {
      files.insert(entry.path().string().substr(root().size()));
    }
  }
  return files;
}

}  // namespace oneagent

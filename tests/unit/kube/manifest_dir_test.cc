#include "cache/kube/manifest_dir.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Never waited for when a test passes.
constexpr absl::Duration kLong = absl::Minutes(1);

std::string DynaKube(const std::string& name) {
  return absl::StrCat(
      "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\nmetadata: {name: ",
      name, "}\n");
}

class ManifestDirTest : public testing::Test {
 protected:
  void SetUp() override {
    auto source = ManifestDir::Open(dir_.Path("m"));
    ASSERT_OK(source);
    source_ = *std::move(source);
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto state = source_->List();
    EXPECT_OK(state);
    if (!state.ok()) return names;
    for (const v1::DynaKube& dynakube : state->dynakubes) {
      names.push_back(dynakube.metadata().name());
    }
    return names;
  }
  bool Changed() { return source_->WaitForChange(kLong); }
  bool ChangedAlready() { return source_->WaitForChange(absl::ZeroDuration()); }

  LeakCheck leak_check_;
  TempDir dir_;
  std::unique_ptr<ManifestDir> source_;
};

TEST_F(ManifestDirTest, ReadsManifestFilesOfTheDirectoryOnly) {
  dir_.WriteFile("m/a.yaml", DynaKube("a"));
  dir_.WriteFile("m/b.yml", DynaKube("b"));
  dir_.WriteFile("m/c.json",
                 "{\"apiVersion\":\"dynatrace.com/v1beta1\",\"kind\":"
                 "\"DynaKube\",\"metadata\":{\"name\":\"c\"}}");
  dir_.WriteFile("m/d.yaml~", DynaKube("d"));
  dir_.WriteFile("m/.e.yaml", DynaKube("e"));
  dir_.WriteFile("m/sub/f.yaml", DynaKube("f"));
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
}

TEST_F(ManifestDirTest, ADirectoryThatIsNotThereIsUnavailable) {
  EXPECT_THAT(source_->List(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(ChangedAlready());
  dir_.WriteFile("m/a.yaml", DynaKube("a"));
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(ManifestDirTest, AnUnreadableFileIsAProblemThatMayHideADynaKube) {
  dir_.WriteFile("m/a.yaml", DynaKube("a"));
  ASSERT_EQ(mkfifo(dir_.Path("m/b.yaml").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", dir_.Path("m/c.yaml"));
  dir_.MakeDir("m/d.yaml");
  dir_.WriteFile("m/e.yaml", std::string(ManifestDir::kMaxFileBytes + 1, '#'));
  ASSERT_OK_AND_ASSIGN(const ClusterState state, source_->List());
  EXPECT_EQ(state.dynakubes.size(), 1u);
  EXPECT_FALSE(state.complete);
  std::vector<std::string> problems;
  for (const SourceProblem& problem : state.problems) {
    problems.push_back(absl::StrCat(problem.object, ": ", problem.cause));
  }
  EXPECT_THAT(problems, ElementsAre("b.yaml: not a regular file",
                                    "c.yaml: open: No such file or directory",
                                    "d.yaml: not a regular file",
                                    "e.yaml: larger than 8388608 bytes"));
}

TEST_F(ManifestDirTest, NoticesFilesThatAreWrittenRenamedAndRemoved) {
  dir_.MakeDir("m");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_FALSE(ChangedAlready());

  dir_.WriteFile("m/a.yaml", DynaKube("a"));
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("a"));

  dir_.WriteFile("b.yaml", DynaKube("b"));
  ASSERT_EQ(rename(dir_.Path("b.yaml").c_str(), dir_.Path("m/b.yaml").c_str()),
            0);
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("a", "b"));

  ASSERT_EQ(unlink(dir_.Path("m/a.yaml").c_str()), 0);
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("b"));

  EXPECT_FALSE(ChangedAlready());
}

TEST_F(ManifestDirTest, AChangeBeforeListIsNotReportedAgain) {
  dir_.MakeDir("m");
  EXPECT_THAT(Names(), IsEmpty());
  dir_.WriteFile("m/a.yaml", DynaKube("a"));
  EXPECT_THAT(Names(), ElementsAre("a"));
  EXPECT_FALSE(ChangedAlready());
}

TEST_F(ManifestDirTest, OtherFilesAreNoChange) {
  dir_.MakeDir("m");
  EXPECT_THAT(Names(), IsEmpty());
  dir_.WriteFile("m/notes.txt", "x");
  dir_.WriteFile("m/.a.yaml.swp", "x");
  EXPECT_FALSE(ChangedAlready());
}

TEST_F(ManifestDirTest, AFileStillBeingWrittenIsReadWhenItIsClosed) {
  dir_.MakeDir("m");
  EXPECT_THAT(Names(), IsEmpty());
  const int fd =
      open(dir_.Path("m/a.yaml").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_FALSE(ChangedAlready());
  const std::string text = DynaKube("a");
  ASSERT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  ASSERT_EQ(close(fd), 0);
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("a"));
}

// As kubelet lays out a mounted ConfigMap and swaps it.
TEST_F(ManifestDirTest, FollowsTheSwapOfAMountedConfigMap) {
  dir_.WriteFile("m/..2026_1/a.yaml", DynaKube("one"));
  std::filesystem::create_symlink("..2026_1", dir_.Path("m/..data"));
  std::filesystem::create_symlink("..data/a.yaml", dir_.Path("m/a.yaml"));
  EXPECT_THAT(Names(), ElementsAre("one"));

  dir_.WriteFile("m/..2026_2/a.yaml", DynaKube("two"));
  std::filesystem::create_symlink("..2026_2", dir_.Path("m/..data_tmp"));
  EXPECT_FALSE(ChangedAlready());
  ASSERT_EQ(
      rename(dir_.Path("m/..data_tmp").c_str(), dir_.Path("m/..data").c_str()),
      0);
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("two"));
}

TEST_F(ManifestDirTest, FollowsADirectoryThatIsReplaced) {
  dir_.WriteFile("m/a.yaml", DynaKube("a"));
  EXPECT_THAT(Names(), ElementsAre("a"));
  ASSERT_EQ(rename(dir_.Path("m").c_str(), dir_.Path("old").c_str()), 0);
  dir_.WriteFile("m/b.yaml", DynaKube("b"));
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("b"));
  EXPECT_FALSE(ChangedAlready());
  dir_.WriteFile("m/c.yaml", DynaKube("c"));
  EXPECT_TRUE(Changed());
  EXPECT_THAT(Names(), ElementsAre("b", "c"));
}

TEST_F(ManifestDirTest, InterruptEndsAWaitAlsoTheNextOne) {
  dir_.MakeDir("m");
  EXPECT_THAT(Names(), IsEmpty());
  source_->Interrupt();
  EXPECT_FALSE(source_->WaitForChange(kLong));
  std::thread other([this] { source_->Interrupt(); });
  EXPECT_FALSE(source_->WaitForChange(kLong));
  other.join();
}

// In a process whose user namespace has none of `limit` left. Returns its exit
// code, which `body` says.
int WithoutAny(const std::string& limit, const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0) _exit(90);
    std::ofstream("/proc/self/uid_map") << "0 0 1";
    std::ofstream file("/proc/sys/user/" + limit);
    file << "0" << std::flush;
    _exit(file.good() ? body() : 91);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 92;
}

TEST_F(ManifestDirTest, LooksByItselfWhereInotifyIsUsedUp) {
  dir_.MakeDir("m");
  for (const std::string limit :
       {"max_inotify_instances", "max_inotify_watches"}) {
    source_.reset();
    const int code = WithoutAny(limit, [this] {
      auto source = ManifestDir::Open(dir_.Path("m"));
      if (!source.ok()) return 1;
      source_ = *std::move(source);
      if (!source_->List().ok()) return 2;
      if (source_->WatchHealth().ok()) return 3;
      if (ChangedAlready()) return 4;
      dir_.WriteFile("m/a.yaml", DynaKube("a"));
      if (!Changed()) return 5;
      if (Names() != std::vector<std::string>{"a"}) return 6;
      dir_.WriteFile("m/a.yaml", DynaKube("another"));
      if (!Changed()) return 7;
      source_->Interrupt();
      return Changed() ? 8 : 0;
    });
    EXPECT_EQ(code, 0) << limit;
  }
}

}  // namespace
}  // namespace oneagent

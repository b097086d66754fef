// Dies at every step of bringing a DynaKube to the node, and of switching it,
// and starts again in every way it may: pods get the old or the new, whole, and
// nothing is left.
#include <sys/wait.h>
#include <unistd.h>

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "tests/support/failpoints.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

constexpr int kDied = 42;

struct Step {
  std::string failpoint;
  int hit = 1;  // of several times that it is passed, the one to die at
};
void PrintTo(const Step& step, std::ostream* out) {
  *out << step.failpoint << " hit " << step.hit;
}

enum class Recovery {
  kRestart,
  kIndexLost,  // and index.db is gone
  kReboot,     // the mounter has not come up in this boot yet
};

using Crash = std::tuple<Step, Recovery>;

class CrashTest : public NodeFixture,
                  public testing::WithParamInterface<Crash> {
 protected:
  CrashTest() { EXPECT_OK(node_->index->SetReconciled(kNodeBootId)); }

  // A process of its own that reconciles and dies at the step.
  void RunAndDie() {
    node_.reset();  // a database handle does not survive fork(2)
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int passed = 0;
      const Step step = std::get<Step>(GetParam());
      ArmFailpoint(step.failpoint, [&passed, &step] {
        if (++passed == step.hit) _exit(kDied);
      });
      Reopen();
      Settle();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), kDied) << "the step was not reached";
    Recover();
  }

  void Recover() {
    switch (std::get<Recovery>(GetParam())) {
      case Recovery::kRestart:
        return Reopen();
      case Recovery::kIndexLost:
        for (const char* suffix : {"", "-wal", "-shm"}) {
          ASSERT_OK(
              RemoveFileIfPresent(absl::StrCat(layout_.IndexFile(), suffix)));
        }
        return Reopen();
      case Recovery::kReboot:
        Reopen();
        ASSERT_OK(node_->index->SetReconciled("boot-0"));
        return Reopen();
    }
  }

  // A tree of which nobody knows who uses it waits for the mounter.
  void SettleWithTheMounter() {
    Settle();
    ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
    clock_.Advance(absl::Minutes(2));
    Settle();
  }
};

TEST_P(CrashTest, AFirstInstallIsFinishedByTheNextProcess) {
  PutDynaKube("prod");
  RunAndDie();
  SettleWithTheMounter();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_EQ(AgentFile("prod", "agent/version"), kOne);
  EXPECT_NE(Conf("prod"), "");
  // A third one where nobody knew whether the tree without a manifest is used.
  EXPECT_LE(Downloads(), 3);
  ExpectConsistent();
}

TEST_P(CrashTest, ASwitchLeavesTheOldOrTheNewAndIsFinished) {
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  const TenantRow old_row = Row("prod");
  server_.Update([](ServedTenant& tenant) {
    tenant.revision = 2;
    tenant.properties = {{"general", "second", "yes"}};
  });
  PutDynaKube("prod", absl::StrCat("version: ", kTwo));
  RunAndDie();
  // Before the next process has done anything but start, pods get a whole one.
  const std::string version = AgentFile("prod", "agent/version");
  EXPECT_TRUE(version == kOne || version == kTwo) << version;
  EXPECT_NE(Conf("prod"), "");
  SettleWithTheMounter();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_EQ(AgentFile("prod", "agent/version"), kTwo);
  EXPECT_TRUE(IsOnDisk(old_row.agent_id));
  ExpectConsistent();
}

// "book" is passed twice: before the download, and at the switch.
std::vector<Step> Steps() {
  std::vector<Step> steps = {
      {"book:1", 1}, {"book:2", 1}, {"book:1", 2}, {"book:2", 2}};
  for (const auto& names : {FailpointsOf("reconcile"), FailpointsOf("install"),
                            FailpointsOf("config")}) {
    for (const std::string& name : names) steps.push_back({name});
  }
  return steps;
}

INSTANTIATE_TEST_SUITE_P(Steps, CrashTest,
                         testing::Combine(testing::ValuesIn(Steps()),
                                          testing::Values(Recovery::kRestart,
                                                          Recovery::kIndexLost,
                                                          Recovery::kReboot)));

}  // namespace
}  // namespace oneagent

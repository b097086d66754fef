#include "tests/e2e/kubelet_fixture.h"

#include <fcntl.h>
#include <sys/file.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/support/kubelet_disk.h"

namespace oneagent {

void KubeletTest::StartNode(const std::vector<std::string>& flags) {
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  node_.StartMounter(flags);
  ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
}

void KubeletTest::StartKubelet(absl::Duration call_timeout) {
  kubelet_ = std::make_unique<KubeletSim>(
      KubeletSim::Options{.kubelet_dir = node_.kubelet_dir(),
                          .driver = CallsTo(node_.socket(), call_timeout)});
}

void KubeletTest::TearDown() {
  for (const std::string& uid : uids_) kubelet().DeletePod(uid);
  EXPECT_TRUE(RunUntilSettled());
  EXPECT_THAT(ListPodsOnDisk(node_.kubelet_dir()), testing::IsEmpty());
  EXPECT_THAT(ListDirectory(node_.layout().VolumesDir()),
              IsOkAndHolds(testing::IsEmpty()));
  EXPECT_EQ(Leases(), 0);
  EXPECT_EQ(node_.MountCount(), 0);
  kubelet().Stop();
}

std::string KubeletTest::Uid(const std::string& pod) {
  return absl::StrCat("uid-", pod);
}

std::string KubeletTest::VolumeId(const std::string& pod) {
  return KubeletVolumeId(Uid(pod), kSimVolumeName);
}

std::string KubeletTest::Target(const std::string& pod) const {
  return kubelet_->Target(Uid(pod));
}

std::string KubeletTest::PodDir(const std::string& pod) const {
  return KubeletPodDir(node_.kubelet_dir(), Uid(pod));
}

std::string KubeletTest::VolumeDir(const std::string& pod) const {
  return KubeletVolumeDir(node_.kubelet_dir(),
                          {.pod_uid = Uid(pod), .name = kSimVolumeName});
}

void KubeletTest::CreatePod(const PodVolume& volume) {
  kubelet().CreatePod({.pod = {.name = volume.pod,
                               .namespace_name = "shop",
                               .uid = Uid(volume.pod)},
                       .volumes = {{.attributes = AttributesOf(volume),
                                    .read_only = volume.read_only}}});
  uids_.push_back(Uid(volume.pod));
}

void KubeletTest::CreatePods(int count) {
  for (int i = 0; i < count; ++i) CreatePod({.pod = absl::StrCat("p", i)});
}

bool KubeletTest::RunUntilMounted(const std::string& pod) {
  return kubelet().RunUntil([&] { return kubelet().IsMounted(Uid(pod)); });
}

bool KubeletTest::RunUntilGone(const std::string& pod) {
  return kubelet().RunUntil([&] { return kubelet().IsGone(Uid(pod)); });
}

bool KubeletTest::RunUntilCalls(CallKind kind, int count) {
  return kubelet().RunUntil(
      [&] { return kubelet().CountCalls(kind) >= count; });
}

std::vector<absl::Status> KubeletTest::Answers(CallKind kind) const {
  std::vector<absl::Status> answers;
  for (const KubeletSim::Call& call : kubelet_->Calls()) {
    if (call.kind == kind) answers.push_back(call.answer);
  }
  return answers;
}

int64_t KubeletTest::Leases() const {
  int64_t leases = 0;
  for (const AgentRow& agent : node_.Agents()) leases += agent.leases;
  return leases;
}

void KubeletTest::ExpectAgentWorks(const std::string& pod) const {
  EXPECT_EQ(Node::RunAt(Target(pod)).exit_code, 0);
  EXPECT_THAT(ReadTestFile(absl::StrCat(Target(pod), "/log/agent.log")),
              testing::EndsWith(AgentLine(pod, kFirstAgentVersion)));
}

UniqueFd KubeletTest::HoldFile(const std::string& pod) const {
  UniqueFd held(open(absl::StrCat(Target(pod), "/log/held").c_str(),
                     O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  EXPECT_TRUE(held.ok());
  return held;
}

UniqueFd KubeletTest::HoldHostStorage() const {
  UniqueFd held(open(node_.layout().HostDir().c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(flock(held.get(), LOCK_EX), 0);
  return held;
}

bool KubeletTest::RestartMounterUntilForgotten(const std::string& pod) {
  node_.mounter().Terminate();
  node_.StartMounter();
  return Node::WaitUntil([&] {
    return !Volume(pod).has_value() &&
           !PathExists(node_.layout().VolumeDir(VolumeId(pod))).value_or(true);
  });
}

}  // namespace oneagent

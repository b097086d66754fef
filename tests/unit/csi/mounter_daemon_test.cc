// The shipped program: start, refusals, drain, crash.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "cache/index/layout.h"
#include "cache/index/records.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/mounter.h"
#include "tests/support/csi_client.h"
#include "tests/support/daemon.h"
#include "tests/support/lock_waiters.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MounterDaemonTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  void SetUp() override { dir_.MakeDir("kubelet/pods"); }
  void TearDown() override {
    daemon_.reset();
    for (const CsiPublishCall& call : published_) {
      umount2(call.target_path.c_str(), 0);
    }
  }

  std::vector<std::string> Command(std::vector<std::string> more = {}) const {
    std::vector<std::string> argv = {
        MOUNTER_BINARY, absl::StrCat("--endpoint=unix://", socket_),
        absl::StrCat("--data-dir=", dir_.Path("data")),
        absl::StrCat("--kubelet-dir=", dir_.Path("kubelet")),
        "--node-id=node-1"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }

  // Starts the daemon; it serves when this returns.
  void Start(const std::vector<std::string>& more = {}) {
    daemon_ = std::make_unique<Daemon>(Command(more), dir_.Path("log"));
    // A channel that is kept would sit in its backoff.
    TestCsiClient client(socket_, TestCsiClient::Connections::kOnePerCall);
    while (!client.Probe().ok()) {
      ASSERT_TRUE(daemon_->IsRunning()) << daemon_->Log();
    }
  }
  // Runs a daemon that must refuse to start; returns what it said.
  std::string Refused(const std::vector<std::string>& argv, int code = 1) {
    const ProgramResult result = RunProgram(argv);
    EXPECT_EQ(result.exit_code, code) << result.err;
    return result.err;
  }

  CsiPublishCall Call(int pod,
                      const std::map<std::string, std::string>& attributes = {
                          {"mode", "host"}, {"dynakube", "dk"}}) {
    CsiPublishCall call = KubeletPublishCall(
        dir_.Path("kubelet"),
        {.name = absl::StrCat("pod-", pod), .uid = absl::StrCat("uid-", pod)},
        "oneagent", attributes);
    MakeKubeletDirs(call.target_path);
    published_.push_back(call);
    return call;
  }
  bool Exists(const std::string& path) { return *PathExists(path); }

  TempDir dir_;
  const std::string socket_ = dir_.Path("csi.sock");
  std::unique_ptr<Daemon> daemon_;
  std::vector<CsiPublishCall> published_;
};

TEST_F(MounterDaemonTest, ServesOnASocketThatOnlyRootMayUse) {
  Start();
  struct stat info;
  ASSERT_EQ(lstat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, mode_t{S_IFSOCK | 0600});
  ASSERT_EQ(lstat(dir_.Path("data").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, mode_t{S_IFDIR | 0700});
  EXPECT_EQ(daemon_->Terminate(), 0);
  EXPECT_FALSE(Exists(socket_));
  EXPECT_THAT(daemon_->Log(), HasSubstr("stopped"));
}

TEST_F(MounterDaemonTest, KeepsOnlyThePrivilegesItNeeds) {
  Start();
  ASSERT_OK_AND_ASSIGN(
      const std::string status,
      ReadWholeFile(absl::StrCat("/proc/", daemon_->pid(), "/status")));
  // CHOWN (0), DAC_OVERRIDE (1), FOWNER (3), SYS_ADMIN (21).
  EXPECT_THAT(status, HasSubstr("CapPrm:\t000000000020000b"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t000000000020000b"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
}

TEST_F(MounterDaemonTest, EndpointMayComeFromTheEnvironment) {
  const std::vector<std::string> argv = {
      MOUNTER_BINARY, absl::StrCat("--data-dir=", dir_.Path("data")),
      "--node-id=n"};
  EXPECT_THAT(Refused(argv, 2), HasSubstr("--endpoint: missing"));
  const ProgramResult result = RunProgram(argv, {"CSI_ENDPOINT=tcp://h:1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("CSI_ENDPOINT: tcp://h:1"));
}

TEST_F(MounterDaemonTest, WrongUseIsOneLineAndExitCodeTwo) {
  const std::string said = Refused(Command({"--max-in-flight=none"}), 2);
  EXPECT_THAT(said, HasSubstr("--max-in-flight=none"));
  EXPECT_EQ(said.find('\n'), said.size() - 1);
}

TEST_F(MounterDaemonTest, SecondInstanceOnTheSocketExitsAndTheFirstServesOn) {
  Start();
  std::vector<std::string> argv = Command();
  argv[2] = absl::StrCat("--data-dir=", dir_.Path("other"));
  EXPECT_THAT(Refused(argv), HasSubstr(absl::StrCat(
                                 socket_, ": another instance is listening")));
  TestCsiClient client(socket_);
  EXPECT_THAT(client.GetNodeId(), IsOkAndHolds("node-1"));
}

TEST_F(MounterDaemonTest, SecondInstanceOnTheDataDirectoryExits) {
  Start();
  std::vector<std::string> argv = Command();
  argv[1] = absl::StrCat("--endpoint=", dir_.Path("other.sock"));
  EXPECT_THAT(Refused(argv), HasSubstr("another mounter works on this data"));
  EXPECT_FALSE(Exists(dir_.Path("other.sock")));
}

TEST_F(MounterDaemonTest, ForeignFileAtTheSocketsPathIsNotTouched) {
  dir_.WriteFile("csi.sock", "precious");
  EXPECT_THAT(Refused(Command()), HasSubstr("not a socket"));
  EXPECT_EQ(ReadTestFile(socket_), "precious");
}

TEST_F(MounterDaemonTest, MissingKubeletDirectoryIsNamed) {
  std::vector<std::string> argv = Command();
  argv[3] = absl::StrCat("--kubelet-dir=", dir_.Path("none"));
  EXPECT_THAT(Refused(argv), HasSubstr(dir_.Path("none")));
}

TEST_F(MounterDaemonTest, IndexOfANewerProgramIsRefusedAndKept) {
  Start();
  ASSERT_EQ(daemon_->Terminate(), 0);
  // user_version, big-endian at offset 60 of an SQLite file.
  const std::string path = dir_.Path("data/index.db");
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(pwrite(file.get(), "\0\0\x7f\0", 4, 60), 4);
  EXPECT_THAT(Refused(Command()), HasSubstr("newer"));
  EXPECT_TRUE(Exists(path));
}

TEST_F(MounterDaemonTest, WithoutAUsableIndexItServesAndFailsOpen) {
  // SQLite cannot open a directory, and it is nothing to be set aside.
  dir_.MakeDir("data/index.lock");
  Start();
  TestCsiClient client(socket_);
  const CsiPublishCall call =
      Call(1, {{"mode", "app"}, {"dynakube", "dk"}, {"retryTimeout", "0s"}});
  EXPECT_OK(client.Publish(call));
  EXPECT_THAT(daemon_->Log(), HasSubstr("outcome=empty"));
  EXPECT_OK(client.Unpublish(call.volume_id, call.target_path));
}

TEST_F(MounterDaemonTest, ServesWhateverStandsInTheIndexsPlace) {
  const std::string path = dir_.Path("data/index.db");
  dir_.MakeDir("data");
  int pod = 0;
  const auto expect_served = [&](const std::string& cause) {
    Start();
    TestCsiClient client(socket_);
    const CsiPublishCall call = Call(
        ++pod, {{"mode", "app"}, {"dynakube", "dk"}, {"retryTimeout", "0s"}});
    EXPECT_OK(client.Publish(call));
    EXPECT_THAT(daemon_->Log(),
                AllOf(HasSubstr("outcome=empty"), HasSubstr(cause)));
    EXPECT_OK(client.Unpublish(call.volume_id, call.target_path));
    EXPECT_EQ(daemon_->Terminate(), 0);
    std::filesystem::remove(path);
  };
  std::filesystem::create_directory(path);
  expect_served("index.db: is a directory; move it away");
  std::filesystem::create_symlink("/nowhere", path);
  expect_served("index.db: is a symbolic link; move it away");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_served("index.db: is a FIFO, socket or device; move it away");
}

// What a data directory can be to a mounter that has to start on it.
class MounterOnADiskOfItsOwnTest : public MounterDaemonTest {
 protected:
  void TearDown() override {
    MounterDaemonTest::TearDown();
    EXPECT_EQ(umount2(data_.c_str(), MNT_DETACH), 0);
  }
  // A small disk of its own.
  void MountDisk(const char* options) {
    dir_.MakeDir("data");
    ASSERT_EQ(mount("disk", data_.c_str(), "tmpfs", 0, options), 0);
  }
  void MakeReadOnly() {
    ASSERT_EQ(mount("", data_.c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  }
  void Fill() {
    const UniqueFd file(open(absl::StrCat(data_, "/filling").c_str(),
                             O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string block(4096, 'x');
    while (write(file.get(), block.data(), block.size()) > 0) {
    }
  }
  CsiPublishCall AppCall(int pod) {
    return Call(pod,
                {{"mode", "app"}, {"dynakube", "dk"}, {"retryTimeout", "0s"}});
  }
  // A pod starts without an agent and ends, and one that was there before ends.
  void ExpectPodsComeAndGo(const CsiPublishCall* before) {
    Start();
    TestCsiClient client(socket_);
    const CsiPublishCall call = AppCall(1);
    EXPECT_OK(client.Publish(call)) << daemon_->Log();
    EXPECT_TRUE(Exists(call.target_path + "/" + kEmptyMarker));
    EXPECT_OK(client.Unpublish(call.volume_id, call.target_path));
    EXPECT_FALSE(Exists(call.target_path));
    if (before == nullptr) return;
    EXPECT_OK(client.Unpublish(before->volume_id, before->target_path));
    EXPECT_FALSE(Exists(before->target_path));
  }
  // A volume that was published while all was well.
  CsiPublishCall PublishAndStop() {
    Start();
    const CsiPublishCall call = Call(7);
    EXPECT_OK(TestCsiClient(socket_).Publish(call));
    EXPECT_EQ(daemon_->Terminate(), 0);
    return call;
  }

  const std::string data_ = dir_.Path("data");
};

TEST_F(MounterOnADiskOfItsOwnTest, ReadOnly) {
  MountDisk("");
  const CsiPublishCall before = PublishAndStop();
  // Its mount keeps the disk's super block writable for itself alone.
  MakeReadOnly();
  ExpectPodsComeAndGo(&before);
  EXPECT_THAT(daemon_->Log(), HasSubstr("Read-only file system"));
}

TEST_F(MounterOnADiskOfItsOwnTest, Full) {
  MountDisk("size=2m");
  const CsiPublishCall before = PublishAndStop();
  Fill();
  ExpectPodsComeAndGo(&before);
}

TEST_F(MounterOnADiskOfItsOwnTest, WithoutInodes) {
  MountDisk("nr_inodes=31");
  const CsiPublishCall before = PublishAndStop();
  for (int i = 0; mkdir(absl::StrCat(data_, "/", i).c_str(), 0700) == 0; ++i) {
  }
  ExpectPodsComeAndGo(&before);
}

// An overlay holds no upper layer for another one.
TEST_F(MounterOnADiskOfItsOwnTest, ThatCanHoldNoOverlay) {
  MountDisk("");
  for (const char* const name : {"lower", "upper", "work", "merged"}) {
    ASSERT_EQ(mkdir(absl::StrCat(data_, "/", name).c_str(), 0700), 0);
  }
  const std::string merged = data_ + "/merged";
  const std::string options =
      absl::StrCat("lowerdir=", data_, "/lower,upperdir=", data_,
                   "/upper,workdir=", data_, "/work");
  ASSERT_EQ(mount("disk", merged.c_str(), "overlay", 0, options.c_str()), 0);
  ASSERT_EQ(mount(merged.c_str(), data_.c_str(), nullptr, MS_MOVE, nullptr), 0);
  ExpectPodsComeAndGo(nullptr);
  EXPECT_THAT(daemon_->Log(),
              AllOf(HasSubstr("no overlay can be mounted"),
                    HasSubstr("layer-fds: "), HasSubstr("legacy: ")));
  ASSERT_OK_AND_ASSIGN(const MounterState state,
                       ReadMounterRecord(Layout(data_)));
  EXPECT_FALSE(state.works);
  EXPECT_EQ(daemon_->Terminate(), 0);
  EXPECT_EQ(umount(data_.c_str()), 0);
}

TEST_F(MounterOnADiskOfItsOwnTest, ReadOnlyAndNeverUsedYet) {
  MountDisk("");
  MakeReadOnly();
  ExpectPodsComeAndGo(nullptr);
  EXPECT_THAT(daemon_->Log(), HasSubstr("data directory unusable"));
  // Once the disk is well, so is the mounter.
  ASSERT_EQ(mount("", data_.c_str(), "", MS_REMOUNT, nullptr), 0);
  const CsiPublishCall call = Call(2);
  while (!Exists(data_ + "/skeleton")) std::this_thread::yield();
  EXPECT_OK(TestCsiClient(socket_).Publish(call)) << daemon_->Log();
}

TEST_F(MounterOnADiskOfItsOwnTest, TermDoesNotWaitForTheTrash) {
  constexpr nlink_t kFiles = 300'000;
  MountDisk("nr_inodes=0");
  // All links of one file, so that its count tells how many are left.
  const std::string first = dir_.Path("data/first");
  dir_.WriteFile("data/first", "");
  const std::string tree = dir_.MakeDir("data/trash/volumes/tree-old");
  const UniqueFd fd(open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (nlink_t i = 0; i < kFiles; ++i) {
    ASSERT_EQ(
        linkat(AT_FDCWD, first.c_str(), fd.get(), absl::StrCat(i).c_str(), 0),
        0);
  }
  const auto links = [&first] {
    struct stat info;
    return stat(first.c_str(), &info) == 0 ? info.st_nlink : 0;
  };
  Start();
  while (links() > kFiles) std::this_thread::yield();
  EXPECT_EQ(daemon_->Terminate(), 0);
  EXPECT_GT(links(), nlink_t{1});
}

TEST_F(MounterDaemonTest, SocketThatIsRemovedComesBack) {
  Start();
  ASSERT_EQ(unlink(socket_.c_str()), 0);
  while (!Exists(socket_)) {
    ASSERT_TRUE(daemon_->IsRunning());
    std::this_thread::yield();
  }
  EXPECT_OK(TestCsiClient(socket_).Probe());
  EXPECT_EQ(daemon_->Terminate(), 0);
  EXPECT_FALSE(Exists(socket_));
}

TEST_F(MounterDaemonTest, TermAnswersWhatWasBegunAndEndsWithZero) {
  constexpr int kPods = 4;
  Start();
  // Publishing into host storage takes this lock: hold the calls in it.
  const UniqueFd host(
      open(dir_.Path("data/host").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(host.get(), LOCK_EX), 0);
  TestCsiClient client(socket_);
  std::vector<absl::Status> results(kPods);
  std::vector<std::thread> callers;
  for (size_t pod = 0; pod < kPods; ++pod) {
    callers.emplace_back([&, pod, call = Call(static_cast<int>(pod))] {
      results[pod] = client.Publish(call);
    });
  }
  while (LockWaiters(dir_.Path("data/host")) < kPods) std::this_thread::yield();

  std::thread terminator([this] { EXPECT_EQ(daemon_->Terminate(), 0); });
  // New connections are refused while the old work is still going on.
  while (Exists(socket_)) std::this_thread::yield();
  EXPECT_EQ(LockWaiters(dir_.Path("data/host")), kPods);
  ASSERT_EQ(flock(host.get(), LOCK_UN), 0);
  for (std::thread& caller : callers) caller.join();
  terminator.join();
  for (const absl::Status& result : results) EXPECT_OK(result);
}

TEST_F(MounterDaemonTest, AfterAKillTheNextOneTakesOver) {
  Start();
  const CsiPublishCall call = Call(1);
  {
    TestCsiClient client(socket_);
    ASSERT_OK(client.Publish(call));
  }
  daemon_->Kill();
  EXPECT_TRUE(Exists(socket_));
  Start();
  TestCsiClient client(socket_);
  EXPECT_OK(client.Publish(call));
  EXPECT_OK(client.Unpublish(call.volume_id, call.target_path));
  EXPECT_FALSE(Exists(call.target_path));
  EXPECT_EQ(daemon_->Terminate(), 0);
}

TEST_F(MounterDaemonTest, IndexThatIsRemovedIsReconciledWhileServing) {
  Start();
  const CsiPublishCall call = Call(1);
  TestCsiClient client(socket_);
  ASSERT_OK(client.Publish(call));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_OK(RemoveFileIfPresent(dir_.Path("data/index.db") + suffix));
  }
  // The chore of each second finds it; the volume keeps being known.
  while (daemon_->Log().find("volumes reconciled mounted=1") ==
         std::string::npos) {
    ASSERT_TRUE(daemon_->IsRunning());
    std::this_thread::yield();
  }
  EXPECT_OK(client.GetVolumeStats(call.volume_id, call.target_path));
  EXPECT_OK(client.Unpublish(call.volume_id, call.target_path));
  EXPECT_FALSE(Exists(call.target_path));
}

}  // namespace
}  // namespace oneagent

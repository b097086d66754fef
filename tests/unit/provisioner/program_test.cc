// The program itself: flags, exit codes, signals, privileges, its log.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "cache/store/tree_lock.h"
#include "tests/support/archive_builder.h"
#include "tests/support/daemon.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kVersion[] = "1.300.0.20260101-120000";

// Set once, waited for once.
class Signal {
 public:
  void Set() {
    MutexLock lock(mu_);
    is_set_ = true;
    set_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(mu_);
    while (!is_set_) set_.Wait(mu_);
  }

 private:
  Mutex mu_;
  CondVar set_;
  bool is_set_ ABSL_GUARDED_BY(mu_) = false;
};

class ProgramTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }
  ProgramTest() {
    server_.Update([](ServedTenant& tenant) {
      tenant.agents[kVersion].bytes =
          ArchiveBuilder()
              .File("agent/conf/ruxitagentproc.conf", "[general]\n")
              .File("agent/lib64/liboneagentproc.so", std::string(200000, 'x'))
              .Build(ArchiveFormat::kZipStored);
    });
    dir_.MakeDir("m");
  }

  void PutDynaKube(const std::string& token = kTenantApiToken) {
    dir_.WriteFile(
        "m/prod.yaml",
        absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                     "metadata: {name: prod}\nspec:\n  apiUrl: ",
                     server_.api_url(),
                     "\n  oneAgent: {cloudNativeFullStack: {}}\n---\n"
                     "apiVersion: v1\nkind: Secret\nmetadata: {name: prod}\n"
                     "stringData: {apiToken: ",
                     token, "}\n"));
  }

  std::vector<std::string> Command(const std::vector<std::string>& more = {}) {
    std::vector<std::string> argv = {
        PROVISIONER_PROGRAM, absl::StrCat("--data-dir=", dir_.Path("data")),
        absl::StrCat("--dynakube-dir=", dir_.Path("m"))};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }

  LeakCheck leaks_;
  TempDir dir_;
  TenantApiServer server_;
};

TEST_F(ProgramTest, OnceEndsWithZeroWhenAllAreReady) {
  PutDynaKube();
  const ProgramResult result = RunProgram(Command({"--once"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("dynakube=prod"), HasSubstr("tenant=abc12345"),
                    HasSubstr(absl::StrCat("version=", kVersion)),
                    HasSubstr("namespace=default"), HasSubstr("code=OK"),
                    HasSubstr("state=ready"), HasSubstr("installed=true")));
  EXPECT_THAT(result.err, AllOf(Not(HasSubstr("SECRETPART")),
                                Not(HasSubstr("TENANTTOKENUNDERTEST")),
                                Not(HasSubstr("\x1b["))));
  // Again: nothing to do, and no download.
  EXPECT_EQ(RunProgram(Command({"--once"})).exit_code, 0);
  EXPECT_EQ(server_.CountRequests("/paas/version/"), 1);
}

TEST_F(ProgramTest, OnceEndsWithOneAndNamesEachFailure) {
  PutDynaKube("wrong");
  const ProgramResult failed = RunProgram(Command({"--once"}));
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err,
              AllOf(HasSubstr("dynakube=prod"), HasSubstr("namespace=default"),
                    HasSubstr("code=PERMISSION_DENIED"),
                    HasSubstr("state=failed"), HasSubstr("401")));

  PutDynaKube();
  dir_.WriteFile("m/broken.yaml", "a: [\n");
  const ProgramResult broken = RunProgram(Command({"--once"}));
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_THAT(broken.err,
              AllOf(HasSubstr("broken.yaml:"), HasSubstr("state=ready")));
}

TEST_F(ProgramTest, OnceWithoutADirectoryOfManifestsFails) {
  const ProgramResult result =
      RunProgram({PROVISIONER_PROGRAM, "--once",
                  absl::StrCat("--data-dir=", dir_.Path("data")),
                  absl::StrCat("--dynakube-dir=", dir_.Path("none"))});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr(dir_.Path("none")));
}

TEST_F(ProgramTest, MisconfigurationIsOneLine) {
  const ProgramResult flag = RunProgram({PROVISIONER_PROGRAM, "--data-dir=x"});
  EXPECT_EQ(flag.exit_code, 2);
  EXPECT_EQ(flag.err,
            "oneagent-csi-provisioner: --data-dir=x: not an absolute path\n");

  dir_.WriteFile("data", "not a directory");
  const ProgramResult data = RunProgram(Command());
  EXPECT_EQ(data.exit_code, 1);
  EXPECT_THAT(data.err,
              StartsWith(absl::StrCat("oneagent-csi-provisioner: --data-dir=",
                                      dir_.Path("data"), ": ")));
}

TEST_F(ProgramTest, HelpAndVersion) {
  const ProgramResult help = RunProgram({PROVISIONER_PROGRAM, "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out,
              AllOf(HasSubstr("--dynakube-dir"), HasSubstr("examples:")));
  EXPECT_THAT(RunProgram({PROVISIONER_PROGRAM, "--version"}).out,
              StartsWith("oneagent-csi-provisioner "));
}

TEST_F(ProgramTest, EndsPromptlyInTheMiddleOfADownloadAndResumes) {
  PutDynaKube();
  server_.AddFault("/paas/version/", Fault::Stall(/*after_bytes=*/50000));
  Signal asked;
  server_.SetHook([&](const SeenRequest& request) {
    if (request.path.find("/paas/version/") != std::string::npos) asked.Set();
  });
  Daemon daemon(Command(), dir_.Path("log"));
  asked.Wait();
  // It holds no capability, and will get none.
  const std::string status =
      ReadTestFile(absl::StrCat("/proc/", daemon.pid(), "/status"));
  EXPECT_THAT(status, AllOf(HasSubstr("CapPrm:\t0000000000000000"),
                            HasSubstr("CapEff:\t0000000000000000"),
                            HasSubstr("NoNewPrivs:\t1")));
  // Another one on the same directory is told so.
  const ProgramResult second = RunProgram(Command({"--once"}));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("another provisioner works in this"));

  const absl::Time begin = absl::Now();
  EXPECT_EQ(daemon.Terminate(), 0) << daemon.Log();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10)) << "not by timeouts";
  EXPECT_THAT(daemon.Log(),
              AllOf(HasSubstr("stopped"), Not(HasSubstr("in the middle"))));
  EXPECT_EQ(RunProgram(Command({"--once"})).exit_code, 0);
}

TEST_F(ProgramTest, EndsWhileItsStartWaitsForALock) {
  ASSERT_EQ(RunProgram(Command({"--once"})).exit_code, 0);  // makes the tree
  ASSERT_OK_AND_ASSIGN(const UniqueFd lock,
                       LockTrees(dir_.Path("data/agents")));
  Daemon daemon(Command(), dir_.Path("log"));
  const std::string status = absl::StrCat("/proc/", daemon.pid(), "/status");
  // SIGINT and SIGTERM are blocked: it is past the point where they kill.
  while (ReadTestFile(status).find("SigBlk:\t0000000000004002") ==
         std::string::npos) {
    std::this_thread::yield();
  }
  const absl::Time begin = absl::Now();
  EXPECT_EQ(daemon.Terminate(), 0) << daemon.Log();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20)) << "not by timeouts";
  EXPECT_THAT(daemon.Log(), HasSubstr("stopped while busy"));
}

// Also one that it may not read: it has no capability.
TEST_F(ProgramTest, WaitsForAnIndexThatCannotBeUsed) {
  PutDynaKube();
  const std::string path = dir_.Path("data/index.db");
  dir_.MakeDir("data/index.db");
  const ProgramResult once = RunProgram(Command({"--once"}));
  EXPECT_EQ(once.exit_code, 1);
  EXPECT_THAT(once.err, HasSubstr("index.db: is a directory; move it away"));

  Daemon daemon(Command(), dir_.Path("log"));
  const auto await = [&daemon](const std::string& text) {
    while (daemon.Log().find(text) == std::string::npos) {
      ASSERT_TRUE(daemon.IsRunning()) << daemon.Log();
      std::this_thread::yield();
    }
  };
  // At once: the daemon would make one where there is none.
  const std::string other = dir_.Path("other");
  const auto replace = [&](int made) {
    EXPECT_EQ(made, 0);
    EXPECT_EQ(renameat2(AT_FDCWD, other.c_str(), AT_FDCWD, path.c_str(),
                        RENAME_EXCHANGE),
              0);
    EXPECT_EQ(remove(other.c_str()), 0);
  };
  await("index cannot be used");
  await("index.db: is a directory; move it away");
  replace(symlink("/nowhere", other.c_str()));
  await("index.db: is a symbolic link; move it away");
  replace(mkfifo(other.c_str(), 0600));
  await("index.db: is a FIFO, socket or device; move it away");
  replace(mknod(other.c_str(), S_IFREG, 0));
  await("index.db: Permission denied");
  EXPECT_EQ(unlink(path.c_str()), 0);
  await("state=ready");
  EXPECT_EQ(daemon.Terminate(), 0);
}

TEST_F(ProgramTest, WaitsForADiskThatTurnedReadOnly) {
  const std::string data = dir_.MakeDir("data");
  ASSERT_EQ(mount("disk", data.c_str(), "tmpfs", 0, nullptr), 0);
  PutDynaKube();
  ASSERT_EQ(RunProgram(Command({"--once"})).exit_code, 0);
  ASSERT_EQ(mount("", data.c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  {
    Daemon daemon(Command(), dir_.Path("log"));
    const auto await = [&daemon](const std::string& text) {
      while (daemon.Log().find(text) == std::string::npos) {
        ASSERT_TRUE(daemon.IsRunning()) << daemon.Log();
        std::this_thread::yield();
      }
    };
    await("index cannot be used");
    EXPECT_THAT(daemon.Log(), HasSubstr("Read-only file system"));
    ASSERT_EQ(mount("", data.c_str(), "", MS_REMOUNT, nullptr), 0);
    await("state=ready");
    EXPECT_EQ(daemon.Terminate(), 0);
  }
  EXPECT_EQ(umount2(data.c_str(), 0), 0);
}

TEST_F(ProgramTest, EndsWhileItWaitsForAnIndex) {
  dir_.MakeDir("data/index.db");
  Daemon daemon(Command(), dir_.Path("log"));
  while (daemon.Log().find("index cannot be used") == std::string::npos) {
    ASSERT_TRUE(daemon.IsRunning()) << daemon.Log();
    std::this_thread::yield();
  }
  EXPECT_EQ(daemon.Terminate(), 0);
  EXPECT_THAT(daemon.Log(), HasSubstr("stopped"));
}

// Whoever keeps it running has a new one make everything anew.
TEST_F(ProgramTest, EndsWhenItsDataDirectoryIsDeleted) {
  PutDynaKube();
  Daemon daemon(Command(), dir_.Path("log"));
  while (daemon.Log().find("state=ready") == std::string::npos) {
    ASSERT_TRUE(daemon.IsRunning()) << daemon.Log();
    std::this_thread::yield();
  }
  ASSERT_EQ(rename(dir_.Path("data").c_str(), dir_.Path("gone").c_str()), 0);
  EXPECT_EQ(daemon.Wait(), 1);
  EXPECT_THAT(daemon.Log(), HasSubstr("data directory lost, ending"));
  EXPECT_EQ(RunProgram(Command({"--once"})).exit_code, 0);
}

TEST_F(ProgramTest, ActsOnAChangedManifest) {
  Daemon daemon(Command({"--log-format=json"}), dir_.Path("log"));
  Signal asked;
  server_.SetHook([&](const SeenRequest& request) {
    if (request.path.find("/paas/version/") != std::string::npos) asked.Set();
  });
  PutDynaKube();
  asked.Wait();
  EXPECT_EQ(daemon.Terminate(), 0);
  EXPECT_THAT(daemon.Log(), StartsWith("{\""));
}

}  // namespace
}  // namespace oneagent

// The daemons at work with nothing around them but the image's files,
// read-only, and what a pod of the DaemonSet mounts.
#include <sys/mount.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/image/image_fixture.h"
#include "tests/support/agent/package.h"
#include "tests/support/csi_client.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tenant_api.h"

namespace oneagent {
namespace {

constexpr char kKubeletDir[] = "/var/lib/kubelet";

class DaemonsTest : public ImageFixture {
 protected:
  DaemonsTest() : disk_((EnterPrivateMountNamespace(), dir().path())) {}

  // A container of the image: volumes, /proc, kubelet's /etc/hosts, and a
  // read-only root.
  void SetUp() override {
    ImageFixture::SetUp();
    if (HasFatalFailure()) return;
    // The tenant's certificate is one that the image trusts.
    std::ofstream(root() + "/etc/ssl/certs/ca-certificates.crt", std::ios::app)
        << tenant_.ca_pem();
    Bind(root(), "");
    for (const char* const volume : {"/data", "/csi", "/dynakubes"}) {
      std::filesystem::create_directories(root() + volume);
      Bind(dir().MakeDir(absl::StrCat("volumes", volume)), volume);
    }
    std::filesystem::create_directories(root() + "/proc");
    Bind("/proc", "/proc");
    std::filesystem::create_directories(root() + kKubeletDir);
    Bind(dir().MakeDir("volumes/kubelet/pods/.."), kKubeletDir);
    dir().WriteFile("root/etc/hosts", "");
    Bind(dir().WriteFile("hosts", "127.0.0.1 localhost\n"), "/etc/hosts");
    ASSERT_EQ(mount(nullptr, root().c_str(), nullptr,
                    MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
              0);
  }

  void TearDown() override {
    mounter_.reset();
    umount2(root().c_str(), MNT_DETACH);
  }

  void Bind(const std::string& from, const std::string& to) {
    ASSERT_EQ(
        mount(from.c_str(), (root() + to).c_str(), nullptr, MS_BIND, nullptr),
        0)
        << from << " on " << to;
  }

  // The tenant's API is known by a name.
  void ApplyDynaKube() {
    dir().WriteFile(
        "volumes/dynakubes/demo.yaml",
        absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                     "metadata: {name: demo, namespace: dynatrace}\n"
                     "spec:\n  apiUrl: https://localhost:",
                     tenant_.port(),
                     "/e/abc12345/api\n"
                     "  oneAgent: {applicationMonitoring: {}}\n"
                     "---\napiVersion: v1\nkind: Secret\n"
                     "metadata: {name: demo, namespace: dynatrace}\n"
                     "stringData: {apiToken: ",
                     kTenantApiToken, "}\n"));
  }

  void StartMounter() {
    mounter_ = std::make_unique<Daemon>(
        InImage({kMounterProgram, "--endpoint=unix:///csi/csi.sock",
                 "--data-dir=/data",
                 absl::StrCat("--kubelet-dir=", kKubeletDir),
                 "--node-id=node-1"}),
        dir().Path("mounter.log"));
    while (!client_.Probe().ok() && mounter_->IsRunning()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  TenantApiServer& tenant() { return tenant_; }
  Daemon& mounter() { return *mounter_; }
  TestCsiClient& client() { return client_; }

 private:
  const OverlayDisk disk_;
  TenantApiServer tenant_{{.tls = true}};
  TestCsiClient client_{dir().Path("volumes/csi/csi.sock"),
                        TestCsiClient::Connections::kOnePerCall};
  std::unique_ptr<Daemon> mounter_;
};

TEST_F(DaemonsTest, TheyInstallPublishAndAreDiagnosedInTheImageAlone) {
  WriteAgentPackage(ONEAGENT_TEST_AGENTS, kFirstAgentVersion, dir().path(),
                    /*filler_mib=*/1);
  tenant().Update([this](ServedTenant& state) {
    state.agents[kFirstAgentVersion].path =
        dir().Path(absl::StrCat(kFirstAgentVersion, ".zip"));
  });
  ApplyDynaKube();
  StartMounter();
  ASSERT_TRUE(mounter().IsRunning()) << mounter().Log();
  const absl::StatusOr<CsiPluginInfo> info = client().GetPluginInfo();
  ASSERT_OK(info.status());
  EXPECT_EQ(info->name, "csi.oneagent.dynatrace.com");

  const ProgramResult installed =
      RunInImage({kProvisionerProgram, "--data-dir=/data",
                  "--dynakube-dir=/dynakubes", "--once"});
  EXPECT_EQ(installed.exit_code, 0) << installed.err;
  EXPECT_EQ(tenant().CountRequests("/version/"), 1);

  const CsiPublishCall call = KubeletPublishCall(
      kKubeletDir, {.name = "a", .uid = "uid-a"}, "oneagent-bin",
      {{"mode", "app"}, {"dynakube", "demo"}});
  MakeKubeletDirs(root() + call.target_path);
  ASSERT_OK(client().Publish(call)) << mounter().Log();
  EXPECT_TRUE(std::filesystem::exists(root() + call.target_path +
                                      "/agent/lib64/liboneagentproc.so"));

  const ProgramResult doctor =
      RunInImage({kCliProgram, "--data-dir=/data", "doctor",
                  "--endpoint=unix:///csi/csi.sock"});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.out << doctor.err;
  EXPECT_OK(client().Unpublish(call.volume_id, call.target_path));
  EXPECT_EQ(mounter().Terminate(), 0) << mounter().Log();
}

}  // namespace
}  // namespace oneagent

// A shipped mounter, a plugins_registry, and what registers there.
#ifndef TESTS_UNIT_CSI_MOUNTER_REGISTRATION_FIXTURE_H_
#define TESTS_UNIT_CSI_MOUNTER_REGISTRATION_FIXTURE_H_

#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/daemon.h"
#include "tests/support/plugin_watcher.h"
#include "tests/support/private_mounts.h"
#include "tests/support/sidecars.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

inline constexpr char kDriver[] = "csi.oneagent.dynatrace.com";
inline constexpr char kRegistered[] = "registered csi.oneagent.dynatrace.com";
inline constexpr char kDeregistered[] =
    "deregistered csi.oneagent.dynatrace.com";
inline constexpr char kRefused[] = "refused csi.oneagent.dynatrace.com";

// A mounter with everything of its own but kubelet.
struct Mounter {
  Mounter(const TempDir& dir, const std::string& name)
      : data_dir(dir.Path(name)),
        socket(dir.Path(name + ".sock")),
        // kubelet comes to it by another path.
        kubelet_socket(dir.Path("host/" + name + ".sock")),
        log_path(dir.Path(name + ".log")) {}

  std::string Log() const { return ReadTestFile(log_path); }

  const std::string data_dir;
  const std::string socket;
  const std::string kubelet_socket;
  const std::string log_path;
  std::unique_ptr<Daemon> daemon;
};

class MounterRegistrationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  void SetUp() override {
    dir_.MakeDir("kubelet/pods");
    dir_.MakeDir("registry");
    ASSERT_EQ(symlink(".", dir_.Path("host").c_str()), 0);
  }

  std::vector<std::string> Command(const Mounter& mounter,
                                   const std::vector<std::string>& more) const {
    std::vector<std::string> argv = {
        MOUNTER_BINARY, absl::StrCat("--endpoint=unix://", mounter.socket),
        absl::StrCat("--data-dir=", mounter.data_dir),
        absl::StrCat("--kubelet-dir=", dir_.Path("kubelet")),
        "--node-id=node-1"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }
  void Start(Mounter& mounter, const std::vector<std::string>& more) {
    mounter.daemon =
        std::make_unique<Daemon>(Command(mounter, more), mounter.log_path);
    TestCsiClient client(mounter.socket,
                         TestCsiClient::Connections::kOnePerCall);
    while (!client.Probe().ok()) {
      ASSERT_TRUE(mounter.daemon->IsRunning()) << mounter.Log();
    }
  }
  std::vector<std::string> RegistrationFlags(const Mounter& mounter) const {
    return {absl::StrCat("--registration-dir=", registry_),
            absl::StrCat("--kubelet-socket-path=", mounter.kubelet_socket)};
  }
  // Starts a mounter that registers itself; it serves when this returns.
  void Start(Mounter& mounter) { Start(mounter, RegistrationFlags(mounter)); }

  void StartKubelet(
      std::function<absl::Status(const std::string&)> update_csi_node = {}) {
    kubelet_ = std::make_unique<PluginWatcher>(PluginWatcher::Options{
        .directory = registry_, .update_csi_node = std::move(update_csi_node)});
  }
  absl::StatusOr<std::unique_ptr<NodeDriverRegistrar>> StartRegistrar(
      const Mounter& mounter) {
    return NodeDriverRegistrar::Start(
        {.csi_address = mounter.socket,
         .kubelet_registration_path = mounter.kubelet_socket,
         .plugin_registration_path = registry_});
  }

  void AwaitLog(const Mounter& mounter, const std::string& part) {
    while (mounter.Log().find(part) == std::string::npos) {
      ASSERT_TRUE(mounter.daemon->IsRunning()) << mounter.Log();
      std::this_thread::yield();
    }
  }
  // Until pods get their volumes from there; "": from nowhere. (A dial to a
  // dead socket may still end at its successor, which is then registered
  // twice.)
  void AwaitEndpoint(const std::string& endpoint) {
    while (kubelet_->Drivers()[kDriver].endpoint != endpoint) {
      std::this_thread::yield();
    }
  }
  std::vector<std::string> Registry() { return *ListDirectory(registry_); }

  TempDir dir_;
  const std::string registry_ = dir_.Path("registry");
  const std::string registration_ =
      absl::StrCat(registry_, "/", kDriver, "-reg.sock");
  Mounter mounter_{dir_, "csi"};
  std::unique_ptr<PluginWatcher> kubelet_;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_CSI_MOUNTER_REGISTRATION_FIXTURE_H_

// The two CSI services over a real socket, on a real index and a mounter in
// memory.
#ifndef TESTS_UNIT_CSI_SERVICES_FIXTURE_H_
#define TESTS_UNIT_CSI_SERVICES_FIXTURE_H_

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mutex.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "csi/mounter_metrics.h"
#include "csi/node_service.h"
#include "csi/server.h"
#include "csi/volume_stats.h"
#include "csi/work_queue.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {

inline constexpr int kWorkers = 2;

// Where calls stop until they are let go.
class Barrier {
 public:
  void Stop() {
    MutexLock lock(mu_);
    ++stopped_;
    cv_.NotifyAll();
    while (!open_) cv_.Wait(mu_);
  }
  void AwaitStopped(int count) {
    MutexLock lock(mu_);
    while (stopped_ < count) cv_.Wait(mu_);
  }
  void Open() {
    MutexLock lock(mu_);
    open_ = true;
    cv_.NotifyAll();
  }

 private:
  Mutex mu_;
  CondVar cv_;
  int stopped_ ABSL_GUARDED_BY(mu_) = 0;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

class ServicesTest : public testing::Test {
 protected:
  ServicesTest()
      : log_file_(fopen(world_.dir.Path("log").c_str(), "ae")),
        log_({.component = "mounter",
              .level = LogLevel::kDebug,
              .fd = fileno(log_file_)},
             system_clock_),
        stats_({}, *world_.context),
        queue_(std::make_unique<WorkQueue>(kWorkers)),
        stats_queue_(std::make_unique<WorkQueue>(1)) {}

  void SetUp() override {
    std::vector<GrpcService> services;
    services.push_back(NewIdentityService(log_));
    services.push_back(NewNodeService({.node_id = "node-1",
                                       .publisher = *world_.publisher,
                                       .unpublisher = *world_.unpublisher,
                                       .book = *world_.book,
                                       .stats = stats_,
                                       .volume_queue = *queue_,
                                       .stats_queue = *stats_queue_,
                                       .log = log_,
                                       .metrics = *metrics_}));
    server_ = std::make_unique<Server>(std::move(services));
    ASSERT_OK(server_->Start());
    ASSERT_OK_AND_ASSIGN(auto socket, ListeningSocket::Open(socket_path_));
    server_->Listen(std::move(socket));
    client_ = std::make_unique<TestCsiClient>(socket_path_);
  }

  void TearDown() override {
    DisarmFailpoints();
    client_.reset();
    server_->StopAccepting();
    queue_->Drain();
    stats_queue_->Drain();
    server_.reset();
    fclose(log_file_);
  }

  CsiPod Pod(int pod) const {
    return {.name = absl::StrCat("pod-", pod),
            .namespace_name = "shop",
            .uid = world_.PodUid(pod)};
  }
  // As kubelet calls for a volume of pod number `pod`.
  CsiPublishCall Call(int pod,
                      const std::map<std::string, std::string>& attributes = {
                          {"mode", "host"}, {"dynakube", "dk"}}) {
    CsiPublishCall call =
        KubeletPublishCall(world_.kubelet, Pod(pod), "oneagent", attributes);
    MakeKubeletDirs(call.target_path);
    return call;
  }
  std::string Log() { return ReadTestFile(world_.dir.Path("log")); }

  VolumeWorld world_;
  const std::string socket_path_ = world_.dir.Path("csi.sock");
  SystemClock system_clock_;
  FILE* const log_file_;
  const class Log log_;
  VolumeStats stats_;
  const std::unique_ptr<MounterMetrics> metrics_ = *MounterMetrics::Create();
  std::unique_ptr<WorkQueue> queue_;
  std::unique_ptr<WorkQueue> stats_queue_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<TestCsiClient> client_;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_CSI_SERVICES_FIXTURE_H_

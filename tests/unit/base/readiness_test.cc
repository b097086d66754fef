#include "base/readiness.h"

#include "base/heartbeat.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(ReadinessTest, IsReadyWhenEveryConditionHolds) {
  Readiness ready({"index", "socket"});
  EXPECT_EQ(ready.Page().status, 503);
  EXPECT_EQ(ready.Page().body, "index: not yet\nsocket: not yet\n");
  ready.Set("index", absl::OkStatus());
  ready.Set("socket", absl::UnavailableError("removed"));
  EXPECT_EQ(ready.Page().status, 503);
  EXPECT_EQ(ready.Page().body, "index: ok\nsocket: removed\n");
  ready.Set("socket", absl::OkStatus());
  EXPECT_EQ(ready.Page().status, 200);
  EXPECT_EQ(ready.Page().body, "index: ok\nsocket: ok\n");
}

TEST(ReadinessTest, AConditionMayComeLater) {
  Readiness ready({});
  EXPECT_EQ(ready.Page().status, 200);
  ready.Set("registration", absl::UnavailableError("kubelet has not answered"));
  EXPECT_EQ(ready.Page().status, 503);
  EXPECT_EQ(ready.Page().body, "registration: kubelet has not answered\n");
}

TEST(ReadinessTest, StatusPageTakesTheCallersCode) {
  EXPECT_EQ(StatusPage(absl::OkStatus(), 500).status, 200);
  EXPECT_EQ(StatusPage(absl::OkStatus(), 500).body, "ok\n");
  const HttpPage page = StatusPage(absl::UnavailableError("why"), 500);
  EXPECT_EQ(page.status, 500);
  EXPECT_EQ(page.body, "why\n");
}

TEST(HeartbeatTest, IsSilentFromItsLastBeat) {
  Heartbeat heartbeat;
  EXPECT_EQ(heartbeat.Silence(), absl::ZeroDuration());
  heartbeat.Beat();
  while (heartbeat.Silence() == absl::ZeroDuration()) {
  }
  const absl::Duration before = heartbeat.Silence();
  EXPECT_GE(heartbeat.Silence(), before);
}

}  // namespace
}  // namespace oneagent

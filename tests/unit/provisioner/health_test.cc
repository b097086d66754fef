#include "cache/provisioner/health.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

HttpPage Ask(const ProvisionerHealth& health, const std::string& path) {
  return health.Pages().at(path)();
}

TEST(ProvisionerHealthTest, IsHealthyWhileItsLoopTurns) {
  ProvisionerHealth health(absl::Hours(1));
  EXPECT_EQ(Ask(health, "/healthz").status, 200) << "it is starting";
  health.OnTurn(absl::UnavailableError("index is locked"));
  EXPECT_EQ(Ask(health, "/healthz").status, 200) << "whatever the index does";
  EXPECT_EQ(Ask(health, "/healthz").body, "ok\n");
}

TEST(ProvisionerHealthTest, IsIllWhenItsLoopStands) {
  ProvisionerHealth health(absl::Nanoseconds(1));
  health.OnTurn(absl::OkStatus());
  HttpPage page;
  do {
    page = Ask(health, "/healthz");
  } while (page.status == 200);
  EXPECT_EQ(page.status, 500);
  EXPECT_THAT(page.body, HasSubstr("its loop has not turned for "));
}

TEST(ProvisionerHealthTest, IsReadyWhenItHasListedOnceAndHasItsIndex) {
  ProvisionerHealth health;
  EXPECT_EQ(Ask(health, "/readyz").body,
            "dynakubes: not yet\nindex: not yet\n");
  health.OnTurn(absl::OkStatus());
  health.OnListed(absl::UnavailableError("no answer"));
  EXPECT_EQ(Ask(health, "/readyz").status, 503);
  EXPECT_EQ(Ask(health, "/readyz").body, "dynakubes: no answer\nindex: ok\n");
  health.OnListed(absl::OkStatus());
  EXPECT_EQ(Ask(health, "/readyz").status, 200);
  // Pods get what was listed before.
  health.OnListed(absl::UnavailableError("no answer"));
  EXPECT_EQ(Ask(health, "/readyz").status, 200);
  health.OnTurn(absl::UnavailableError("disk full"));
  EXPECT_EQ(Ask(health, "/readyz").status, 503);
}

}  // namespace
}  // namespace oneagent

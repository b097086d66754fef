// What the services log, how they stand hostile clients, and volume stats.
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/services_fixture.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ServicesTest, LogNamesWhatOperatorsNeedAndNothingElse) {
  CsiPublishCall call = Call(1);
  call.context["csi.storage.k8s.io/serviceAccount.tokens"] = "SECRET-token";
  call.context["conf.general.apikey"] = "SECRET-conf";
  call.context["whatever"] = "SECRET-attribute";
  call.secrets["password"] = "SECRET-secret";
  ASSERT_OK(client_->Publish(call));
  ASSERT_OK(client_->Unpublish(call.volume_id, call.target_path));
  call.context.erase("mode");
  ASSERT_FALSE(client_->Publish(call).ok());
  const std::string log = Log();
  EXPECT_THAT(log, Not(HasSubstr("SECRET")));
  for (const std::string& want :
       {absl::StrCat("INFO mounter NodePublishVolume volume=", call.volume_id,
                     " target=", call.target_path,
                     " pod=pod-1 namespace=shop dynakube=dk mode=host "
                     "outcome=mounted duration="),
        absl::StrCat("INFO mounter NodeUnpublishVolume volume=", call.volume_id,
                     " target=", call.target_path,
                     " pod=pod-1 namespace=shop dynakube=dk "
                     "outcome=unpublished"),
        absl::StrCat("WARNING mounter NodePublishVolume volume=",
                     call.volume_id, " target=", call.target_path,
                     " pod=pod-1 namespace=shop dynakube=dk duration="),
        std::string("code=INVALID_ARGUMENT error=\"No "
                    "mode attribute included")}) {
    EXPECT_THAT(log, HasSubstr(want));
  }
}

TEST_F(ServicesTest, LogSaysWhatOfTheCapabilityMakesNoDifference) {
  CsiPublishCall call = Call(1);
  call.fs_type = "ext4";
  ASSERT_OK(client_->Publish(call));
  EXPECT_THAT(Log(), HasSubstr("mode=host ignored=\"fs_type=ext4\" outcome="));
}

TEST_F(ServicesTest, MountFlagsThatCannotBeHonouredAreRefused) {
  CsiPublishCall call = Call(1);
  call.mount_flags = {"noexec"};
  EXPECT_THAT(client_->Publish(call),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Invalid mount flag: noexec")));
}

TEST_F(ServicesTest, LogSaysWhoseVolumeCannotBeUnpublished) {
  const CsiPublishCall call = Call(1);
  ASSERT_OK(client_->Publish(call));
  world_.fake.FailNext(FakeMounter::Verb::kUnmount,
                       absl::UnavailableError("target is busy"));
  ASSERT_FALSE(client_->Unpublish(call.volume_id, call.target_path).ok());
  EXPECT_THAT(
      Log(),
      HasSubstr(absl::StrCat(
          "WARNING mounter NodeUnpublishVolume volume=", call.volume_id,
          " target=", call.target_path,
          " pod=pod-1 namespace=shop dynakube=dk outcome=failed duration=")));
}

TEST_F(ServicesTest, UnknownVolumeIsUnpublishedWithoutAPodInTheLog) {
  const CsiPublishCall call = Call(1);
  ASSERT_OK(client_->Unpublish(call.volume_id, call.target_path));
  EXPECT_THAT(Log(),
              AllOf(HasSubstr("outcome=unpublished"), Not(HasSubstr(" pod="))));
}

TEST_F(ServicesTest, RefusedCallsOriginIsCutInTheLog) {
  CsiPublishCall call = Call(1);
  for (const char* const key :
       {"csi.storage.k8s.io/pod.name", "csi.storage.k8s.io/pod.namespace",
        "dynakube"}) {
    call.context[key] = absl::StrCat("x\n", std::string(1 << 20, 'y'));
  }
  ASSERT_FALSE(client_->Publish(call).ok());
  const std::string log = Log();
  EXPECT_THAT(log, AllOf(HasSubstr(" pod="), HasSubstr(" namespace="),
                         HasSubstr(" dynakube=")));
  EXPECT_LT(log.size(), 4000u);
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1);
}

TEST_F(ServicesTest, ProbesAreLoggedForDebuggingOnly) {
  ASSERT_OK(client_->Probe());
  ASSERT_OK(client_->GetNodeCapabilities());
  EXPECT_THAT(Log(), AllOf(HasSubstr("DEBUG mounter Probe"),
                           HasSubstr("DEBUG mounter NodeGetCapabilities"),
                           Not(HasSubstr("INFO"))));
}

TEST_F(ServicesTest, LongHostileValuesAreCutInTheLogAndInTheAnswer) {
  CsiPublishCall call = Call(1);
  call.volume_id = std::string(1 << 20, 'v');
  const absl::Status status = client_->Publish(call);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_LT(status.message().size(), 1100u);
  EXPECT_LT(Log().size(), 4000u);
}

TEST_F(ServicesTest, MessageOfMoreThanFourMebibytesIsRefused) {
  CsiPublishCall call = Call(1);
  call.context["whatever"] = std::string(5 << 20, 'x');
  EXPECT_THAT(client_->Publish(call),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
}

TEST_F(ServicesTest, GarbageOnTheSocketHarmsNobody) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100'000, '\xff'),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") +
            std::string(64, '\xff'),
        std::string()}) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                      sizeof(address)),
              0);
    (void)send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  }
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
}

TEST_F(ServicesTest, StatsOfWhatIsNotThereAreRefused) {
  const CsiPublishCall call = Call(1);
  ASSERT_OK(client_->Publish(call));
  const struct {
    std::string id;
    std::string path;
    absl::StatusCode want;
  } kCases[] = {
      {"", call.target_path, absl::StatusCode::kInvalidArgument},
      {call.volume_id, "", absl::StatusCode::kInvalidArgument},
      {"fake-vol-id-0a1b2c3d-4", "some/path", absl::StatusCode::kNotFound},
      {call.volume_id, "some/path", absl::StatusCode::kNotFound},
      {call.volume_id, call.target_path + "/x", absl::StatusCode::kNotFound},
      {"../" + call.volume_id, call.target_path, absl::StatusCode::kNotFound},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(client_->GetVolumeStats(test.id, test.path),
                StatusIs(test.want));
  }
}

TEST_F(ServicesTest, StatsOfAMountedVolume) {
  const CsiPublishCall call = Call(1);
  ASSERT_OK(client_->Publish(call));
  ASSERT_OK_AND_ASSIGN(
      const CsiVolumeStats stats,
      client_->GetVolumeStats(call.volume_id, call.target_path));
  EXPECT_EQ(stats.bytes.used, 0);
  EXPECT_GT(stats.bytes.total, 0);
  EXPECT_GE(stats.bytes.available, 0);
  EXPECT_FALSE(stats.is_abnormal);
  EXPECT_EQ(stats.condition, "agent volume is mounted");
}

TEST_F(ServicesTest, EmptyVolumeIsAbnormalAndSaysWhy) {
  const CsiPublishCall call = Call(
      1, {{"mode", "app"}, {"dynakube", "nobody"}, {"retryTimeout", "0s"}});
  ASSERT_OK(client_->Publish(call));
  ASSERT_OK_AND_ASSIGN(
      const CsiVolumeStats stats,
      client_->GetVolumeStats(call.volume_id, call.target_path));
  EXPECT_TRUE(stats.is_abnormal);
  EXPECT_THAT(stats.condition,
              AllOf(HasSubstr("no agent was injected: "), HasSubstr("nobody")));
  EXPECT_THAT(Log(), AllOf(HasSubstr("WARNING mounter NodePublishVolume"),
                           HasSubstr("failures=1 waited=0s outcome=empty")));
}

}  // namespace
}  // namespace oneagent

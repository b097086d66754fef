#include "csi/volume_request.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::map<std::string, std::string> GoodContext() {
  return {{"csi.storage.k8s.io/pod.name", "web-1"},
          {"csi.storage.k8s.io/pod.namespace", "shop"},
          {"csi.storage.k8s.io/pod.uid", "0f0f-11"},
          {"csi.storage.k8s.io/serviceAccount.name", "default"},
          {"csi.storage.k8s.io/ephemeral", "true"},
          {"mode", "app"},
          {"dynakube", "dk"}};
}

RawPublishRequest GoodRequest() {
  return {.volume_id = "csi-01",
          .target_path = "/var/lib/kubelet/pods/x/mount",
          .capability = RawPublishRequest::Capability::kMount,
          .read_only = false,
          .context = GoodContext()};
}

RawPublishRequest With(const std::string& key, const std::string& value) {
  RawPublishRequest raw = GoodRequest();
  (*raw.context)[key] = value;
  return raw;
}

RawPublishRequest Without(const std::string& key) {
  RawPublishRequest raw = GoodRequest();
  raw.context->erase(key);
  return raw;
}

TEST(ParsePublishRequestTest, ReadsWhatKubeletSends) {
  RawPublishRequest raw = GoodRequest();
  raw.read_only = true;
  ASSERT_OK_AND_ASSIGN(const PublishRequest request, ParsePublishRequest(raw));
  EXPECT_EQ(request.volume_id, "csi-01");
  EXPECT_EQ(request.target_path, "/var/lib/kubelet/pods/x/mount");
  EXPECT_EQ(request.mode, VolumeMode::kApp);
  EXPECT_TRUE(request.read_only);
  EXPECT_EQ(request.dynakube, "dk");
  EXPECT_EQ(request.retry_timeout, absl::Minutes(10));
  EXPECT_EQ(request.pod, "web-1");
  EXPECT_EQ(request.namespace_name, "shop");
  EXPECT_EQ(request.pod_uid, "0f0f-11");
  EXPECT_EQ(request.service_account, "default");
  EXPECT_THAT(request.conf, IsEmpty());
}

// What is wrong is taken away one by one from the front: each line's request
// has every later fault, too, so the order is tested with the texts.
TEST(ParsePublishRequestTest, FindsFaultsInTheOrderUsersKnow) {
  RawPublishRequest raw{.volume_id = "",
                        .target_path = "",
                        .capability = RawPublishRequest::Capability::kMissing,
                        .read_only = false,
                        .context = std::nullopt};
  const auto expect = [&raw](absl::string_view text) {
    EXPECT_THAT(ParsePublishRequest(raw),
                StatusIs(kInvalid, StartsWith(std::string(text))));
  };
  expect("Volume ID missing in request");
  raw.volume_id = "../evil";
  expect("Target path missing in request");
  raw.target_path = "/t";
  expect("Volume capability missing in request");
  raw.capability = RawPublishRequest::Capability::kBlock;
  expect("cannot have block access type");
  raw.capability = RawPublishRequest::Capability::kNeither;
  expect("expecting to have mount access type");
  raw.capability = RawPublishRequest::Capability::kMount;
  expect("Publish context missing in request");
  raw.context = std::map<std::string, std::string>{};
  expect("Publish context missing in request");
  raw.context = {{"retryTimeout", "soon"}, {"conf.x", "1"}};
  expect("No Pod Name included in request");
  (*raw.context)["csi.storage.k8s.io/pod.name"] = "web-1";
  expect("No Pod Namespace included in request");
  (*raw.context)["csi.storage.k8s.io/pod.namespace"] = "shop";
  expect("No mode attribute included in request");
  (*raw.context)["mode"] = "magic";
  expect("No dynakube attribute included in request");
  (*raw.context)["dynakube"] = "Not_A_Label";
  expect("Invalid dynakube name: Not_A_Label");
  (*raw.context)["dynakube"] = "dk";
  expect("The retryTimeout attribute has incorrect format");
  (*raw.context)["retryTimeout"] = "1h2m3.5s";
  expect("unknown csi mode provided, mode=magic");
  (*raw.context)["mode"] = "host";
  expect("No Pod UID included in request");
  (*raw.context)["csi.storage.k8s.io/pod.uid"] = "..";
  expect("Invalid Pod UID: ..");
  (*raw.context)["csi.storage.k8s.io/pod.uid"] = "0f";
  (*raw.context)["csi.storage.k8s.io/pod.name"] = "web 1";
  (*raw.context)["csi.storage.k8s.io/pod.namespace"] = "shop/x";
  (*raw.context)["csi.storage.k8s.io/serviceAccount.name"] = "a\x1b[2J";
  expect("Invalid Pod Name: web 1");
  (*raw.context)["csi.storage.k8s.io/pod.name"] = "web-1.x_y";
  expect("Invalid Pod Namespace: shop/x");
  (*raw.context)["csi.storage.k8s.io/pod.namespace"] = "shop";
  expect("Invalid Service Account: a\\033[2J");
  (*raw.context)["csi.storage.k8s.io/serviceAccount.name"] = "";
  expect("The conf.x attribute has incorrect format");
  raw.context->erase("conf.x");
  expect("Invalid Volume ID: ../evil");
  raw.volume_id = "csi-1";
  EXPECT_OK(ParsePublishRequest(raw));
}

TEST(ParsePublishRequestTest, EmptyAttributesCountAsMissing) {
  EXPECT_THAT(ParsePublishRequest(With("mode", "")),
              StatusIs(kInvalid, "No mode attribute included in request"));
  EXPECT_THAT(ParsePublishRequest(With("csi.storage.k8s.io/pod.uid", "")),
              StatusIs(kInvalid, "No Pod UID included in request"));
  EXPECT_THAT(ParsePublishRequest(Without("dynakube")),
              StatusIs(kInvalid, "No dynakube attribute included in request"));
}

TEST(ParsePublishRequestTest, ReadsRetryTimeoutAsGoWritesIt) {
  const struct {
    const char* text;
    absl::Duration want;
  } kCases[] = {
      {"", absl::Minutes(10)},
      {"0s", absl::ZeroDuration()},
      {"0", absl::ZeroDuration()},
      {"1h2m3.5s", absl::Hours(1) + absl::Minutes(2) + absl::Seconds(3.5)},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.text);
    ASSERT_OK_AND_ASSIGN(const PublishRequest request,
                         ParsePublishRequest(With("retryTimeout", test.text)));
    EXPECT_EQ(request.retry_timeout, test.want);
  }
  for (const char* const bad : {"10", "-5m", "ten", "5 m", "9999999h", "m"}) {
    EXPECT_THAT(
        ParsePublishRequest(With("retryTimeout", bad)),
        StatusIs(kInvalid, "The retryTimeout attribute has incorrect format"))
        << bad;
  }
}

TEST(ParsePublishRequestTest, ReadsConfAttributesSortedByName) {
  RawPublishRequest raw = With("conf.general.logLevel", "fine grained");
  (*raw.context)["conf.a.key.with.dots"] = "";
  (*raw.context)["conf"] = "no property";
  (*raw.context)["confetti.general.x"] = "no property";
  ASSERT_OK_AND_ASSIGN(const PublishRequest request, ParsePublishRequest(raw));
  EXPECT_THAT(request.conf,
              ElementsAre(ConfProperty{"a", "key.with.dots", ""},
                          ConfProperty{"general", "logLevel", "fine grained"}));
}

TEST(ParsePublishRequestTest, RefusesConfThatSaysWhoTheAgentReportsTo) {
  for (const char* const key :
       {"tenant", "tenantToken", "serverAddress", "proxy", "TENANTTOKEN"}) {
    for (const char* const section : {"general", "other"}) {
      const std::string name = absl::StrCat("conf.", section, ".", key);
      EXPECT_THAT(ParsePublishRequest(With(name, "s3cret")),
                  StatusIs(kInvalid, absl::StrCat("The ", name,
                                                  " attribute is not allowed")))
          << name;
    }
  }
}

TEST(ParsePublishRequestTest, RefusesConfThatCannotStandInAFile) {
  const struct {
    const char* name;
    std::string value;
  } kCases[] = {
      {"conf.", "v"},         {"conf.general", "v"},
      {"conf.general.", "v"}, {"conf..key", "v"},
      {"conf.a]b.key", "v"},  {"conf.a.two words", "v"},
      {"conf.a.key", "x\ny"}, {"conf.a.key", std::string("x\0y", 3)},
      {"conf.a\nb.key", "v"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    EXPECT_THAT(ParsePublishRequest(With(test.name, test.value)),
                StatusIs(kInvalid, AllOf(StartsWith("The conf."),
                                         HasSubstr("incorrect format"),
                                         Not(HasSubstr("\n")))));
  }
}

TEST(ParsePublishRequestTest, BoundsNumberAndSizeOfConfAttributes) {
  const std::string too_large = "The conf attributes are too large";
  EXPECT_THAT(ParsePublishRequest(
                  With("conf.a.b", std::string((64 << 10) - 8 + 1, 'x'))),
              StatusIs(kInvalid, StartsWith(too_large)));
  EXPECT_OK(
      ParsePublishRequest(With("conf.a.b", std::string((64 << 10) - 8, 'x'))));
  RawPublishRequest many = GoodRequest();
  for (int i = 0; i < 1025; ++i) {
    (*many.context)[absl::StrCat("conf.a.k", i)] = "";
  }
  EXPECT_THAT(ParsePublishRequest(many),
              StatusIs(kInvalid, StartsWith(too_large)));
}

TEST(ParsePublishRequestTest, RefusesIdsThatAreNoDirectoryNames) {
  for (const char* const id :
       {"..", ".", "a/b", "../../etc", ".hidden", "a b", "a\nb", "a:b"}) {
    RawPublishRequest raw = GoodRequest();
    raw.volume_id = id;
    EXPECT_THAT(ParsePublishRequest(raw),
                StatusIs(kInvalid, StartsWith("Invalid Volume ID: ")))
        << id;
  }
  RawPublishRequest raw = GoodRequest();
  raw.volume_id = std::string("a\0b", 3);
  EXPECT_THAT(ParsePublishRequest(raw), StatusIs(kInvalid));
  raw.volume_id = std::string(129, 'a');
  EXPECT_THAT(ParsePublishRequest(raw), StatusIs(kInvalid));
  raw.volume_id = std::string(128, 'a');
  EXPECT_OK(ParsePublishRequest(raw));
}

TEST(ParsePublishRequestTest, BoundsTheNamesOfObjects) {
  for (const char* const key :
       {"csi.storage.k8s.io/pod.name", "csi.storage.k8s.io/pod.namespace",
        "csi.storage.k8s.io/serviceAccount.name"}) {
    EXPECT_OK(ParsePublishRequest(With(key, std::string(253, 'a'))));
    EXPECT_THAT(ParsePublishRequest(With(key, std::string(254, 'a'))),
                StatusIs(kInvalid, StartsWith("Invalid ")));
  }
}

TEST(ParsePublishRequestTest, ShowsHostileTextEscapedAndShortened) {
  EXPECT_THAT(
      ParsePublishRequest(With("mode", "x\n" + std::string(5000, 'y'))),
      StatusIs(kInvalid, AllOf(StartsWith("unknown csi mode provided, mode=x"),
                               Not(HasSubstr("\n")),
                               Not(HasSubstr(std::string(200, 'y'))))));
}

TEST(ParsePublishRequestTest, SaysWhatItIgnoresOfTheCapability) {
  RawPublishRequest raw = GoodRequest();
  EXPECT_EQ(ParsePublishRequest(raw)->ignored, "");
  raw.fs_type = "ext4";
  EXPECT_EQ(ParsePublishRequest(raw)->ignored, "fs_type=ext4");
  raw.volume_mount_group = "2000\n";
  EXPECT_EQ(ParsePublishRequest(raw)->ignored,
            "fs_type=ext4 volume_mount_group=2000\\n");
}

TEST(ParsePublishRequestTest, TakesOnlyMountFlagsThatHold) {
  RawPublishRequest raw = GoodRequest();
  raw.mount_flags = {"nosuid", "nodev"};
  EXPECT_OK(ParsePublishRequest(raw));
  for (const char* const flag : {"ro", "noexec", "noatime", "", "nosuid,ro"}) {
    raw.mount_flags = {"nodev", flag};
    EXPECT_THAT(
        ParsePublishRequest(raw),
        StatusIs(kInvalid, AllOf(StartsWith(absl::StrCat(
                                     "Invalid mount flag: ", flag, " (")),
                                 HasSubstr("take no other flag"))));
  }
  raw.mount_flags = {"context=\"system_u:object_r:container_file_t:s0\""};
  EXPECT_THAT(ParsePublishRequest(raw),
              StatusIs(kInvalid, AllOf(HasSubstr("flag: context="),
                                       HasSubstr("seLinuxMount: true"))));
  // What the reference looks for comes first.
  raw.target_path = "";
  EXPECT_THAT(ParsePublishRequest(raw),
              StatusIs(kInvalid, HasSubstr("Target path missing")));
}

TEST(CheckUnpublishRequestTest, WantsVolumeThenTarget) {
  EXPECT_THAT(CheckUnpublishRequest("", ""),
              StatusIs(kInvalid, "Volume ID missing in request"));
  EXPECT_THAT(CheckUnpublishRequest("v", ""),
              StatusIs(kInvalid, "Target path missing in request"));
  // Whatever was published once must be allowed to go.
  EXPECT_OK(CheckUnpublishRequest("../v", "/t"));
}

}  // namespace
}  // namespace oneagent

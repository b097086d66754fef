// Well-formed calls with hostile content: each is refused with a line that
// says why, leaves nothing, and the next one is served.
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/hostile_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr size_t kMiB = 1 << 20;

// What is in no name, id or path that anybody needs.
const std::vector<std::string>& NastyTexts() {
  static const auto& texts = *new std::vector<std::string>{
      std::string("a\0b", 3),
      "a\nERROR mounter forged",
      "..",
      ".",
      "../../../etc/cron.d/x",
      "/",
      "a/b",
      std::string(100'000, 'x'),
      "\x1b[2J\x1b]0;title\x07",
      "\xc2\x9b"
      "31m",
      "a\xe2\x80\xae"
      "b",
      " ",
      "a\\b\"c=d",
  };
  return texts;
}

class HostileRequestTest : public HostileTest {
 protected:
  HostileRequestTest()
      : client_(node_.socket(), TestCsiClient::Connections::kOnePerCall) {}

  CsiPublishCall Good() {
    CsiPublishCall call = CallFor("victim");
    MakeKubeletDirs(call.target_path);
    return call;
  }
  void ExpectRefused(const CsiPublishCall& call, const std::string& what) {
    const absl::Status status = client_.Publish(call);
    EXPECT_THAT(status, StatusIs(kInvalid)) << what;
    EXPECT_LE(status.message().size(), 1100u) << what;
  }
  void ExpectNothingLeft() {
    EXPECT_EQ(node_.MountCount(), 0);
    EXPECT_THAT(ListDirectory(node_.layout().VolumesDir()),
                IsOkAndHolds(IsEmpty()));
  }

  TestCsiClient client_;
};

TEST_F(HostileRequestTest, NastyNamesAreRefused) {
  const CsiPublishCall good = Good();
  Endure([&] {
    for (const std::string& nasty : NastyTexts()) {
      CsiPublishCall call = good;
      call.volume_id = nasty;
      ExpectRefused(call, "volume id");
      call = good;
      call.target_path = nasty;
      ExpectRefused(call, "target");
      for (const char* const key :
           {"csi.storage.k8s.io/pod.uid", "mode", "dynakube", "retryTimeout"}) {
        call = good;
        call.context[key] = nasty;
        ExpectRefused(call, key);
      }
    }
  });
  ExpectNothingLeft();
}

TEST_F(HostileRequestTest, NamesThatOnlyGoIntoBooksAreRefusedWhereTheyLie) {
  const CsiPublishCall good = Good();
  Endure([&] {
    for (const std::string& nasty : NastyTexts()) {
      // Dots and no more are strange, not dangerous, where no path is made.
      if (nasty == "." || nasty == "..") continue;
      for (const char* const key :
           {"csi.storage.k8s.io/pod.name", "csi.storage.k8s.io/pod.namespace",
            "csi.storage.k8s.io/serviceAccount.name"}) {
        CsiPublishCall call = good;
        call.context[key] = nasty;
        ExpectRefused(call, key);
      }
    }
  });
  ExpectNothingLeft();
}

TEST_F(HostileRequestTest, NastyPartsOfATargetAreRefused) {
  const CsiPublishCall good = Good();
  const std::string pods = absl::StrCat(node_.kubelet_dir(), "/pods/");
  const std::string below = "/volumes/kubernetes.io~csi/oneagent-bin/mount";
  Endure([&] {
    for (const std::string& nasty : NastyTexts()) {
      CsiPublishCall call = good;
      call.target_path = absl::StrCat(pods, nasty, below);
      ExpectRefused(call, "uid in the target");
      if (nasty == " " || nasty == "a\\b\"c=d") continue;  // a file's name
      call.target_path = absl::StrCat(
          pods, "uid-victim/volumes/kubernetes.io~csi/", nasty, "/mount");
      ExpectRefused(call, "volume's name in the target");
    }
  });
  ExpectNothingLeft();
}

TEST_F(HostileRequestTest, NastyAttributesAreRefusedOrIgnored) {
  const CsiPublishCall good = Good();
  Endure([&] {
    CsiPublishCall call = good;
    call.context["conf.general.key"] = std::string("x\n[other]\ny z");
    ExpectRefused(call, "line break in a value");
    call.context["conf.general.key"] = std::string(64 << 10, 'x');
    ExpectRefused(call, "64 KiB in a value");
    call = good;
    for (int i = 0; i < 10'000; ++i) {
      call.context.emplace(absl::StrCat("conf.general.k", i), "v");
    }
    ExpectRefused(call, "10,000 properties");
    call = good;
    for (int i = 0; i < 10'000; ++i) {
      call.context.emplace(absl::StrCat("x", i, "\x1b[2J"), "\x1b[2J\n");
    }
    EXPECT_OK(client_.Publish(call)) << "nobody's attributes";
    EXPECT_OK(client_.Unpublish(call.volume_id, call.target_path));
  });
  ExpectNothingLeft();
}

TEST_F(HostileRequestTest, UnpublishAndStatsStandTheSame) {
  Endure([&] {
    for (const std::string& nasty : NastyTexts()) {
      // Kubelet must not retry for ever what never was.
      EXPECT_OK(client_.Unpublish(nasty, node_.Target("nobody")));
      EXPECT_THAT(client_.GetVolumeStats(nasty, "x"),
                  StatusIs(absl::StatusCode::kNotFound));
      EXPECT_THAT(client_.GetVolumeStats("csi-bystander-2", nasty),
                  StatusIs(absl::StatusCode::kNotFound));
    }
    // What is there and not kubelet's is neither unmounted nor deleted.
    for (const std::string& foreign :
         {std::string("/etc"),
          absl::StrCat(node_.kubelet_dir(), "/pods/../pods")}) {
      EXPECT_THAT(client_.Unpublish("csi-1", foreign), StatusIs(kInvalid));
    }
    EXPECT_THAT(PathExists("/etc/passwd"), IsOkAndHolds(true));
  });
  ExpectNothingLeft();
}

TEST_F(HostileRequestTest, MessagesOfFourMebibytesAreReadAndNotOneByteMore) {
  const CsiPublishCall good = Good();
  Endure([&] {
    CsiPublishCall call = good;
    call.context.emplace("ignored", "");
    const size_t rest = SerializedPublish(call).size();
    // Its length, and its entry's, take three bytes more each.
    call.context["ignored"] = std::string(4 * kMiB - rest - 6, 'x');
    ASSERT_EQ(SerializedPublish(call).size(), 4 * kMiB);
    for (int i = 0; i < 3; ++i) {
      EXPECT_OK(client_.Publish(call));
      EXPECT_OK(client_.Unpublish(call.volume_id, call.target_path));
    }
    call.context["ignored"].push_back('x');
    EXPECT_THAT(client_.Publish(call),
                StatusIs(absl::StatusCode::kResourceExhausted));
  });
  ExpectNothingLeft();
}

}  // namespace
}  // namespace oneagent

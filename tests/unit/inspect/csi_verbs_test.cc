// probe, publish and unpublish against a server that plays the mounter.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache/inspect/cli.h"
#include "cache/inspect/csi_calls.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/csi.grpc.pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/inspect/json_check.h"

namespace oneagent {
namespace {

using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;

class PlayedIdentity final : public ::csi::v1::Identity::Service {
 public:
  grpc::Status GetPluginInfo(
      grpc::ServerContext*, const ::csi::v1::GetPluginInfoRequest*,
      ::csi::v1::GetPluginInfoResponse* response) override {
    response->set_name("csi.oneagent.dynatrace.com");
    response->set_vendor_version("0.1.0");
    return grpc::Status::OK;
  }
  grpc::Status Probe(grpc::ServerContext*, const ::csi::v1::ProbeRequest*,
                     ::csi::v1::ProbeResponse* response) override {
    response->mutable_ready()->set_value(ready);
    return grpc::Status::OK;
  }
  bool ready = true;
};

class PlayedNode final : public ::csi::v1::Node::Service {
 public:
  grpc::Status NodeGetInfo(grpc::ServerContext*,
                           const ::csi::v1::NodeGetInfoRequest*,
                           ::csi::v1::NodeGetInfoResponse* response) override {
    response->set_node_id("node-1");
    return grpc::Status::OK;
  }
  grpc::Status NodePublishVolume(
      grpc::ServerContext*, const ::csi::v1::NodePublishVolumeRequest* request,
      ::csi::v1::NodePublishVolumeResponse*) override {
    published = *request;
    return answer;
  }
  grpc::Status NodeUnpublishVolume(
      grpc::ServerContext*,
      const ::csi::v1::NodeUnpublishVolumeRequest* request,
      ::csi::v1::NodeUnpublishVolumeResponse*) override {
    unpublished = *request;
    return answer;
  }
  grpc::Status NodeGetVolumeStats(
      grpc::ServerContext*, const ::csi::v1::NodeGetVolumeStatsRequest*,
      ::csi::v1::NodeGetVolumeStatsResponse* response) override {
    if (!stats.ok()) return stats;
    *response->mutable_volume_condition() = condition;
    return grpc::Status::OK;
  }

  grpc::Status answer;
  grpc::Status stats;
  ::csi::v1::VolumeCondition condition;
  ::csi::v1::NodePublishVolumeRequest published;
  ::csi::v1::NodeUnpublishVolumeRequest unpublished;
};

struct CliOutcome {
  int code;
  std::string out;
  std::string err;
};

CliOutcome RunWords(std::vector<std::string> words) {
  words.insert(words.begin(), "oneagent-csi");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  std::ostringstream out;
  std::ostringstream err;
  const SystemClock clock;
  const int code =
      RunCli("/nonexistent", static_cast<int>(argv.size()), argv.data(),
             {.out = out, .err = err, .clock = clock});
  return {code, out.str(), err.str()};
}

class CsiVerbsTest : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + dir_.Path("csi.sock"),
                             grpc::InsecureServerCredentials());
    builder.RegisterService(&identity_);
    builder.RegisterService(&node_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void TearDown() override { server_->Shutdown(); }

  CliOutcome Run(std::vector<std::string> words) {
    words.insert(words.end(),
                 {"--endpoint", "unix://" + dir_.Path("csi.sock")});
    return RunWords(std::move(words));
  }
  std::string Target() const { return dir_.Path("pods/uid-1/mount"); }
  std::vector<std::string> PublishWords() const {
    return {"publish", "--volume-id", "csi-1",       "--target", Target(),
            "--pod",   "web",         "--namespace", "shop",     "--pod-uid",
            "uid-1",   "--dynakube",  "prod"};
  }

  TempDir dir_;
  PlayedIdentity identity_;
  PlayedNode node_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(CsiVerbsTest, ProbeSaysWhoIsReady) {
  const CliOutcome ready = Run({"probe"});
  EXPECT_EQ(ready.code, kExitFine);
  EXPECT_EQ(ready.out,
            "ready: csi.oneagent.dynatrace.com 0.1.0 on node node-1\n");
  auto fields =
      ParseAnyJson(Run({"probe", "-o", "json"}).out).struct_value().fields();
  EXPECT_TRUE(fields["ready"].bool_value());
  identity_.ready = false;
  EXPECT_EQ(Run({"probe"}).code, kExitFinding);
}

TEST_F(CsiVerbsTest, PublishSendsWhatKubeletWouldSend) {
  std::vector<std::string> words = PublishWords();
  words.insert(words.end(), {"--read-only", "--retry-timeout", "5m",
                             "--attribute", "conf.general.x=y"});
  const CliOutcome result = Run(words);
  EXPECT_EQ(result.code, kExitFine) << result.err;
  EXPECT_EQ(result.out, "published csi-1 at " + Target() + "\n");
  EXPECT_EQ(node_.published.volume_id(), "csi-1");
  EXPECT_EQ(node_.published.target_path(), Target());
  EXPECT_TRUE(node_.published.readonly());
  EXPECT_TRUE(node_.published.volume_capability().has_mount());
  const std::map<std::string, std::string> context(
      node_.published.volume_context().begin(),
      node_.published.volume_context().end());
  EXPECT_THAT(context,
              UnorderedElementsAre(
                  Pair("csi.storage.k8s.io/ephemeral", "true"),
                  Pair("csi.storage.k8s.io/pod.name", "web"),
                  Pair("csi.storage.k8s.io/pod.namespace", "shop"),
                  Pair("csi.storage.k8s.io/pod.uid", "uid-1"),
                  Pair("mode", "app"), Pair("dynakube", "prod"),
                  Pair("retryTimeout", "5m"), Pair("conf.general.x", "y")));
}

TEST_F(CsiVerbsTest, PublishMakesTheParentsButNotTheTarget) {
  ASSERT_EQ(Run(PublishWords()).code, kExitFine);
  struct stat info;
  EXPECT_EQ(stat(dir_.Path("pods/uid-1").c_str(), &info), 0);
  EXPECT_NE(stat(Target().c_str(), &info), 0);
}

TEST_F(CsiVerbsTest, AnEmptyVolumeIsCalledEmpty) {
  node_.condition.set_abnormal(true);
  node_.condition.set_message("no agent yet");
  const CliOutcome result = Run(PublishWords());
  EXPECT_EQ(result.code, kExitFine);
  EXPECT_EQ(result.out, "empty csi-1 at " + Target() + ": no agent yet\n");
}

TEST_F(CsiVerbsTest, AMounterWithoutStatsDoesNotFailThePublish) {
  node_.stats = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no");
  EXPECT_EQ(Run(PublishWords()).code, kExitFine);
}

TEST_F(CsiVerbsTest, RefusalsArePrintedAsCodeAndMessage) {
  node_.answer = grpc::Status(grpc::StatusCode::UNAVAILABLE, "no agent\x1b[2J");
  const CliOutcome result = Run(PublishWords());
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "UNAVAILABLE: no agent\\x1b[2J\n");
}

TEST_F(CsiVerbsTest, UnpublishNamesVolumeAndTarget) {
  const CliOutcome result = Run({"unpublish", "--volume-id", "csi-1",
                                 "--target", Target(), "-o", "json"});
  EXPECT_EQ(result.code, kExitFine);
  auto fields = ParseAnyJson(result.out).struct_value().fields();
  EXPECT_EQ(fields["state"].string_value(), "unpublished");
  EXPECT_EQ(node_.unpublished.volume_id(), "csi-1");
  EXPECT_EQ(node_.unpublished.target_path(), Target());
}

TEST(CsiVerbsWithoutServerTest, SayThatNobodyListens) {
  const TempDir dir;
  const CliOutcome result =
      RunWords({"probe", "--endpoint", dir.Path("none.sock")});
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_THAT(result.err, StartsWith("UNAVAILABLE: "));
}

}  // namespace
}  // namespace oneagent

#include "csi/config.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<MounterConfig> Parse(std::vector<std::string> words,
                                    const char* csi_endpoint = nullptr) {
  words.insert(words.begin(), "oneagent-csi-mounter");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return ParseMounterConfig(static_cast<int>(argv.size()), argv.data(),
                            csi_endpoint);
}

std::vector<std::string> Required(std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"--endpoint=unix:/csi/csi.sock",
                                    "--data-dir=/data", "--node-id=node-1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(MounterConfigTest, HasTheDocumentedDefaults) {
  ASSERT_OK_AND_ASSIGN(const MounterConfig config, Parse(Required()));
  EXPECT_EQ(config.action, MounterConfig::Action::kServe);
  EXPECT_EQ(config.socket_path, "/csi/csi.sock");
  EXPECT_EQ(config.data_dir, "/data");
  EXPECT_EQ(config.kubelet_dir, "/var/lib/kubelet");
  EXPECT_EQ(config.node_id, "node-1");
  EXPECT_EQ(config.log_format, LogFormat::kText);
  EXPECT_EQ(config.log_levels, LogLevels(LogLevel::kInfo));
  EXPECT_EQ(config.max_in_flight, 20);
  EXPECT_EQ(config.max_mount_attempts, 0);
  EXPECT_TRUE(config.empty_volume_stub);
  EXPECT_EQ(config.target_check, TargetCheck::kKubelet);
  EXPECT_EQ(config.registration_dir, "");
  EXPECT_EQ(config.health_address, "");
  EXPECT_EQ(config.metrics_address, "");
  EXPECT_EQ(config.probe_timeout, absl::Seconds(3));
}

TEST(MounterConfigTest, TakesEveryFlag) {
  ASSERT_OK_AND_ASSIGN(
      const MounterConfig config,
      Parse(Required({"--kubelet-dir", "/k", "--log-format=json",
                      "--log-level=warning,volumes=debug", "--max-in-flight=7",
                      "--max-mount-attempts=3", "--empty-volume-stub=false",
                      "--target-check=any", "--registration-dir=/registration",
                      "--kubelet-socket-path=/k/plugins/csi.sock",
                      "--health-address=:9808", "--metrics-address=[::1]:80",
                      "--probe-timeout=9s"})));
  EXPECT_EQ(config.kubelet_dir, "/k");
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_EQ(config.log_levels,
            LogLevels(LogLevel::kWarning, {{"volumes", LogLevel::kDebug}}));
  EXPECT_EQ(config.max_in_flight, 7);
  EXPECT_EQ(config.max_mount_attempts, 3);
  EXPECT_FALSE(config.empty_volume_stub);
  EXPECT_EQ(config.target_check, TargetCheck::kAny);
  EXPECT_EQ(config.registration_dir, "/registration");
  EXPECT_EQ(config.kubelet_socket_path, "/k/plugins/csi.sock");
  EXPECT_EQ(config.health_address, ":9808");
  EXPECT_EQ(config.metrics_address, "[::1]:80");
  EXPECT_EQ(config.probe_timeout, absl::Seconds(9));
}

// A chart may leave the other flag where it is when it turns this one off.
TEST(MounterConfigTest, WithoutRegistrationItsOtherFlagMeansNothing) {
  ASSERT_OK_AND_ASSIGN(
      const MounterConfig config,
      Parse(Required({"--registration-dir=", "--kubelet-socket-path=x"})));
  EXPECT_EQ(config.registration_dir, "");
}

TEST(MounterConfigTest, EndpointComesFromTheEnvironmentWhereTheFlagIsAbsent) {
  const std::vector<std::string> words = {"--data-dir=/data",
                                          "--node-id=node-1"};
  ASSERT_OK_AND_ASSIGN(const MounterConfig config,
                       Parse(words, "unix:///env/csi.sock"));
  EXPECT_EQ(config.socket_path, "/env/csi.sock");
  ASSERT_OK_AND_ASSIGN(const MounterConfig both,
                       Parse(Required(), "unix:///env/csi.sock"));
  EXPECT_EQ(both.socket_path, "/csi/csi.sock");
  EXPECT_THAT(Parse(words, "tcp://x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("CSI_ENDPOINT: tcp://x: ")));
}

TEST(MounterConfigTest, RefusalNamesFlagAndValue) {
  const std::string long_id(257, 'n');
  const struct {
    std::vector<std::string> words;
    const char* want;
  } kCases[] = {
      {{"--data-dir=/d", "--node-id=n"}, "--endpoint: missing"},
      {{"--endpoint=/s", "--node-id=n"}, "--data-dir: missing"},
      {{"--endpoint=/s", "--data-dir=/d"}, "--node-id: missing"},
      {{"--endpoint=tcp://h:1", "--data-dir=/d", "--node-id=n"},
       "--endpoint: tcp://h:1: endpoint is not"},
      {Required({"--data-dir=d"}), "--data-dir=d: not an absolute path"},
      {Required({"--kubelet-dir=k"}), "--kubelet-dir=k: not an absolute path"},
      {Required({"--node-id=" + long_id}), "257 bytes, more than 256"},
      {Required({"--node-id=a b"}), "--node-id=a b: not a node's name"},
      {Required({"--max-in-flight=0"}), "--max-in-flight=0"},
      {Required({"--max-in-flight=many"}), "--max-in-flight=many"},
      {Required({"--max-mount-attempts=-1"}), "--max-mount-attempts=-1"},
      {Required({"--log-format=xml"}), "--log-format=xml"},
      {Required({"--log-level=loud"}), "--log-level=loud"},
      {Required({"--log-level=collect=info"}), "components: daemon, identity"},
      {Required({"--target-check=none"}), "--target-check=none"},
      {Required({"--registration-dir=r"}),
       "--registration-dir=r: not an absolute path"},
      {Required({"--registration-dir=/" + std::string(80, 'r')}),
       "socket path has 117 bytes, more than 107"},
      {Required({"--registration-dir=/r"}), "--kubelet-socket-path: missing"},
      {Required({"--registration-dir=/r", "--kubelet-socket-path=unix:///s"}),
       "--kubelet-socket-path=unix:///s: not an absolute path"},
      {Required({"--registration-dir=/r", "--kubelet-socket-path=/s/"}),
       "--kubelet-socket-path: /s/: endpoint is a directory"},
      {Required({"--health-address=localhost:1"}),
       "--health-address=localhost:1: host is not an IP address"},
      {Required({"--metrics-address=9090"}),
       "--metrics-address=9090: not IP:PORT or :PORT"},
      {Required({"--probe-timeout=10ms"}),
       "--probe-timeout=10ms: less than 100ms"},
      {Required({"--probe-timeout=soon"}), "--probe-timeout=soon"},
      {Required({"--unknown"}), "--unknown"},
      {Required({"serve"}), "serve: unexpected argument"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(Parse(test.words), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr(test.want)));
  }
}

TEST(MounterConfigTest, HelpAndVersionNeedNothingElse) {
  for (const char* const flag : {"--help", "-h"}) {
    ASSERT_OK_AND_ASSIGN(const MounterConfig help, Parse({flag}));
    EXPECT_EQ(help.action, MounterConfig::Action::kHelp);
  }
  ASSERT_OK_AND_ASSIGN(const MounterConfig version, Parse({"--version"}));
  EXPECT_EQ(version.action, MounterConfig::Action::kVersion);
  for (const char* flag :
       {"--endpoint", "--data-dir", "--kubelet-dir", "--node-id",
        "--log-format", "--log-level", "--max-in-flight",
        "--max-mount-attempts", "--target-check", "--registration-dir",
        "--kubelet-socket-path", "--health-address", "--metrics-address",
        "--probe-timeout"}) {
    EXPECT_THAT(MounterHelp(), HasSubstr(flag));
  }
}

}  // namespace
}  // namespace oneagent

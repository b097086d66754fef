#include "cache/provisioner/config.h"

#include <ostream>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

absl::StatusOr<ProvisionerConfig> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "oneagent-csi-provisioner");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseProvisionerConfig(static_cast<int>(words.size()), argv.data());
}

TEST(ProvisionerConfigTest, DefaultsAndFlags) {
  ASSERT_OK_AND_ASSIGN(const ProvisionerConfig plain,
                       Parse({"--data-dir=/d", "--dynakube-dir", "/m"}));
  EXPECT_EQ(plain.action, ProvisionerConfig::Action::kRun);
  EXPECT_EQ(plain.data_dir, "/d");
  EXPECT_EQ(plain.dynakube_dir, "/m");
  EXPECT_EQ(plain.grace_period, absl::Minutes(5));
  EXPECT_EQ(plain.keep_versions, 1);
  EXPECT_EQ(plain.log_format, LogFormat::kText);

  ASSERT_OK_AND_ASSIGN(
      const ProvisionerConfig all,
      Parse({"--data-dir=/d", "--dynakube-dir=/m", "--once",
             "--grace-period=0s", "--keep-versions=0", "--log-format=json",
             "--log-level=collect=debug", "--health-address=:10090",
             "--metrics-address=127.0.0.1:8090"}));
  EXPECT_EQ(all.action, ProvisionerConfig::Action::kRunOnce);
  EXPECT_EQ(all.grace_period, absl::ZeroDuration());
  EXPECT_EQ(all.keep_versions, 0);
  EXPECT_EQ(all.log_format, LogFormat::kJson);
  EXPECT_EQ(all.log_levels,
            LogLevels(LogLevel::kInfo, {{"collect", LogLevel::kDebug}}));
  EXPECT_EQ(all.health_address, ":10090");
  EXPECT_EQ(all.metrics_address, "127.0.0.1:8090");
}

TEST(ProvisionerConfigTest, AnApiServerIsASource) {
  ASSERT_OK_AND_ASSIGN(const ProvisionerConfig by_file,
                       Parse({"--data-dir=/d", "--kubeconfig=/k",
                              "--namespace=ns", "--start-jitter=0s"}));
  EXPECT_EQ(by_file.kubeconfig, "/k");
  EXPECT_EQ(by_file.namespace_name, "ns");
  EXPECT_EQ(by_file.start_jitter, absl::ZeroDuration());
  // As kubelet tells a pod.
  ASSERT_EQ(setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1), 0);
  const absl::StatusOr<ProvisionerConfig> in_pod = Parse({"--data-dir=/d"});
  ASSERT_EQ(unsetenv("KUBERNETES_SERVICE_HOST"), 0);
  ASSERT_OK(in_pod);
  EXPECT_EQ(in_pod->kubeconfig, "");
  EXPECT_EQ(in_pod->dynakube_dir, "");
  EXPECT_EQ(in_pod->start_jitter, absl::Seconds(30));
}

TEST(ProvisionerConfigTest, HelpAndVersionNeedNothingElse) {
  EXPECT_EQ(Parse({"--help"})->action, ProvisionerConfig::Action::kHelp);
  EXPECT_EQ(Parse({"-h"})->action, ProvisionerConfig::Action::kHelp);
  EXPECT_EQ(Parse({"--version"})->action, ProvisionerConfig::Action::kVersion);
}

struct BadCase {
  std::string name;
  std::vector<std::string> words;
  std::string message;
};
void PrintTo(const BadCase& c, std::ostream* out) { *out << c.name; }
class BadFlagsTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadFlagsTest, NameFlagAndValue) {
  EXPECT_THAT(Parse(GetParam().words),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr(GetParam().message)));
}

std::vector<BadCase> BadCases() {
  return {
      {"nothing", {}, "--data-dir: missing"},
      {"noSource",
       {"--data-dir=/d"},
       "no source of DynaKubes: give --dynakube-dir or --kubeconfig, or run "
       "in a pod (KUBERNETES_SERVICE_HOST is not set)"},
      {"twoSources",
       {"--data-dir=/d", "--dynakube-dir=/m", "--kubeconfig=k"},
       "--dynakube-dir and --kubeconfig: only one of them"},
      {"namespaceOfFiles",
       {"--data-dir=/d", "--dynakube-dir=/m", "--namespace=n"},
       "--namespace: not with --dynakube-dir"},
      {"proxyPassword",
       {"--data-dir=/d", "--dynakube-dir=/m", "--proxy=http://u:p@h:1"},
       "--proxy: carries credentials, which belong into the Secret"},
      {"proxyUrl",
       {"--data-dir=/d", "--dynakube-dir=/m", "--proxy=ftp://h:1"},
       "--proxy: "},
      {"jitter", {"--start-jitter=-1s"}, "--start-jitter=-1s: "},
      {"relative",
       {"--data-dir=d", "--dynakube-dir=/m"},
       "--data-dir=d: not an absolute path"},
      {"word", {"--data-dir=/d", "x"}, "x: unexpected argument"},
      {"grace", {"--grace-period=soon"}, "--grace-period=soon: "},
      {"negativeGrace", {"--grace-period=-1s"}, "--grace-period=-1s: "},
      {"versions", {"--keep-versions=-1"}, "--keep-versions=-1: "},
      {"level", {"--log-level=loud"}, "--log-level=loud: "},
      {"component", {"--log-level=node=info"}, "components: daemon, source"},
      {"format", {"--log-format=xml"}, "--log-format=xml: "},
      {"health",
       {"--health-address=host:1"},
       "--health-address=host:1: host is not an IP address"},
      {"metrics", {"--metrics-address=:x"}, "--metrics-address=:x: not a port"},
      {"unknown", {"--nonsense"}, "--nonsense"},
  };
}

INSTANTIATE_TEST_SUITE_P(Flags, BadFlagsTest, testing::ValuesIn(BadCases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace oneagent

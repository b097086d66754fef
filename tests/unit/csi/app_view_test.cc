#include "csi/app_view.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

const Layout& TheLayout() {
  static const Layout* const kLayout = new Layout("/d,a:t\\a x");
  return *kLayout;
}

MountEntry Entry(const std::string& super_options) {
  return {.id = 1,
          .parent_id = 0,
          .root = "/",
          .mount_point = "/t",
          .options = "rw",
          .fs_type = "overlay",
          .source = kMountSource,
          .super_options = super_options};
}

VolumeRow RowOf(const std::string& id, const std::string& agent_id) {
  VolumeRow row;
  row.id = id;
  row.agent_id = agent_id;
  return row;
}

TEST(LayersOfTest, NamesWhatIsThere) {
  const Layout layout("/data");
  VolumeRow row = RowOf("v", "a1");
  EXPECT_EQ(LayersOf(layout, row, /*has_pod_layer=*/false),
            (AppLayers{.upper = "/data/volumes/v/upper",
                       .work = "/data/volumes/v/work",
                       .pod = "",
                       .config = "",
                       .agent = "/data/agents/a1"}));
  row.config_id = "c1";
  row.read_only = true;
  EXPECT_EQ(LayersOf(layout, row, /*has_pod_layer=*/true),
            (AppLayers{.upper = "",
                       .work = "",
                       .pod = "/data/volumes/v/pod",
                       .config = "/data/configs/c1",
                       .agent = "/data/agents/a1"}));
}

TEST(RecognizeAppTest, ReadsOptionsAsKernelsWriteThem) {
  const Layout layout("/data");
  const struct {
    const char* name;
    const char* options;
    ShownApp want;
  } kCases[] = {
      {"layers one by one",
       "rw,lowerdir+=/data/volumes/v/pod,lowerdir+=/data/configs/c1,"
       "lowerdir+=/data/agents/a1,upperdir=/data/volumes/v/upper,"
       "workdir=/data/volumes/v/work,volatile",
       {"v", "a1", "c1", false}},
      {"one list",
       "rw,lowerdir=/data/configs/c1:/data/agents/a1,"
       "upperdir=/data/volumes/v/upper,workdir=/data/volumes/v/work",
       {"v", "a1", "c1", false}},
      {"read-only",
       "ro,lowerdir=/data/agents/a1:/data/empty",
       {"", "a1", "", true}},
      {"read-only with a pod layer",
       "ro,lowerdir=/data/volumes/v/pod:/data/agents/a1",
       {"v", "a1", "", true}},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(RecognizeApp(layout, Entry(test.options)), test.want)
        << test.name;
  }
}

TEST(RecognizeAppTest, UnderstandsEscapedDataDirectories) {
  EXPECT_EQ(RecognizeApp(TheLayout(),
                         Entry("rw,lowerdir=/d\\134,a\\134:t\\134\\134a\\040x/"
                               "agents/a1,upperdir=/d\\134,a:t\\134\\134a"
                               "\\040x/volumes/v/upper")),
            (ShownApp{"v", "a1", "", false}));
}

TEST(RecognizeAppTest, IgnoresWhatIsNotOurs) {
  const Layout layout("/data");
  MountEntry entry = Entry("rw,lowerdir=/data/agents/a1");
  EXPECT_TRUE(RecognizeApp(layout, entry).has_value());
  entry.source = "overlay";
  EXPECT_FALSE(RecognizeApp(layout, entry).has_value());
  entry = Entry("rw,lowerdir=/data/agents/a1");
  entry.fs_type = "ext4";
  EXPECT_FALSE(RecognizeApp(layout, entry).has_value());
  EXPECT_FALSE(
      RecognizeApp(layout, Entry("rw,lowerdir=/var/agents/a1")).has_value());
}

}  // namespace
}  // namespace oneagent

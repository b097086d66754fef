#include "cache/index/layout.h"

#include <sys/stat.h>

#include <string>

#include "base/durable_file.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::ElementsAre;

TEST(LayoutTest, EveryPathIsWhereTheTreeSays) {
  const Layout layout("/data/");
  const std::pair<std::string, const char*> kCases[] = {
      {layout.data_dir(), "/data"},
      {layout.IndexFile(), "/data/index.db"},
      {layout.IndexLock(), "/data/index.lock"},
      {layout.AgentsDir(), "/data/agents"},
      {layout.AgentTree("a1"), "/data/agents/a1"},
      {layout.AgentManifest("a1"), "/data/agents/a1.json"},
      {layout.ConfigsDir(), "/data/configs"},
      {layout.ConfigTree("c1"), "/data/configs/c1"},
      {layout.ConfigManifest("c1"), "/data/configs/c1.json"},
      {layout.TenantsDir(), "/data/tenants"},
      {layout.TenantRecord("dk"), "/data/tenants/dk.json"},
      {layout.VolumesDir(), "/data/volumes"},
      {layout.VolumeDir("v"), "/data/volumes/v"},
      {layout.VolumeRecord("v"), "/data/volumes/v/volume.json"},
      {layout.VolumePodLayer("v"), "/data/volumes/v/pod"},
      {layout.VolumeUpper("v"), "/data/volumes/v/upper"},
      {layout.VolumeWork("v"), "/data/volumes/v/work"},
      {layout.HostDir(), "/data/host"},
      {layout.HostStorage("dk.1"), "/data/host/dk.1"},
      {layout.HostRecord("dk.1"), "/data/host/dk.1.json"},
      {layout.SkeletonDir(), "/data/skeleton"},
      {layout.StagingDir(), "/data/staging"},
      {layout.StagingPart("a1"), "/data/staging/a1.part"},
      {layout.StagingTree("a1"), "/data/staging/a1"},
      {layout.TrashAgents(), "/data/trash/agents"},
      {layout.TrashVolumes(), "/data/trash/volumes"},
  };
  for (const auto& [path, want] : kCases) EXPECT_EQ(path, want);
  EXPECT_EQ(Layout("/").data_dir(), "/");
}

uint32_t Mode(const std::string& path) {
  struct stat info;
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST(LayoutTest, EachOwnerMakesItsOwnDirectories) {
  TempDir dir;
  const Layout layout(dir.Path("data"));
  ASSERT_OK(layout.Prepare(Owner::kMounter));
  EXPECT_THAT(
      ListDirectory(layout.data_dir()),
      IsOkAndHolds(ElementsAre("host", "skeleton", "trash", "volumes")));
  EXPECT_THAT(ListDirectory(layout.data_dir() + "/trash"),
              IsOkAndHolds(ElementsAre("volumes")));
  ASSERT_OK(layout.Prepare(Owner::kProvisioner));
  ASSERT_OK(layout.Prepare(Owner::kProvisioner));
  EXPECT_THAT(
      ListDirectory(layout.data_dir()),
      IsOkAndHolds(ElementsAre("agents", "configs", "host", "skeleton",
                               "staging", "tenants", "trash", "volumes")));
  for (const std::string& path :
       {layout.data_dir(), layout.VolumesDir(), layout.HostDir(),
        layout.TrashVolumes(), layout.AgentsDir(), layout.ConfigsDir(),
        layout.TenantsDir(), layout.StagingDir(), layout.TrashAgents()}) {
    EXPECT_EQ(Mode(path), 0700U) << path;
  }
  EXPECT_EQ(Mode(layout.SkeletonDir()), 0755U);
}

TEST(LayoutTest, ExistingDataDirectoryBecomesPrivate) {
  TempDir dir;
  const Layout layout(dir.MakeDir("data"));
  ASSERT_EQ(chmod(layout.data_dir().c_str(), 0755), 0);
  ASSERT_OK(layout.Prepare(Owner::kProvisioner));
  EXPECT_EQ(Mode(layout.data_dir()), 0700U);
}

TEST(LayoutTest, FileInTheWayIsSaid) {
  TempDir dir;
  dir.WriteFile("agents", "");
  EXPECT_THAT(Layout(dir.path()).Prepare(Owner::kProvisioner),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       testing::HasSubstr("/agents")));
}

TEST(LayoutTest, VolumeIds) {
  for (const std::string& good :
       {std::string("csi-0123abcdef"), std::string("a"), std::string("A.b_c-9"),
        std::string(128, 'x')}) {
    EXPECT_TRUE(IsVolumeId(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string(".a"),
        std::string("a/b"), std::string("a b"), std::string("a\n"),
        std::string("a\0b", 3), std::string("\xc3\xbc"),
        std::string(129, 'x')}) {
    EXPECT_FALSE(IsVolumeId(bad)) << bad;
  }
}

TEST(LayoutTest, DynaKubeNames) {
  for (const std::string& good : {std::string("a"), std::string("dynakube"),
                                  std::string("a-1"), std::string(63, 'a')}) {
    EXPECT_TRUE(IsDns1035Label(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("1a"), std::string("-a"), std::string("a-"),
        std::string("A"), std::string("a.b"), std::string("a_b"),
        std::string("a/b"), std::string(64, 'a'), std::string("a\n")}) {
    EXPECT_FALSE(IsDns1035Label(bad)) << bad;
  }
}

}  // namespace
}  // namespace oneagent

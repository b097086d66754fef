// Archives that lie, are damaged, or want out: each is refused by name, and
// nothing outside of the destination changes.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "cache/store/unpack.h"
#include "gtest/gtest.h"
#include "tests/support/archive_builder.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/bare_process.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const testing::Environment* const kBare = BareProcess::Install();

class HostileArchiveTest : public testing::Test {
 protected:
  HostileArchiveTest() { dir_.WriteFile("victim/file", "untouched"); }
  ~HostileArchiveTest() override {
    EXPECT_EQ(ReadTestFile(dir_.Path("victim/file")), "untouched");
    EXPECT_THAT(ListDirectory(dir_.Path("victim")),
                IsOkAndHolds(ElementsAre("file")));
  }

  absl::Status Unpack(const std::string& bytes,
                      const UnpackLimits& limits = {}) {
    const std::string archive = dir_.WriteFile("in/archive", bytes);
    const std::string tree = dir_.Path(absl::StrCat("in/tree", ++trees_));
    return UnpackArchive(archive, tree, limits, nullptr).status();
  }
  // That it is refused, by InvalidArgument naming the archive and `what`.
  void ExpectRefused(const std::string& bytes, const std::string& what,
                     const UnpackLimits& limits = {}) {
    EXPECT_THAT(
        Unpack(bytes, limits),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr(dir_.Path("in/archive")), HasSubstr(what))));
  }

  LeakCheck leaks_;
  TempDir dir_;
  int trees_ = 0;
};

TEST_F(HostileArchiveTest, PathsThatLeaveTheTree) {
  for (const ArchiveFormat format :
       {ArchiveFormat::kZip, ArchiveFormat::kTar}) {
    for (const std::string& path :
         {std::string("../victim/new"), std::string("a/../../victim/new"),
          dir_.Path("victim/new"), std::string("a/..")}) {
      ExpectRefused(ArchiveBuilder().File(path, "x").Build(format), path);
    }
  }
}

TEST_F(HostileArchiveTest, LinksThatLeaveTheTree) {
  for (const ArchiveFormat format :
       {ArchiveFormat::kZip, ArchiveFormat::kTar}) {
    for (const std::string& target : {std::string("../../victim"),
                                      dir_.Path("victim"), std::string("..")}) {
      ExpectRefused(ArchiveBuilder().Symlink("l", target).Build(format),
                    "l: symbolic link");
    }
  }
  // Inside of the archive, but outside of what becomes the tree.
  ExpectRefused(ArchiveBuilder()
                    .File("etc/passwd", "x")
                    .File("opt/dynatrace/oneagent/a", "x")
                    .Symlink("opt/dynatrace/oneagent/l", "../../../etc/passwd")
                    .Build(ArchiveFormat::kTar),
                "leaves the tree");
}

TEST_F(HostileArchiveTest, ChainsOfLinksThatWouldLeadOut) {
  ExpectRefused(ArchiveBuilder()
                    .Directory("a/b/c")
                    .Symlink("near", "a/b/c")
                    .Symlink("out", "near/../../../../victim")
                    .Build(ArchiveFormat::kTar),
                "out: symbolic link leaves the tree");
}

TEST_F(HostileArchiveTest, EntriesThroughALink) {
  for (const ArchiveFormat format :
       {ArchiveFormat::kZip, ArchiveFormat::kTar}) {
    ExpectRefused(ArchiveBuilder()
                      .Directory("real")
                      .Symlink("l", "real")
                      .File("l/new", "x")
                      .Build(format),
                  "l/new: stands below a symbolic link");
    ExpectRefused(
        ArchiveBuilder().Symlink("l", "real").File("l", "x").Build(format),
        "l: stands over a symbolic link");
    ExpectRefused(ArchiveBuilder()
                      .Directory("real")
                      .Symlink("l", "real")
                      .Directory("l")
                      .Build(format),
                  "stands over a symbolic link");
  }
}

TEST_F(HostileArchiveTest, EntriesOverOthers) {
  ExpectRefused(ArchiveBuilder()
                    .File("f", "1")
                    .File("./f", "2")
                    .Build(ArchiveFormat::kTar),
                "stands over a file");
  ExpectRefused(ArchiveBuilder()
                    .File("d/f", "1")
                    .File("d", "2")
                    .Build(ArchiveFormat::kTar),
                "d: stands over a directory");
  ExpectRefused(ArchiveBuilder()
                    .File("f", "1")
                    .File("f/g", "2")
                    .Build(ArchiveFormat::kTar),
                "f/g: stands below a file");
  ExpectRefused(ArchiveBuilder()
                    .File("log", "not a directory")
                    .Build(ArchiveFormat::kTar),
                "log: stands over a file");
}

TEST_F(HostileArchiveTest, HardLinksToAnythingButEarlierFiles) {
  for (const std::string& target :
       {dir_.Path("victim/file"), std::string("../victim/file"),
        std::string("later"), std::string("l"), std::string("d")}) {
    ExpectRefused(ArchiveBuilder()
                      .Symlink("l", "f")
                      .Directory("d")
                      .HardLink("h", target)
                      .File("later", "x")
                      .Build(ArchiveFormat::kTar),
                  "h: ");
  }
}

TEST_F(HostileArchiveTest, SpecialFiles) {
  ExpectRefused(ArchiveBuilder().Fifo("p").Build(ArchiveFormat::kTar),
                "p: neither file");
  ExpectRefused(ArchiveBuilder().Device("null").Build(ArchiveFormat::kTar),
                "null: neither file");
}

TEST_F(HostileArchiveTest, NamesAreEscapedInMessages) {
  ExpectRefused(
      ArchiveBuilder().File("a\nERROR forged", "x").Build(ArchiveFormat::kTar),
      "a\\nERROR forged: name has a control character");
}

TEST_F(HostileArchiveTest, ContentThatDoesNotMatchItsChecksum) {
  const ArchiveBuilder archive =
      ArchiveBuilder().File("first", "1").File("agent/x", "needle");
  std::string zip = archive.Build(ArchiveFormat::kZipStored);
  zip[zip.find("needle")] ^= 1;
  ExpectRefused(zip, "agent/x: ZIP bad CRC");
}

TEST_F(HostileArchiveTest, DamagedCompressedTars) {
  // Incompressible, so that the damage hits content and not the decoder.
  std::string noise;
  for (int i = 0; i < 20000; ++i) {
    noise.push_back(static_cast<char>(i * i % 251));
  }
  const ArchiveBuilder archive = ArchiveBuilder().File("a", noise);
  for (const ArchiveFormat format :
       {ArchiveFormat::kTarGzip, ArchiveFormat::kTarXz}) {
    const std::string good = archive.Build(format);
    ASSERT_OK(Unpack(good));
    // The trailer carries the checksum: gzip's CRC, xz's index and footer.
    for (const size_t from_end : {size_t{6}, size_t{12}, good.size() / 2}) {
      std::string bad = good;
      bad[bad.size() - from_end] ^= 0x10;
      EXPECT_THAT(Unpack(bad), StatusIs(absl::StatusCode::kInvalidArgument))
          << from_end << " bytes before the end";
    }
  }
}

TEST_F(HostileArchiveTest, EveryTruncation) {
  ArchiveBuilder archive;
  archive.File("agent/a", std::string(700, 'a')).File("agent/b", "b");
  for (const ArchiveFormat format :
       {ArchiveFormat::kZip, ArchiveFormat::kZipStored, ArchiveFormat::kZip64,
        ArchiveFormat::kTar, ArchiveFormat::kTarGzip, ArchiveFormat::kTarXz,
        ArchiveFormat::kTarZstd}) {
    const std::string whole = archive.Build(format);
    // A tar may lack its second end block and still be whole.
    const size_t needed =
        format == ArchiveFormat::kTar ? whole.size() - 1024 : whole.size() - 1;
    const size_t step = std::max<size_t>(1, needed / 60);
    for (size_t size = needed; size < whole.size(); size -= step) {
      EXPECT_THAT(Unpack(whole.substr(0, size)),
                  StatusIs(absl::StatusCode::kInvalidArgument))
          << "format " << static_cast<int>(format) << " cut to " << size
          << " of " << whole.size();
      if (size < step) break;
    }
  }
}

TEST_F(HostileArchiveTest, TarCutBetweenTwoEntries) {
  const std::string tar =
      ArchiveBuilder().File("a", "1").File("b", "2").Build(ArchiveFormat::kTar);
  ASSERT_EQ(tar.size(), 2048u + 1024u);
  ExpectRefused(tar.substr(0, 1024), "after a: truncated tar");
  ExpectRefused(tar.substr(0, 2048), "after b: truncated tar");
}

TEST_F(HostileArchiveTest, WhatIsNoArchive) {
  ExpectRefused("", "Unrecognized archive format");
  ExpectRefused("<html>Service unavailable</html>",
                "Unrecognized archive format");
  ExpectRefused(std::string(4096, '\0'), "holds no files");
  ExpectRefused(ArchiveBuilder().Directory("d").Build(ArchiveFormat::kTar),
                "holds no files");
}

TEST_F(HostileArchiveTest, BombsAreStoppedWhileTheyAreWritten) {
  const std::string bomb(5 << 20, '\0');
  ExpectRefused(ArchiveBuilder().File("a", "1").File("b", bomb).Build(
                    ArchiveFormat::kZip),
                "b: unpacks to more than 1048576 bytes",
                {.max_bytes = 1 << 20});
  ArchiveBuilder many;
  for (int i = 0; i < 20; ++i) many.File(absl::StrCat("d", i, "/f"), "x");
  // 20 files and their 20 directories.
  const std::string zip = many.Build(ArchiveFormat::kZip);
  EXPECT_OK(Unpack(zip, {.max_entries = 41}));  // and log/
  ExpectRefused(zip, "more than 39 entries", {.max_entries = 39});
  ExpectRefused(zip, "d10/f: name is longer than 4 bytes", {.max_path = 4});
  ExpectRefused(zip, "bytes of names", {.max_name_bytes = 40});
  ArchiveBuilder roots;
  for (int i = 0; i < 20; ++i) roots.Directory("./");
  ExpectRefused(roots.Build(ArchiveFormat::kTar), "more than 10 entries",
                {.max_entries = 10});
}

}  // namespace
}  // namespace oneagent

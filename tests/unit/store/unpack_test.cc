// Unpacking honest archives: content, modes, layout, every format.
#include "cache/store/unpack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/sha256.h"
#include "base/trash.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/support/archive_builder.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/bare_process.h"
#include "tests/unit/store/tree_text.h"

namespace oneagent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const testing::Environment* const kBare = BareProcess::Install();

// Bytes that do not compress and differ by seed.
std::string Noise(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  uint64_t x = seed * 2654435761u + 1;
  for (char& c : bytes) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    c = static_cast<char>(x);
  }
  return bytes;
}

class UnpackTest : public testing::Test {
 protected:
  absl::StatusOr<UnpackedTree> Unpack(const ArchiveBuilder& archive,
                                      ArchiveFormat format,
                                      const UnpackLimits& limits = {}) {
    archive.Write(format, dir_.Path("archive"));
    return UnpackFile(limits);
  }
  absl::StatusOr<UnpackedTree> UnpackFile(const UnpackLimits& limits = {}) {
    absl::StatusOr<UnpackedTree> tree =
        UnpackArchive(dir_.Path("archive"), Tree(), limits,
                      [this](int64_t done, int64_t total) {
                        progress_.emplace_back(done, total);
                      });
    if (tree.ok()) {
      const absl::StatusOr<UnpackedTree> seen = DescribeTree(Tree());
      EXPECT_OK(seen);
      if (seen.ok()) {
        EXPECT_EQ(FullText(*tree), FullText(*seen));
      }
    }
    return tree;
  }
  std::string Tree() const { return dir_.Path("tree"); }
  std::string Content(const std::string& path) const {
    return ReadTestFile(Tree() + "/" + path);
  }

  LeakCheck leaks_;
  TempDir dir_;
  std::vector<std::pair<int64_t, int64_t>> progress_;
};

struct FormatCase {
  const char* name;
  ArchiveFormat format;
};

class EveryFormat : public UnpackTest,
                    public testing::WithParamInterface<FormatCase> {};

INSTANTIATE_TEST_SUITE_P(
    Unpack, EveryFormat,
    testing::Values(FormatCase{"Zip", ArchiveFormat::kZip},
                    FormatCase{"ZipStored", ArchiveFormat::kZipStored},
                    FormatCase{"Zip64", ArchiveFormat::kZip64},
                    FormatCase{"Tar", ArchiveFormat::kTar},
                    FormatCase{"TarGzip", ArchiveFormat::kTarGzip},
                    FormatCase{"TarXz", ArchiveFormat::kTarXz},
                    FormatCase{"TarZstd", ArchiveFormat::kTarZstd}),
    [](const auto& test) { return test.param.name; });

TEST_P(EveryFormat, GivesTheContentThatWasPacked) {
  // More than two batches of writeback.
  std::string large;
  for (uint32_t i = 0; i < 18; ++i) large += Noise(1 << 20, i % 2);
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder()
                                  .Directory("agent")
                                  .File("agent/large", large, 0755)
                                  .File("agent/empty", "")
                                  .File("agent/text", "hello\n")
                                  .Symlink("agent/link", "text"),
                              GetParam().format));
  EXPECT_EQ(tree.files, 3);
  EXPECT_EQ(tree.bytes, static_cast<int64_t>(large.size()) + 6);
  EXPECT_THAT(
      TreeText(tree),
      ElementsAre("d 755 agent", "f 644 agent/empty", "f 755 agent/large",
                  "l agent/link -> text", "f 644 agent/text", "d 1777 log"));
  EXPECT_EQ(Sha256Hex(Content("agent/large")), Sha256Hex(large));
  EXPECT_EQ(tree.entries[2].sha256(), Sha256Hex(large));
  EXPECT_EQ(Content("agent/empty"), "");
  EXPECT_EQ(Content("agent/link"), "hello\n");
}

TEST_P(EveryFormat, NeedsNoDirectoryEntries) {
  ASSERT_OK_AND_ASSIGN(
      const UnpackedTree tree,
      Unpack(ArchiveBuilder().File("a/b/c/d", "x", 0600), GetParam().format));
  EXPECT_THAT(TreeText(tree), ElementsAre("d 755 a", "d 755 a/b", "d 755 a/b/c",
                                          "f 644 a/b/c/d", "d 1777 log"));
}

TEST_P(EveryFormat, KeepsNamesBeyondAscii) {
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder().File("gr\xc3\xbc\xc3\x9f", "x"),
                              GetParam().format));
  EXPECT_THAT(TreeText(tree), Contains("f 644 gr\xc3\xbc\xc3\x9f"));
}

TEST_P(EveryFormat, ReportsProgressUpToTheEnd) {
  ASSERT_OK(
      Unpack(ArchiveBuilder().File("a", Noise(3 << 20, 2)), GetParam().format));
  ASSERT_GE(progress_.size(), 3u);
  int64_t last = 0;
  for (const auto& [done, total] : progress_) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
  }
  EXPECT_EQ(progress_.back().first, progress_.back().second);
}

TEST_F(UnpackTest, DirectoriesAreOpenWhateverTheArchiveSays) {
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder()
                                  .Directory("a", 0)
                                  .File("a/f", "x", 04755)
                                  .Directory("a/b", 02700)
                                  .Directory("log", 0700)
                                  .File("log/old", "x", 06777)
                                  .Directory("a"),
                              ArchiveFormat::kTar));
  EXPECT_THAT(TreeText(tree), ElementsAre("d 755 a", "d 755 a/b", "f 755 a/f",
                                          "d 1777 log", "f 755 log/old"));
}

TEST_F(UnpackTest, ModesDoNotDependOnTheUmask) {
  const mode_t old = umask(077);
  const auto tree = Unpack(ArchiveBuilder()
                               .File("agent/conf/a.conf", "x")
                               .File("agent/conf/sub/b", "x")
                               .File("bin/tool", "x", 0100),
                           ArchiveFormat::kZip);
  umask(old);
  ASSERT_OK(tree);
  EXPECT_THAT(
      TreeText(*tree),
      ElementsAre("d 755 agent", "d 755 agent/conf", "f 666 agent/conf/a.conf",
                  "d 755 agent/conf/sub", "f 644 agent/conf/sub/b", "d 755 bin",
                  "f 755 bin/tool", "d 1777 log"));
  struct stat info;
  ASSERT_EQ(stat(Tree().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST_F(UnpackTest, InstalledHostsPrefixIsStripped) {
  ASSERT_OK_AND_ASSIGN(
      const UnpackedTree tree,
      Unpack(ArchiveBuilder()
                 .File("etc/dropped", "x")
                 .File("opt/dynatrace/oneagent/agent/conf/a.conf", "x")
                 .Directory("opt/dynatrace/oneagent/log")
                 .Symlink("opt/dynatrace/oneagent/agent/up", "../log")
                 .File("opt/dropped", "x"),
             ArchiveFormat::kZip));
  EXPECT_THAT(
      TreeText(tree),
      ElementsAre("d 755 agent", "d 755 agent/conf", "f 666 agent/conf/a.conf",
                  "l agent/up -> ../log", "d 1777 log"));
  EXPECT_THAT(ListDirectory(dir_.path()),
              IsOkAndHolds(ElementsAre("archive", "tree")));
}

TEST_F(UnpackTest, EmptyPrefixChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder()
                                  .Directory("opt/dynatrace/oneagent")
                                  .File("agent/a", "x"),
                              ArchiveFormat::kTar));
  EXPECT_THAT(TreeText(tree), Contains("f 644 agent/a"));
}

TEST_F(UnpackTest, OneDirectoryAroundEverythingIsLifted) {
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder()
                                  .File("oneagent-1.2/agent/conf/a.conf", "x")
                                  .Directory("oneagent-1.2/log")
                                  .Symlink("oneagent-1.2/agent/up", "../log")
                                  .File("oneagent-1.2/manifest.json", "{}"),
                              ArchiveFormat::kZip));
  EXPECT_THAT(
      TreeText(tree),
      ElementsAre("d 755 agent", "d 755 agent/conf", "f 666 agent/conf/a.conf",
                  "l agent/up -> ../log", "d 1777 log", "f 644 manifest.json"));
  struct stat info;
  ASSERT_EQ(stat((Tree() + "/log").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 01777u);
  EXPECT_THAT(ListDirectory(dir_.path()),
              IsOkAndHolds(ElementsAre("archive", "tree")));
}

TEST_F(UnpackTest, ALinkThatLeavesTheLiftedTreeIsRefused) {
  EXPECT_THAT(Unpack(ArchiveBuilder()
                         .File("top/agent/a", "x")
                         .Symlink("top/link", "../etc"),
                     ArchiveFormat::kZip),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("symbolic link leaves the tree")));
}

TEST_F(UnpackTest, OneOfSeveralDirectoriesIsNotLifted) {
  ASSERT_OK_AND_ASSIGN(
      const UnpackedTree tree,
      Unpack(ArchiveBuilder().File("one/agent/a", "x").File("two/agent/a", "x"),
             ArchiveFormat::kZip));
  EXPECT_THAT(TreeText(tree), Contains("f 644 one/agent/a"));
}

TEST_F(UnpackTest, CurrentIsTheVersionThatTheAgentSays) {
  for (const auto& [says, current] :
       std::vector<std::pair<std::string, std::string>>{
           {"1.2.0.2-3\n", "1.2.0.2-3"},
           {"9.9.9.9-9", "1.1.0.2-3"},
           {"../../etc", "1.1.0.2-3"},
           {std::string(1000, '1'), "1.1.0.2-3"}}) {
    ASSERT_OK(DeleteTree(Tree()));
    ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                         Unpack(ArchiveBuilder()
                                    .File("agent/installer.version", says)
                                    .File("agent/bin/1.1.0.2-3/x", "x")
                                    .File("agent/bin/1.2.0.2-3/x", "x"),
                                ArchiveFormat::kZip));
    EXPECT_THAT(TreeText(tree), Contains("l agent/bin/current -> " + current))
        << says;
  }
}

TEST_F(UnpackTest, CurrentPointsToTheFirstVersionDirectory) {
  ASSERT_OK_AND_ASSIGN(
      const UnpackedTree tree,
      Unpack(ArchiveBuilder()
                 .File("opt/dynatrace/oneagent/agent/bin/1.10.0.2-3/x", "x")
                 .File("opt/dynatrace/oneagent/agent/bin/1.1.0.2-3/x", "new")
                 .File("opt/dynatrace/oneagent/agent/bin/0.tool", "x"),
             ArchiveFormat::kZip));
  EXPECT_THAT(TreeText(tree), Contains("l agent/bin/current -> 1.1.0.2-3"));
  EXPECT_EQ(Content("agent/bin/current/x"), "new");
}

TEST_F(UnpackTest, CurrentOfTheArchiveIsKept) {
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder()
                                  .File("agent/bin/1.1.0.2-3/x", "x")
                                  .File("agent/bin/1.2.0.2-3/x", "x")
                                  .Symlink("agent/bin/current", "1.2.0.2-3"),
                              ArchiveFormat::kZip));
  EXPECT_THAT(TreeText(tree), Contains("l agent/bin/current -> 1.2.0.2-3"));
}

TEST_F(UnpackTest, HardLinksShareTheirFile) {
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(ArchiveBuilder()
                                  .File("a/one", "same", 0755)
                                  .HardLink("b/two", "./a/one"),
                              ArchiveFormat::kTar));
  EXPECT_EQ(tree.files, 2);
  EXPECT_EQ(tree.bytes, 8);
  struct stat one;
  struct stat two;
  ASSERT_EQ(stat((Tree() + "/a/one").c_str(), &one), 0);
  ASSERT_EQ(stat((Tree() + "/b/two").c_str(), &two), 0);
  EXPECT_EQ(one.st_ino, two.st_ino);
}

TEST_F(UnpackTest, ManySmallFilesPassTheWritebackBatches) {
  ArchiveBuilder archive;
  for (int i = 0; i < 1000; ++i) {
    archive.File(absl::StrCat("d", i % 7, "/f", i), Noise(30'000, 3));
  }
  ASSERT_OK_AND_ASSIGN(const UnpackedTree tree,
                       Unpack(archive, ArchiveFormat::kZip));
  EXPECT_EQ(tree.files, 1000);
}

// Bytes of a file that the page cache holds.
int64_t CachedBytes(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!fd.ok() || fstat(fd.get(), &info) != 0 || info.st_size == 0) return 0;
  const auto size = static_cast<size_t>(info.st_size);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* const map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  EXPECT_NE(map, MAP_FAILED);
  std::vector<unsigned char> pages((size + page - 1) / page);
  EXPECT_EQ(mincore(map, size, pages.data()), 0);
  munmap(map, size);
  int64_t cached = 0;
  for (const unsigned char resident : pages) cached += resident & 1;
  return cached * static_cast<int64_t>(page);
}

TEST_F(UnpackTest, TreeDoesNotStayInThePageCache) {
  // Not below /tmp, which may be the page cache itself.
  std::string directory = "/var/tmp/oa.XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  ArchiveBuilder archive;
  archive.File("large", std::string(40 << 20, 'x'));
  for (int i = 0; i < 400; ++i) {
    archive.File(absl::StrCat("f", i), std::string(100 << 10, 'y'));
  }
  archive.Write(ArchiveFormat::kZip, directory + "/archive");
  const auto tree =
      UnpackArchive(directory + "/archive", directory + "/tree", {}, nullptr);
  EXPECT_OK(tree);
  int64_t cached = 0;
  for (const v1::TreeEntry& entry : tree->entries) {
    if (entry.type() != v1::TreeEntry::FILE) continue;
    cached += CachedBytes(directory + "/tree/" + entry.path());
  }
  EXPECT_OK(DeleteTree(directory));
  // Two batches of 8 MiB and one of up to 128 small files, of 80 MiB.
  EXPECT_LT(cached, 32 << 20);
}

TEST_F(UnpackTest, ExistingDestinationIsLeftAlone) {
  dir_.WriteFile("tree/mine", "x");
  EXPECT_THAT(Unpack(ArchiveBuilder().File("a", "x"), ArchiveFormat::kZip),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Content("mine"), "x");
}

TEST_F(UnpackTest, MissingArchiveIsNotFound) {
  EXPECT_THAT(UnpackFile(), StatusIs(absl::StatusCode::kNotFound,
                                     HasSubstr(dir_.Path("archive"))));
}

TEST_F(UnpackTest, FullDiskIsResourceExhaustedAndNamesThePath) {
  const std::string tree = absl::StrCat(kTinyDisk, "/tree");
  ArchiveBuilder()
      .File("agent/lib", Noise(1 << 20, 4))
      .Write(ArchiveFormat::kZip, dir_.Path("archive"));
  EXPECT_THAT(UnpackArchive(dir_.Path("archive"), tree, {}, nullptr),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       testing::AllOf(HasSubstr(tree + "/agent/lib"),
                                      HasSubstr("No space left"))));
  ASSERT_OK(DeleteTree(tree));
}

}  // namespace
}  // namespace oneagent

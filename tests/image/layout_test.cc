// What is in the image, and that nothing else is.
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/image/image_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Names = std::set<std::string>;

class LayoutTest : public ImageFixture {
 protected:
  std::string SbomFile() const {
    return absl::StrCat(root(), "/usr/share/doc/oneagent-csi/sbom.spdx.json");
  }

  // Lines that a jq program makes of the SBOM.
  Names Sbom(const std::string& program) const {
    const ProgramResult result =
        RunProgram({"/usr/bin/jq", "--raw-output", program, SbomFile()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  }

  // Source packages that the SBOM calls linked into a program.
  Names Linked(absl::string_view how, absl::string_view program) const {
    return Sbom(absl::StrCat(
        R"(.relationships[] | select(.relationshipType == ")", how,
        R"(" and .spdxElementId == "SPDXRef-file-)", program,
        R"(") | .relatedSpdxElement | sub("SPDXRef-source-"; ""))"));
  }
};

// Who can be executed: no shell, no package manager, nothing besides.
TEST_F(LayoutTest, ThreeProgramsAndTheLoaderCanBeExecuted) {
  std::vector<std::string> executable;
  for (const std::string& file : Files()) {
    const auto mode = std::filesystem::status(root() + file).permissions();
    if ((mode & std::filesystem::perms::others_exec) !=
        std::filesystem::perms::none) {
      executable.push_back(file);
    }
    EXPECT_EQ(mode & std::filesystem::perms::set_uid,
              std::filesystem::perms::none)
        << file;
  }
  EXPECT_THAT(executable, ElementsAre(HasSubstr("/ld-linux"), kCliProgram,
                                      kMounterProgram, kProvisionerProgram));
}

TEST_F(LayoutTest, BesidesProgramsItHoldsWhatTheLoaderLoadsAndSomeText) {
  Names files = Files();
  Names needed;
  for (const char* const program :
       {kMounterProgram, kProvisionerProgram, kCliProgram}) {
    needed.merge(LoadedBy(program));
    files.erase(program);
  }
  Names libraries;
  std::vector<std::string> others;
  for (const std::string& file : files) {
    if (absl::StartsWith(file, "/lib")) {
      libraries.insert(file);
    } else if (!absl::StartsWith(file, "/usr/share/common-licenses/") &&
               !absl::EndsWith(file, "/copyright")) {
      others.push_back(file);
    }
  }
  EXPECT_EQ(libraries, needed);
  EXPECT_THAT(
      others,
      ElementsAre("/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt",
                  "/usr/share/doc/oneagent-csi/sbom.spdx.json"));
}

TEST_F(LayoutTest, TheMounterLoadsNothingOfTheNetworkAndNoCryptography) {
  for (const char* const program : {kMounterProgram, kCliProgram}) {
    for (const std::string& library : LoadedBy(program)) {
      for (const char* const unwanted :
           {"curl", "ssl", "crypto", "gnutls", "krb5", "archive", "icu"}) {
        EXPECT_FALSE(absl::StrContains(library, unwanted))
            << program << " loads " << library;
      }
    }
  }
}

TEST_F(LayoutTest, EveryProgramSaysWhatItIsInTheImageAlone) {
  for (const std::string program :
       {kMounterProgram, kProvisionerProgram, kCliProgram}) {
    const std::string name = program.substr(program.rfind('/') + 1);
    const ProgramResult version = RunInImage({program, "--version"});
    EXPECT_EQ(version.exit_code, 0) << version.err;
    EXPECT_EQ(version.out, absl::StrCat(name, " ", ONEAGENT_VERSION, "\n"));
    const ProgramResult help = RunInImage({program, "--help"});
    EXPECT_EQ(help.exit_code, 0) << help.err;
    EXPECT_THAT(help.out, HasSubstr(name));
  }
}

TEST_F(LayoutTest, NothingSaysWhereOrWhenItWasBuilt) {
  for (const std::string program :
       {kMounterProgram, kProvisionerProgram, kCliProgram}) {
    EXPECT_FALSE(absl::StrContains(ReadTestFile(root() + program),
                                   absl::StrCat(ONEAGENT_SOURCE_DIR, "/")))
        << program;
  }
  const auto any = std::filesystem::last_write_time(root());
  for (const std::string& file : Files()) {
    EXPECT_EQ(std::filesystem::last_write_time(root() + file), any) << file;
  }
}

// And none that only the machine trusts that built it.
TEST_F(LayoutTest, ItTrustsTheCertificatesOfDebiansPackage) {
  std::string debian;
  Names files;
  for (const auto& entry : std::filesystem::directory_iterator(
           "/usr/share/ca-certificates/mozilla")) {
    files.insert(entry.path());
  }
  for (const std::string& file : files) debian += ReadTestFile(file);
  EXPECT_THAT(debian, HasSubstr("-----BEGIN CERTIFICATE-----"));
  EXPECT_EQ(ReadTestFile(root() + "/etc/ssl/certs/ca-certificates.crt"),
            debian);
}

TEST_F(LayoutTest, SizesAreHeldAgainstTheLimits) {
  const ProgramResult fits = RunScript("sizes.sh", {root()});
  EXPECT_EQ(fits.exit_code, 0) << fits.out;
  std::ofstream(root() + "/filler").close();
  std::filesystem::resize_file(root() + "/filler", 60'000'000);
  const ProgramResult large = RunScript("sizes.sh", {root()});
  EXPECT_EQ(large.exit_code, 1) << large.out;
  std::filesystem::remove(root() + "/filler");
  std::filesystem::resize_file(root() + kMounterProgram, 20'000'000);
  const ProgramResult large_mounter = RunScript("sizes.sh", {root()});
  EXPECT_EQ(large_mounter.exit_code, 1) << large_mounter.out;
}

TEST_F(LayoutTest, TheSbomNamesEveryLoadedLibraryAndNoOther) {
  const Names dynamic =
      Sbom(R"(.packages[].comment // "" | split("\n")[] | )"
           R"(select(startswith("dynamic: ")) | split(" ")[1])");
  Names libraries;
  for (const std::string& file : Files()) {
    if (absl::StartsWith(file, "/lib")) libraries.insert(file);
  }
  EXPECT_EQ(dynamic, libraries);
}

// A source that is linked in from now on belongs into this list.
TEST_F(LayoutTest, TheSbomNamesWhatIsLinkedIntoEachProgram) {
  EXPECT_EQ(Linked("STATIC_LINK", "oneagent-csi-mounter"),
            (Names{"abseil", "gcc-12", "glibc", "grpc", "libmicrohttpd",
                   "nettle", "protobuf", "sqlite3"}));
  EXPECT_EQ(
      Linked("STATIC_LINK", "oneagent-csi-provisioner"),
      (Names{"abseil", "bzip2", "gcc-12", "glibc", "libarchive",
             "libmicrohttpd", "nettle", "protobuf", "sqlite3", "xz-utils"}));
  EXPECT_EQ(Linked("STATIC_LINK", "oneagent-csi"),
            (Names{"abseil", "bzip2", "gcc-12", "glibc", "grpc", "libarchive",
                   "nettle", "protobuf", "sqlite3", "xz-utils"}));
  EXPECT_EQ(Linked("DYNAMIC_LINK", "oneagent-csi-mounter"),
            (Names{"c-ares", "gcc-12", "glibc", "libcap-ng", "prometheus-cpp",
                   "zlib"}));
}

TEST_F(LayoutTest, TheSbomHasDebiansVersionsAndTheProgramsDigests) {
  Names versions;
  for (const std::string& row : Sbom(
           R"(.packages[] | select(.supplier) | .name + " " + .versionInfo)")) {
    versions.insert(row);
  }
  ASSERT_FALSE(versions.empty());
  const ProgramResult known =
      RunProgram({"/usr/bin/dpkg-query", "--show",
                  "--showformat=${source:Package} ${source:Version}\n"});
  const Names debian = absl::StrSplit(known.out, '\n');
  for (const std::string& version : versions) {
    EXPECT_TRUE(debian.contains(version)) << version;
  }
  for (const std::string& row :
       Sbom(R"(.files[] | .fileName + " " + .checksums[1].checksumValue)")) {
    const std::vector<std::string> words = absl::StrSplit(row, ' ');
    EXPECT_EQ(Sha256Hex(ReadTestFile(absl::StrCat(root(), words[0].substr(1)))),
              words[1]);
  }
}

TEST_F(LayoutTest, EverySourceInTheSbomHasItsLicenceInTheImage) {
  const Names sources = Sbom(R"(.packages[].name)");
  EXPECT_TRUE(sources.contains("grpc"));
  for (const std::string& source : sources) {
    EXPECT_TRUE(std::filesystem::exists(
        absl::StrCat(root(), "/usr/share/doc/", source, "/copyright")))
        << source;
  }
}

TEST_F(LayoutTest, PackedTwiceItIsTheSameArchiveWithTheDockerfilesSettings) {
  std::vector<std::string> digests;
  for (const char* const output : {"one", "two"}) {
    const ProgramResult packed =
        RunScript("pack.sh", {root(), dir().Path(output), "oneagent-csi:test"});
    ASSERT_EQ(packed.exit_code, 0) << packed.out << packed.err;
    digests.push_back(Sha256Hex(
        ReadTestFile(dir().Path(absl::StrCat(output, "/oneagent-csi.tar")))));
  }
  EXPECT_EQ(digests[0], digests[1]);
  const std::string archive =
      absl::StrCat("docker-archive:", dir().Path("one/oneagent-csi.tar"));
  const ProgramResult config =
      RunProgram({"/usr/bin/skopeo", "inspect", "--config", archive});
  EXPECT_EQ(config.exit_code, 0) << config.err;
  for (const char* const setting :
       {R"("User": "0:0")", R"("PATH=/usr/bin")",
        R"("org.opencontainers.image.licenses": "Apache-2.0")",
        R"("org.opencontainers.image.version": "1.2.3")",
        R"("org.opencontainers.image.revision": "0123456789abcdef")",
        R"("org.opencontainers.image.created": "2023-11-14T22:13:20Z")"}) {
    EXPECT_THAT(config.out, HasSubstr(setting));
  }
}

}  // namespace
}  // namespace oneagent

// The image's files laid out from this build, as .ci/image/layout.sh does it
// for the Dockerfile and for `./dev image`.
#ifndef TESTS_IMAGE_IMAGE_FIXTURE_H_
#define TESTS_IMAGE_IMAGE_FIXTURE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

class ImageFixture : public testing::Test {
 protected:
  // Lays the image out, once for all tests of the program; each has a copy.
  static void SetUpTestSuite();
  void SetUp() override;

  const TempDir& dir() const { return dir_; }
  TempDir& dir() { return dir_; }
  std::string root() const { return dir_.Path("root"); }

  // One of .ci/image's scripts with the identity of a release.
  static ProgramResult RunScript(absl::string_view name,
                                 const std::vector<std::string>& arguments);
  // A program of the image, which sees the image's files only.
  std::vector<std::string> InImage(std::vector<std::string> argv) const;
  ProgramResult RunInImage(const std::vector<std::string>& argv) const;
  // What the image's own loader loads for it there, itself included.
  std::set<std::string> LoadedBy(const std::string& program) const;
  // Every file, as paths of the image.
  std::set<std::string> Files() const;

 private:
  static TempDir* layout_;
  TempDir dir_;
};

inline constexpr char kMounterProgram[] = "/usr/bin/oneagent-csi-mounter";
inline constexpr char kProvisionerProgram[] =
    "/usr/bin/oneagent-csi-provisioner";
inline constexpr char kCliProgram[] = "/usr/bin/oneagent-csi";

}  // namespace oneagent

#endif  // TESTS_IMAGE_IMAGE_FIXTURE_H_

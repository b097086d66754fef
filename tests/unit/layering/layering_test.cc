// The folders' allowed edges, checked by reading every #include. What is
// allowed is written in DESIGN.md ("Who may see whom").
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

const std::map<std::string, std::set<std::string>>& AllowedEdges() {
  static const auto* const kEdges =
      new std::map<std::string, std::set<std::string>>{
          {"proto", {}},
          {"base", {}},
          {"overlay", {"base"}},
          {"cache/conf", {"base"}},
          {"cache/index", {"base", "proto"}},
          {"cache/store", {"base", "proto", "cache/index"}},
          {"cache/http", {"base"}},
          {"cache/source", {"base", "proto", "cache/conf", "cache/http"}},
          {"cache/kube", {"base", "proto", "cache/conf", "cache/http"}},
          {"cache/collect", {"base", "cache/index", "cache/store"}},
          {"cache/provisioner",
           {"base", "proto", "cache/conf", "cache/index", "cache/store",
            "cache/http", "cache/source", "cache/kube", "cache/collect"}},
          {"cache/inspect",
           {"base", "proto", "cache/index", "cache/store", "cache/collect",
            "overlay/mount_table.h", "csi/volume_verdict.h"}},
          {"csi", {"base", "proto", "overlay", "cache/index", "cache/conf"}},
      };
  return *kEdges;
}

struct Include {
  std::string file;  // relative to the source root
  std::string path;  // what stands between the quotes
};

std::vector<Include> QuotedIncludes() {
  std::vector<Include> found;
  const std::filesystem::path root = ONEAGENT_SOURCE_DIR;
  for (const char* const top : {"proto", "base", "overlay", "cache", "csi"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        absl::string_view rest = line;
        if (!absl::ConsumePrefix(&rest, "#include \"")) continue;
        found.push_back({std::filesystem::relative(entry.path(), root),
                         std::string(rest.substr(0, rest.find('"')))});
      }
    }
  }
  return found;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool IsOurs(const std::string& path) {
  for (const auto& [folder, edges] : AllowedEdges()) {
    if (absl::StartsWith(path, absl::StrCat(folder, "/"))) return true;
  }
  return false;
}

TEST(LayeringTest, EveryIncludeIsAnAllowedEdge) {
  const std::vector<Include> includes = QuotedIncludes();
  EXPECT_GT(includes.size(), 100u);
  for (const Include& include : includes) {
    if (!IsOurs(include.path)) continue;
    const std::string from = FolderOf(include.file);
    const std::string to = FolderOf(include.path);
    if (from == to) continue;
    const auto edges = AllowedEdges().find(from);
    ASSERT_NE(edges, AllowedEdges().end()) << include.file;
    EXPECT_TRUE(edges->second.contains(to) ||
                edges->second.contains(include.path))
        << include.file << " includes " << include.path;
  }
}

TEST(LayeringTest, OnlyTheServicesOfCsiAndTheClientSeeGrpc) {
  const std::set<std::string> may = {
      "csi/grpc_status.cc",      "csi/grpc_status.h",
      "csi/identity_client.cc",  "csi/registration_service.cc",
      "csi/identity_service.cc", "csi/identity_service.h",
      "csi/node_service.cc",     "csi/node_service.h",
      "csi/server.cc",           "cache/inspect/csi_calls.cc"};
  const std::filesystem::path root = ONEAGENT_SOURCE_DIR;
  for (const char* const top : {"proto", "base", "overlay", "cache", "csi"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      const std::string file = std::filesystem::relative(entry.path(), root);
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        if (absl::StrContains(line, "#include <grpc") ||
            absl::StrContains(line, ".grpc.pb.h\"")) {
          EXPECT_TRUE(may.contains(file)) << file << ": " << line;
        }
      }
    }
  }
}

// curl and libarchive stay out of the privileged process.
TEST(LayeringTest, NoNetworkAndNoArchiveCodeInTheMounter) {
  const std::filesystem::path root = ONEAGENT_SOURCE_DIR;
  for (const char* const top :
       {"base", "overlay", "csi", "cache/index", "cache/conf"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root / top)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        EXPECT_FALSE(absl::StartsWith(line, "#include <curl") ||
                     absl::StartsWith(line, "#include <archive"))
            << entry.path() << ": " << line;
      }
    }
  }
}

}  // namespace
}  // namespace oneagent

#include "tests/support/temp_dir.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace oneagent {

TempDir::TempDir() {
  std::string pattern = "/tmp/oa.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) abort();
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  EXPECT_FALSE(error) << path_ << ": " << error.message();
}

std::string TempDir::Path(absl::string_view relative) const {
  return absl::StrCat(path_, "/", relative);
}

std::string TempDir::WriteFile(absl::string_view relative,
                               absl::string_view content) {
  const std::string path = Path(relative);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(),
                                      error);
  std::ofstream out(path, std::ios::binary);
  out << content;
  out.close();
  EXPECT_TRUE(out.good()) << path;
  return path;
}

std::string TempDir::MakeDir(absl::string_view relative) {
  const std::string path = Path(relative);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  EXPECT_FALSE(error) << path << ": " << error.message();
  return path;
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  EXPECT_TRUE(in.good()) << path;
  return content.str();
}

}  // namespace oneagent

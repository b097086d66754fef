// DescribeTree of unpack.h: a walk by paths relative to one descriptor, so that
// neither links nor depth matter.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/confined_path.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cache/store/unpack.h"

namespace oneagent {
namespace {

class TreeReader {
 public:
  TreeReader(const std::string& root, UniqueFd root_fd)
      : root_(root), root_fd_(std::move(root_fd)), buffer_(256 << 10) {}

  absl::StatusOr<UnpackedTree> Read() {
    std::vector<std::string> directories = {""};
    while (!directories.empty()) {
      const std::string directory = std::move(directories.back());
      directories.pop_back();
      RETURN_IF_ERROR(Annotate(ReadDirectory(directory, &directories), root_));
    }
    std::sort(tree_.entries.begin(), tree_.entries.end(),
              [](const v1::TreeEntry& a, const v1::TreeEntry& b) {
                return a.path() < b.path();
              });
    return std::move(tree_);
  }

 private:
  struct CloseDirectory {
    void operator()(DIR* dir) const { closedir(dir); }
  };

  absl::Status ReadDirectory(const std::string& directory,
                             std::vector<std::string>* directories) {
    ASSIGN_OR_RETURN(
        UniqueFd fd,
        OpenBeneath(root_fd_.get(), directory.empty() ? "." : directory,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const std::unique_ptr<DIR, CloseDirectory> dir(fdopendir(fd.get()));
    if (dir == nullptr) {
      return PosixStatus(absl::StrCat("read ", directory), errno);
    }
    const int dir_fd = fd.Release();  // closed by dir
    while (const struct dirent* const found = readdir(dir.get())) {
      const std::string name = found->d_name;
      if (name == "." || name == "..") continue;
      v1::TreeEntry entry;
      entry.set_path(directory.empty() ? name
                                       : absl::StrCat(directory, "/", name));
      RETURN_IF_ERROR(Describe(dir_fd, name, &entry));
      if (entry.type() == v1::TreeEntry::DIRECTORY) {
        directories->push_back(entry.path());
      }
      tree_.entries.push_back(std::move(entry));
    }
    return absl::OkStatus();
  }

  absl::Status Describe(int dir_fd, const std::string& name,
                        v1::TreeEntry* entry) {
    struct stat info;
    if (fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return PosixStatus(absl::StrCat("stat ", entry->path()), errno);
    }
    if (S_ISLNK(info.st_mode)) return DescribeLink(dir_fd, name, entry);
    entry->set_mode(info.st_mode & 07777);
    if (S_ISDIR(info.st_mode)) entry->set_type(v1::TreeEntry::DIRECTORY);
    // Anything else keeps the unspecified type: no manifest has it.
    if (!S_ISREG(info.st_mode)) return absl::OkStatus();
    return DescribeFile(dir_fd, name, entry);
  }

  static absl::Status DescribeLink(int dir_fd, const std::string& name,
                                   v1::TreeEntry* entry) {
    std::string target(4096, '\0');
    const ssize_t n =
        readlinkat(dir_fd, name.c_str(), target.data(), target.size());
    if (n < 0) {
      return PosixStatus(absl::StrCat("readlink ", entry->path()), errno);
    }
    target.resize(static_cast<size_t>(n));
    entry->set_type(v1::TreeEntry::SYMLINK);
    entry->set_link_target(target);
    return absl::OkStatus();
  }

  absl::Status DescribeFile(int dir_fd, const std::string& name,
                            v1::TreeEntry* entry) {
    const UniqueFd fd(openat(dir_fd, name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.ok()) {
      return PosixStatus(absl::StrCat("open ", entry->path()), errno);
    }
    Sha256 hasher;
    int64_t size = 0;
    for (;;) {
      const ssize_t n = read(fd.get(), buffer_.data(), buffer_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return PosixStatus(absl::StrCat("read ", entry->path()), errno);
      }
      if (n == 0) break;
      hasher.Update({buffer_.data(), static_cast<size_t>(n)});
      size += n;
    }
    entry->set_type(v1::TreeEntry::FILE);
    entry->set_size(size);
    entry->set_sha256(hasher.HexDigest());
    ++tree_.files;
    tree_.bytes += size;
    return absl::OkStatus();
  }

  const std::string root_;
  const UniqueFd root_fd_;
  std::vector<char> buffer_;
  UnpackedTree tree_;
};

}  // namespace

absl::StatusOr<UnpackedTree> DescribeTree(const std::string& root) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(root));
  return TreeReader(root, std::move(fd)).Read();
}

}  // namespace oneagent

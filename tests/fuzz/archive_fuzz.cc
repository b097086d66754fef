// Whatever an archive holds: it is unpacked into its tree, as described and
// with no link that leads out, or refused in one line; nothing beside the tree
// ever changes.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/trash.h"
#include "base/unique_fd.h"
#include "cache/store/unpack.h"

namespace {

using oneagent::DeleteTree;
using oneagent::UnpackedTree;

void Check(bool holds) {
  if (!holds) abort();
}

// A directory of this process, in memory where that is possible, deleted at
// its end.
class Sandbox {
 public:
  Sandbox() {
    for (std::string pattern : {"/dev/shm/oa.XXXXXX", "/tmp/oa.XXXXXX"}) {
      if (mkdtemp(pattern.data()) == nullptr) continue;
      path_ = pattern;
      return;
    }
    abort();
  }
  ~Sandbox() { (void)DeleteTree(path_); }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  std::string Path(const char* name) const {
    return absl::StrCat(path_, "/", name);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Does the kernel, following links, ever leave the tree?
void CheckLink(int root, const std::string& path) {
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH;
  const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
  Check(fd >= 0 || errno != EXDEV);
  if (fd >= 0) close(static_cast<int>(fd));
}

void CheckTree(const std::string& root, const UnpackedTree& tree) {
  const absl::StatusOr<UnpackedTree> seen = oneagent::DescribeTree(root);
  Check(seen.ok());
  Check(seen->files == tree.files && seen->bytes == tree.bytes);
  Check(seen->entries.size() == tree.entries.size());
  const absl::StatusOr<oneagent::UniqueFd> fd = oneagent::OpenDirectory(root);
  Check(fd.ok());
  for (size_t i = 0; i < tree.entries.size(); ++i) {
    Check(seen->entries[i].SerializeAsString() ==
          tree.entries[i].SerializeAsString());
    if (tree.entries[i].type() == oneagent::v1::TreeEntry::SYMLINK) {
      CheckLink(fd->get(), tree.entries[i].path());
    }
  }
}

void CheckRefusal(const absl::Status& status) {
  Check(absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status));
  for (const char c : status.message()) {
    Check(static_cast<unsigned char>(c) >= 0x20);
  }
  Check(status.message().size() < 6000);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Sandbox* const kSandbox = new Sandbox;
  static const bool kCleaned =
      atexit([] { (void)DeleteTree(kSandbox->path()); }) == 0;
  Check(kCleaned);
  const std::string archive = kSandbox->Path("archive");
  const std::string root = kSandbox->Path("tree");
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  Check(oneagent::WriteFileAtomically(archive, bytes, 0600,
                                      oneagent::Durability::kNoSync)
            .ok());
  const absl::StatusOr<UnpackedTree> tree = oneagent::UnpackArchive(
      archive, root,
      {.max_bytes = 16 << 20, .max_entries = 1000, .max_name_bytes = 1 << 18},
      nullptr);
  if (tree.ok()) {
    CheckTree(root, *tree);
  } else {
    CheckRefusal(tree.status());
  }
  Check(DeleteTree(root).ok());
  Check(DeleteTree(root + ".lifted").ok());
  const auto names = oneagent::ListDirectory(kSandbox->path());
  Check(names.ok() && *names == std::vector<std::string>{"archive"});
  return 0;
}

#include "cache/store/tree_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/confined_path.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "cache/store/entry_path.h"

namespace oneagent {
namespace {

constexpr char kCurrentLink[] = "agent/bin/current";
constexpr char kBinPrefix[] = "agent/bin/";
constexpr char kVersionFile[] = "agent/installer.version";
constexpr size_t kLongestVersion = 128;

const char* NameOfType(v1::TreeEntry::Type type) {
  if (type == v1::TreeEntry::DIRECTORY) return "a directory";
  if (type == v1::TreeEntry::SYMLINK) return "a symbolic link";
  return "a file";
}

bool IsFile(const v1::TreeEntry& entry) {
  return entry.type() == v1::TreeEntry::FILE;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TreeWriter>> TreeWriter::Create(
    std::string root, const UnpackLimits& limits) {
  if (mkdir(root.c_str(), 0700) != 0) {
    return PosixStatus(absl::StrCat("mkdir ", root), errno);
  }
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(root));
  if (fchmod(fd.get(), DirectoryMode("")) != 0) {
    return PosixStatus(absl::StrCat("chmod ", root), errno);
  }
  return std::unique_ptr<TreeWriter>(
      new TreeWriter(std::move(root), std::move(fd), limits));
}

TreeWriter::TreeWriter(std::string root, UniqueFd root_fd,
                       const UnpackLimits& limits)
    : root_(std::move(root)), limits_(limits), root_fd_(std::move(root_fd)) {}

std::string TreeWriter::Full(absl::string_view path) const {
  return absl::StrCat(root_, "/", path);
}

absl::Status TreeWriter::InTree(const absl::Status& status) const {
  return Annotate(status, root_);
}

absl::StatusOr<UniqueFd> TreeWriter::OpenParent(const std::string& path) const {
  const std::string parent(ParentOf(path));
  absl::StatusOr<UniqueFd> fd =
      OpenBeneath(root_fd_.get(), parent.empty() ? "." : parent,
                  O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!fd.ok()) return InTree(fd.status());
  return fd;
}

absl::StatusOr<v1::TreeEntry*> TreeWriter::Insert(const std::string& path,
                                                  v1::TreeEntry::Type type) {
  const auto found = entries_.find(path);
  if (found != entries_.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stands over ", NameOfType(found->second.type()), " of the same path"));
  }
  const std::string parent(ParentOf(path));
  if (!parent.empty()) RETURN_IF_ERROR(EnsureDirectory(parent));
  name_bytes_ += static_cast<int64_t>(path.size());
  if (static_cast<int64_t>(entries_.size()) >= limits_.max_entries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "more than ", limits_.max_entries, " entries in the archive"));
  }
  if (name_bytes_ > limits_.max_name_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", limits_.max_name_bytes, " bytes of names"));
  }
  v1::TreeEntry& entry = entries_[path];
  entry.set_type(type);
  return &entry;
}

absl::Status TreeWriter::EnsureDirectory(const std::string& path) {
  const auto found = entries_.find(path);
  if (found != entries_.end()) {
    if (found->second.type() == v1::TreeEntry::DIRECTORY) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("stands below ", NameOfType(found->second.type()), ": ",
                     Printable(path)));
  }
  ASSIGN_OR_RETURN(v1::TreeEntry* const entry,
                   Insert(path, v1::TreeEntry::DIRECTORY));
  const uint32_t mode = DirectoryMode(TreePath(path));
  entry->set_mode(mode);
  ASSIGN_OR_RETURN(const UniqueFd parent, OpenParent(path));
  if (mkdirat(parent.get(), std::string(NameOf(path)).c_str(), 0700) != 0) {
    return PosixStatus(absl::StrCat("mkdir ", Full(path)), errno);
  }
  absl::StatusOr<UniqueFd> fd =
      OpenBeneath(root_fd_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd.ok()) return InTree(fd.status());
  if (fchmod(fd->get(), mode) != 0) {  // mkdir's mode is cut by the umask
    return PosixStatus(absl::StrCat("chmod ", Full(path)), errno);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::AddDirectory(const std::string& path) {
  const auto found = entries_.find(path);
  if (found != entries_.end() &&
      found->second.type() != v1::TreeEntry::DIRECTORY) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stands over ", NameOfType(found->second.type()), " of the same path"));
  }
  return EnsureDirectory(path);
}

absl::Status TreeWriter::AddSymlink(const std::string& path,
                                    const std::string& target) {
  RETURN_IF_ERROR(CheckLinkTarget(TreePath(path), target));
  ASSIGN_OR_RETURN(v1::TreeEntry* const entry,
                   Insert(path, v1::TreeEntry::SYMLINK));
  name_bytes_ += static_cast<int64_t>(target.size());
  entry->set_link_target(target);
  ASSIGN_OR_RETURN(const UniqueFd parent, OpenParent(path));
  if (symlinkat(target.c_str(), parent.get(),
                std::string(NameOf(path)).c_str()) != 0) {
    return PosixStatus(absl::StrCat("symlink ", Full(path)), errno);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::AddHardLink(const std::string& path,
                                     const std::string& existing) {
  const auto found = entries_.find(existing);
  if (found == entries_.end() || !IsFile(found->second)) {
    return absl::InvalidArgumentError(
        absl::StrCat("hard link to what is no earlier file of the archive: ",
                     Printable(existing)));
  }
  ASSIGN_OR_RETURN(v1::TreeEntry* const entry,
                   Insert(path, v1::TreeEntry::FILE));
  *entry = found->second;
  ASSIGN_OR_RETURN(const UniqueFd old_parent, OpenParent(existing));
  ASSIGN_OR_RETURN(const UniqueFd new_parent, OpenParent(path));
  if (linkat(old_parent.get(), std::string(NameOf(existing)).c_str(),
             new_parent.get(), std::string(NameOf(path)).c_str(), 0) != 0) {
    return PosixStatus(absl::StrCat("link ", Full(path)), errno);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::BeginFile(const std::string& path, uint32_t mode) {
  ASSIGN_OR_RETURN(v1::TreeEntry* const entry,
                   Insert(path, v1::TreeEntry::FILE));
  entry->set_mode(mode);
  absl::StatusOr<UniqueFd> fd =
      OpenBeneath(root_fd_.get(), path,
                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, /*mode=*/0600);
  if (!fd.ok()) return InTree(fd.status());
  if (fchmod(fd->get(), mode) != 0) {
    return PosixStatus(absl::StrCat("chmod ", Full(path)), errno);
  }
  file_ = std::make_unique<OpenFile>();
  file_->path = path;
  file_->fd = *std::move(fd);
  return absl::OkStatus();
}

absl::Status TreeWriter::Append(absl::string_view bytes) {
  written_ += static_cast<int64_t>(bytes.size());
  if (written_ > limits_.max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("unpacks to more than ", limits_.max_bytes, " bytes"));
  }
  file_->hasher.Update(bytes);
  while (!bytes.empty()) {
    const ssize_t n = write(file_->fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return PosixStatus(absl::StrCat("write ", Full(file_->path)), errno);
    }
    bytes.remove_prefix(static_cast<size_t>(n));
    file_->size += n;
  }
  writeback_.Grow(file_->fd.get(), file_->size);
  return absl::OkStatus();
}

void TreeWriter::EndFile() {
  const std::unique_ptr<OpenFile> file = std::move(file_);
  v1::TreeEntry& entry = entries_[file->path];
  entry.set_size(file->size);
  entry.set_sha256(file->hasher.HexDigest());
  writeback_.Close(std::move(file->fd), file->size);
}

// "" when nothing is to be lifted.
std::string TreeWriter::PrefixToLift() const {
  const auto has_content = [this](absl::string_view prefix) {
    return std::any_of(
        entries_.begin(), entries_.end(), [prefix](const auto& each) {
          return IsBelow(each.first, prefix) && IsFile(each.second);
        });
  };
  if (has_content(kArchivePrefix)) return std::string(kArchivePrefix);
  if (entries_.empty()) return "";
  // As tools pack it that put a directory around everything.
  const std::string& first = entries_.begin()->first;
  const std::string top = first.substr(0, first.find('/'));
  const bool is_alone =
      std::all_of(entries_.begin(), entries_.end(), [&top](const auto& each) {
        return each.first == top || IsBelow(each.first, top);
      });
  const bool holds_agent = has_content(absl::StrCat(top, "/agent"));
  return is_alone && holds_agent && top != "agent" ? top : "";
}

absl::Status TreeWriter::LiftPrefix(const std::string& prefix) {
  const std::string inner = Full(prefix);
  const std::string lifted = absl::StrCat(root_, ".lifted");
  RETURN_IF_ERROR(DeleteTree(lifted));
  if (rename(inner.c_str(), lifted.c_str()) != 0) {
    return PosixStatus(absl::StrCat("rename ", inner, " -> ", lifted), errno);
  }
  root_fd_.Reset();
  RETURN_IF_ERROR(DeleteTree(root_));
  if (rename(lifted.c_str(), root_.c_str()) != 0) {
    return PosixStatus(absl::StrCat("rename ", lifted, " -> ", root_), errno);
  }
  ASSIGN_OR_RETURN(root_fd_, OpenDirectory(root_));
  std::map<std::string, v1::TreeEntry> below;
  for (auto& [path, entry] : entries_) {
    if (!IsBelow(path, prefix)) continue;
    const std::string lifted_path = path.substr(prefix.size() + 1);
    RETURN_IF_ERROR(Annotate(FitLifted(lifted_path, entry), Printable(path)));
    below[lifted_path] = std::move(entry);
  }
  entries_ = std::move(below);
  return absl::OkStatus();
}

// Modes, and how far a link may lead, go by where an entry stands in the end.
absl::Status TreeWriter::FitLifted(const std::string& path,
                                   v1::TreeEntry& entry) {
  if (entry.type() == v1::TreeEntry::SYMLINK) {
    return CheckLinkTarget(path, entry.link_target());
  }
  const uint32_t mode = IsFile(entry)
                            ? FileMode(path, (entry.mode() & 0100) != 0)
                            : DirectoryMode(path);
  if (mode == entry.mode()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const UniqueFd fd,
                   OpenBeneath(root_fd_.get(), path, O_RDONLY | O_NOFOLLOW));
  if (fchmod(fd.get(), mode) != 0) {
    return PosixStatus(absl::StrCat("chmod ", Full(path)), errno);
  }
  entry.set_mode(mode);
  return absl::OkStatus();
}

absl::StatusOr<std::string> TreeWriter::ReadSmallFile(const std::string& path,
                                                      size_t most) const {
  const auto found = entries_.find(path);
  if (found == entries_.end() || !IsFile(found->second) ||
      found->second.size() > static_cast<int64_t>(most)) {
    return std::string();
  }
  ASSIGN_OR_RETURN(const UniqueFd fd,
                   OpenBeneath(root_fd_.get(), path, O_RDONLY | O_NOFOLLOW));
  std::string content(most, '\0');
  const ssize_t size = read(fd.get(), content.data(), content.size());
  if (size < 0) return PosixStatus(absl::StrCat("read ", Full(path)), errno);
  content.resize(static_cast<size_t>(size));
  return content;
}

// The version that the agent says it has, where it says one that is there; else
// the first.
absl::StatusOr<std::string> TreeWriter::CurrentVersion() const {
  std::string first;
  ASSIGN_OR_RETURN(std::string own,
                   ReadSmallFile(kVersionFile, kLongestVersion));
  absl::StripAsciiWhitespace(&own);
  for (auto it = entries_.lower_bound(kBinPrefix);
       it != entries_.end() && absl::StartsWith(it->first, kBinPrefix); ++it) {
    const std::string name = it->first.substr(sizeof(kBinPrefix) - 1);
    if (it->second.type() != v1::TreeEntry::DIRECTORY ||
        !IsVersionDirectoryName(name)) {
      continue;
    }
    if (name == own) return name;
    if (first.empty()) first = name;
  }
  return first;
}

absl::Status TreeWriter::CompleteAgent() {
  const std::string prefix = PrefixToLift();
  if (!prefix.empty()) RETURN_IF_ERROR(LiftPrefix(prefix));
  absl::Status log = AddDirectory("log");
  if (!log.ok()) return Annotate(log, "log");
  if (entries_.contains(kCurrentLink)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string current, CurrentVersion());
  return current.empty() ? absl::OkStatus() : AddSymlink(kCurrentLink, current);
}

UnpackedTree TreeWriter::Describe() {
  UnpackedTree tree;
  tree.entries.reserve(entries_.size());
  for (auto& [path, entry] : entries_) {
    entry.set_path(path);
    if (IsFile(entry)) {
      ++tree.files;
      tree.bytes += entry.size();
    }
    tree.entries.push_back(std::move(entry));
  }
  entries_.clear();
  return tree;
}

}  // namespace oneagent

// Takes one HTTP response apart as it arrives, line by line and piece by
// piece: decides whether its body goes to the file or to memory, whether a
// continued file may be continued, and when it is enough. Knows no libcurl.
// Used by one thread at a time.
#ifndef CACHE_SOURCE_RESPONSE_READER_H_
#define CACHE_SOURCE_RESPONSE_READER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/source/download_file.h"
#include "cache/source/fetch.h"

namespace oneagent {

class ResponseReader {
 public:
  // Why OnHeaderLine or OnBody said "no more".
  enum class Verdict {
    kFine,
    kEnough,         // a refusal's body has been read far enough
    kUnusableRange,  // the server cannot continue this file
    kFailed,         // failure()
  };

  // Borrowed, must outlive the reader; `file` is nullptr when the body is kept
  // in memory. `resumed`: the request asked for the rest of `file`.
  ResponseReader(const FetchRequest& request, DownloadFile* file, bool resumed)
      : request_(request), file_(file), resumed_(resumed) {}

  // Both return false when the response is not to be read any further. A line
  // comes with its end; status lines of interim responses may come first.
  bool OnHeaderLine(absl::string_view line);
  bool OnBody(absl::string_view bytes);

  Verdict verdict() const { return verdict_; }
  int http_status() const { return status_; }  // 0: none has come
  const absl::Status& failure() const { return failure_; }

  // The answer, once everything has come. A file that is complete has status
  // 200, in however many pieces it came. Unavailable when it is not complete.
  absl::StatusOr<FetchResult> Finish();

 private:
  bool OnHeadersComplete();
  bool BeginFile();
  void KeepInMemory();
  bool ContinueFile();
  bool CheckNothingIsLeft();
  bool Stop(Verdict verdict);
  bool Check(absl::Status status);
  bool TooLarge();
  void ReportProgress() const;
  // Empty when there is none.
  absl::string_view Header(const std::string& name) const;
  // Of what OnBody gets, which is decoded; -1: unknown.
  int64_t ContentLength() const;
  bool IsEncoded() const;

  const FetchRequest& request_;
  DownloadFile* const file_;
  const bool resumed_;

  Verdict verdict_ = Verdict::kFine;
  absl::Status failure_;
  size_t header_bytes_ = 0;
  int status_ = 0;
  std::map<std::string, std::string> headers_;
  bool in_body_ = false;  // header lines are trailers now
  bool to_file_ = false;
  bool is_page_ = false;
  int64_t total_ = 0;  // size of the whole file; 0: unknown
  int64_t body_limit_ = 0;
  std::string body_;
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_RESPONSE_READER_H_

// Early return for absl::Status and absl::StatusOr. The only macros we have.
//
//   RETURN_IF_ERROR(WriteAll(fd, bytes));
//   ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
#ifndef BASE_STATUS_MACROS_H_
#define BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define ONEAGENT_CONCAT_INNER(a, b) a##b
#define ONEAGENT_CONCAT(a, b) ONEAGENT_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    absl::Status oneagent_status = (expr);             \
    if (!oneagent_status.ok()) return oneagent_status; \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_INNER(ONEAGENT_CONCAT(oneagent_or_, __LINE__), lhs, expr)

#define ASSIGN_OR_RETURN_INNER(tmp, lhs, expr)   \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)

#endif  // BASE_STATUS_MACROS_H_

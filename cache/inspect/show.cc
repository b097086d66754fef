// show ID.
#include <memory>
#include <string>
#include <variant>

#include "base/status_macros.h"
#include "cache/inspect/details.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/verbs.h"

namespace oneagent {

VerbResult RunShow(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Index> index,
                   OpenForReading(it.data_dir));
  Rows rows;
  ASSIGN_OR_RETURN(rows.agents, index->ListAgents());
  ASSIGN_OR_RETURN(rows.configs, index->ListConfigs());
  ASSIGN_OR_RETURN(rows.volumes, index->ListVolumes());
  ASSIGN_OR_RETURN(rows.tenants, index->ListTenants());
  ASSIGN_OR_RETURN(const Shown shown, FindShown(rows, it.words.front()));
  const Layout layout(it.data_dir);
  std::visit(
      [&](const auto& row) {
        const auto detail = DetailOf(row, rows, layout);
        if (it.output == Output::kJson) {
          console.out << JsonObject(detail) << "\n";
        } else {
          console.out << FormatFields(FieldsOf(detail));
        }
      },
      shown);
  return kExitFine;
}

}  // namespace oneagent

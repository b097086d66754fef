# Abseil, Protobuf and gRPC from the distribution's archives: loading and
# relocating their fifty shared libraries takes longer than all that the mounter
# does before its first answer. glibc, OpenSSL and SQLite stay shared.
#
# All or nothing in one program: a second copy of Abseil behind a shared library
# would have globals of its own. So it is done to all imported targets.
get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
list(FILTER imported INCLUDE REGEX "^(absl|gRPC|protobuf)::")
foreach(target IN LISTS imported)
  get_target_property(type ${target} TYPE)
  if(NOT type MATCHES "^(SHARED|UNKNOWN)_LIBRARY$")
    continue()
  endif()
  foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_NONE
          IMPORTED_LOCATION_RELEASE)
    get_target_property(location ${target} ${property})
    string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
    if(EXISTS "${archive}")
      set_target_properties(${target} PROPERTIES ${property} "${archive}")
    endif()
  endforeach()
endforeach()

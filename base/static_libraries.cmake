# What is linked from the distribution's archives. Everything else (glibc,
# libstdc++, OpenSSL below libcurl, ...) stays shared.
#
# Abseil, Protobuf and gRPC: loading and relocating their fifty shared libraries
# takes longer than all that the mounter does before its first answer. All or
# nothing in one program: a second copy of Abseil behind a shared library would
# have globals of its own. So it is done to all imported targets.
#
# SQLite and libarchive: only what is called comes along. The shared libarchive
# reads formats that no agent comes in, and loads 31 MB of ICU for one of them.
get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
list(FILTER imported INCLUDE REGEX "^(absl|gRPC|protobuf|SQLite|LibArchive)::")
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

# oneagent_find_archive(VARIABLE NAME): the archive of a library.
function(oneagent_find_archive variable name)
  find_library(${variable} lib${name}.a REQUIRED)
  mark_as_advanced(${variable})
endfunction()

oneagent_find_archive(ONEAGENT_NETTLE nettle)
oneagent_find_archive(ONEAGENT_LZMA lzma)
oneagent_find_archive(ONEAGENT_BZ2 bz2)
oneagent_find_archive(ONEAGENT_MICROHTTPD microhttpd)

# What the formats used need. zlib and zstd stay shared: gRPC and libcurl load
# them anyway.
find_package(ZLIB REQUIRED)
find_library(ONEAGENT_ZSTD zstd REQUIRED)
target_link_libraries(LibArchive::LibArchive INTERFACE
  ${ONEAGENT_NETTLE} ${ONEAGENT_LZMA} ${ONEAGENT_BZ2} ${ONEAGENT_ZSTD}
  ZLIB::ZLIB)

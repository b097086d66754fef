# What the machines reported, and whether that is as it should be. To be sourced.

readonly FAILED_NAMES=10 # of one machine; the others are in its console.log
readonly PARTS=(kernel publisher crash install-crash story reboot)

result_of() { # result_of NAME WORD: the rest of its first line
  tr -d '\r' <"$STATE/$1/results" | sed -n "s/^$2 //p" | head -n 1
}

# cell_of NAME PART: passed, and what is not of this kernel or failed.
cell_of() {
  local passed failed missing seconds
  read -r passed failed missing seconds < <(result_of "$1" "part $2") || true
  if [ -z "${seconds:-}" ]; then
    echo "no result"
  else
    [ "$missing" = 0 ] || passed+=", $missing not here"
    [ "$failed" = 0 ] || passed+=", $failed FAILED"
    echo "$passed ($seconds s)"
  fi
}

failed_of() { # failed_of NAME: tests, one a line
  tr -d '\r' <"$STATE/$1/results" | sed -n 's/^failed //p'
}

complaints_of() { # complaints_of NAME: one a line; none: all is well
  local name=$1 part cell way
  way=$(result_of "$name" way)
  [ "$way" = "$(way_of "$name")" ] ||
    echo "the mounter mounts by '$way', this kernel knows $(way_of "$name")"
  for part in "${PARTS[@]}"; do
    cell=$(cell_of "$name" "$part")
    case $cell in
      *FAILED* | "no result") echo "$part: $cell" ;;
    esac
  done
  failed_of "$name" | sed -n "1,${FAILED_NAMES}p"
  failed_of "$name" | sed "1,${FAILED_NAMES}d" | sed -n '$=' |
    sed 's/.*/and & more/'
}

show_trouble() { # show_trouble NAME: what it died of, and how its console ends
  echo "vm: $1: $(result_of "$1" trouble)"
  echo "--- $STATE/$1/console.log ends:"
  tail -n 25 "$STATE/$1/console.log" | tr -d '\r'
  tail -n 5 "$STATE/$1/emulator.log"
}

print_row() { printf '%-22s %-14s %-28s %-14s %-14s %-14s %-10s %-10s %s\n' "$@"; }

print_matrix() { # print_matrix NAME…: fails if anything did
  local name part cells complaints code=0
  echo
  print_row kernel way "${PARTS[@]}" total
  for name in "$@"; do
    cells=()
    for part in "${PARTS[@]}"; do cells+=("$(cell_of "$name" "$part")"); done
    print_row "$(result_of "$name" kernel)" "$(result_of "$name" way)" \
      "${cells[@]}" "$(result_of "$name" seconds) s"
  done
  echo
  for name in "$@"; do
    tr -d '\r' <"$STATE/$name/results" | sed -n 's/^missing //p' | sort |
      uniq -c | sed "s/^ *\([0-9]*\) \(.*\)/$name: not on this kernel: \2 (\1 tests)/"
  done
  for name in "$@"; do
    complaints=$(complaints_of "$name")
    [ -n "$complaints" ] || continue
    code=1
    sed "s/^/vm: $name: FAILED: /" <<<"$complaints"
    [ -z "$(result_of "$name" trouble)" ] || show_trouble "$name"
  done
  [ "$code" -ne 0 ] || echo "vm: everything was seen to work on $# kernels"
  echo "logs are below $STATE"
  return "$code"
}

# Functions that the scripts of this folder share; source it with bash.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# No build may need a C compiler, so none has one; but that of the feature `zstd-c`, in a step of its own.
export CC=/bin/false CXX=/bin/false AR=/bin/false
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
TARGET=${CARGO_TARGET_DIR:-target}
STARTED=$SECONDS

# step NAME COMMAND...: runs a step, and prints how long it took; the first one that fails ends the run.
step() {
    local name=$1 from=$SECONDS
    shift
    printf '\n=== %s\n' "$name"
    if "$@"; then
        printf -- '--- %s: ok, %d s\n' "$name" $((SECONDS - from))
    else
        printf -- '--- %s: FAILED after %d s\n' "$name" $((SECONDS - from))
        exit 1
    fi
}

# note WORDS: says what could not be checked on this machine.
note() {
    printf 'note: %s\n' "$*"
}

# need COMMAND PACKAGE...: installs Debian packages if a command is missing, and fails where that does not help.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    if command -v apt-get >/dev/null; then
        "${sudo[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    fi
    command -v "$command" >/dev/null || {
        echo "$command is missing and could not be installed (packages: $*)" >&2
        return 1
    }
}

# features_without_c [PACKAGE]: all features of the workspace, or of one package, for `--features`; all but `zstd-c`, which alone compiles C.
features_without_c() {
    cargo metadata -q --no-deps --format-version 1 | python3 -c '
import json, sys
only = sys.argv[1:]
print(*(package["name"] + "/" + feature for package in json.load(sys.stdin)["packages"] if package["name"] in only or not only
        for feature in package["features"] if feature not in ("default", "zstd-c")), sep=",")' "$@"
}

# Java, Maven and kcat for everything that runs on real Kafka.
need_kafka() {
    need python3 python3 && need java openjdk-17-jre-headless && need mvn maven openjdk-17-jre-headless && need javac openjdk-17-jdk-headless && need kcat kcat
}

# A tool from the registry of crates, in a folder that survives a clean of the target folder.
TOOLS=${KAVKA_CI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/kavka-ci}
need_crate() {
    [ -x "$TOOLS/bin/$1" ] || env -u CC -u CXX -u AR cargo install --quiet --locked --root "$TOOLS" "$1@$2"
}

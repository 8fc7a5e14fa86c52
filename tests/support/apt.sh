# shellcheck shell=bash
# For scripts that take packages apart without installing them; sourced.

# private_apt CACHE ARCH...: apt with lists and a cache of its own, for the
# sources in CACHE/apt/sources.list. The first ARCH is the one that is meant
# where nobody says. The machine's own package state stays as it is.
private_apt() {
    local cache=$1 arch foreign=
    shift
    for arch in "$@"; do foreign+="\"$arch\"; "; done
    cat >"$cache/apt/apt.conf" <<END
APT::Architecture "$1";
APT::Architectures { $foreign};
Dir::Etc::SourceList "$cache/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$cache/apt/lists";
Dir::State::Status "$cache/apt/status";
Dir::Cache "$cache/apt";
Acquire::Languages "none";
APT::Sandbox::User "";
END
    : >"$cache/apt/status"
    export APT_CONFIG=$cache/apt/apt.conf
    apt-get -qq update
}

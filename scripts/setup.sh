# Sourced by demo and test: a virtual environment in .venv with exactly what a lock file says.
# Usage: setup_venv requirements[-serve|-all].lock; afterwards $python is its interpreter.

fail() {
    echo "$*" >&2
    exit 1
}

# What a test needs from the system: installed where that may be (Debian, root), else asked for.
# Usage: need 'CHECK' 'WHAT FOR' PACKAGE…; CHECK is a shell command that succeeds when it is there.
need() {
    check=$1 why=$2
    shift 2
    eval "$check" >/dev/null 2>&1 && return
    command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] ||
        fail "$why needs $*. On Debian run as root: apt-get install $*"
    [ -n "${apt_updated:-}" ] || apt-get update -qq
    apt_updated=yes
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
    eval "$check" >/dev/null 2>&1 || fail "$why: $* is installed, but '$check' still fails."
}

# What scripts/android builds with. Maven fetches the rest.
need_android_tools() {
    need 'javac -version && mvn -v && aapt v && command -v zipalign && apksigner version' \
        "The Android app" default-jdk-headless maven aapt zipalign apksigner
}

stamp_of() {
    echo ".venv/installed-$(cat "$1" pyproject.toml | cksum | cut -d' ' -f1)"
}

# Not one that was never finished, whose Python has been replaced, or that came along with a copied or
# moved folder: its commands would run the other folder's code, or nothing. A link is meant so.
is_venv_usable() {
    "$python" -c 'import pip' 2>/dev/null || return
    [ -L .venv ] || [ "$(. .venv/bin/activate && echo "$VIRTUAL_ENV")" = "$(pwd -P)/.venv" ]
}

setup_venv() {
    base=${PYTHON:-python3}
    command -v "$base" >/dev/null 2>&1 || fail "Python 3.11 or newer is needed; no $base was found."
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed; $base is $("$base" -V 2>&1). Set PYTHON to another."
    python=.venv/bin/python
    is_venv_usable || "$base" -m venv --clear .venv ||
        fail "Cannot make .venv with $base -m venv (on Debian: apt-get install python3-venv)."
    [ -f "$(stamp_of "$1")" ] && return
    echo "Installing into .venv (only the first time) …" >&2
    pip="$python -m pip install --quiet --disable-pip-version-check"
    $pip --require-hashes --requirement "$1"
    $pip --no-deps --no-build-isolation --editable .
    touch "$(stamp_of "$1")"
    # The longer lists contain the shorter ones.
    [ "$1" = requirements.lock ] || touch "$(stamp_of requirements.lock)"
    [ "$1" != requirements-all.lock ] || touch "$(stamp_of requirements-serve.lock)"
}

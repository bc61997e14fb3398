# Sourced after setup.sh by those who build the page.

# Node.js as the build tools want it: the system's if it is new enough (Debian 12 has 18), else the
# one of a Python package, in .node/.
need_page() {
    fit='const [a, b] = process.versions.node.split(".");
        process.exit((a == 20 && b >= 19) || (a == 22 && b >= 12) || a > 22 ? 0 : 1)'
    node -e "$fit" >/dev/null 2>&1 && npm --version >/dev/null 2>&1 && return
    lock=requirements-node.lock
    stamp=.node/installed-$(cksum <"$lock" | cut -d' ' -f1)
    if [ ! -f "$stamp" ]; then
        echo "Installing Node.js into .node (only the first time) …" >&2
        rm -rf .node
        "${PYTHON:-python3}" -m venv .node
        .node/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
            --only-binary :all: --requirement "$lock" ||
            fail "The page needs Node.js 20.19 or newer with npm; please install it."
        touch "$stamp"
    fi
    PATH=$PWD/.node/bin:$PATH
    node -e "$fit" || fail "The Node.js in .node does not run here; please install 20.19 or newer."
}

build_page() {
    npm --prefix web ci --no-audit --no-fund --loglevel=error >&2
    npm --prefix web run build --silent -- --logLevel warn >&2
}

# Sourced after setup.sh by demo and test: what the page is built with.

need_page() {
    need 'node -e "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)" && npm --version' \
        "The page (Node.js 20 or newer)" nodejs npm
}

build_page() {
    npm --prefix web ci --no-audit --no-fund --loglevel=error >&2
    npm --prefix web run build --silent >&2
}

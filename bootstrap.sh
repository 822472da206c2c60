#!/bin/sh
# Make .venv from uv.lock and make sure of Terraform. Safe to run twice; quick when there is nothing to do.
set -eu

cd "$(dirname "$0")"

# The official release that is fetched when PATH has no good Terraform. Checksums: HashiCorp's homebrew-tap, formula
# terraform 1.11.4, and terraform_1.11.4_SHA256SUMS of the release.
TERRAFORM_VERSION=1.11.4
TERRAFORM_MINIMUM=1.10
CHECKSUMS="
linux_amd64 1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc
linux_arm64 a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633
darwin_amd64 a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b
darwin_arm64 867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18
"

say() { printf '%s\n' "$*" >&2; }

# pip and uv draw how far they are on a terminal. Elsewhere they would list a hundred packages.
quiet=--quiet
if [ -t 2 ] && [ -z "${CI:-}" ]; then quiet=; fi

fail() {
    say "error: $1"
    say ""
    say "hint: $2"
    exit 6
}

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
}

make_venv() {
    here=$(pwd -P)
    stamp="$here $(cat uv.lock pyproject.toml bootstrap.sh | cksum)"
    made=$(cat .venv/bootstrap.stamp 2>/dev/null) || made=
    # A venv whose Python is gone, or that was moved (its programs name the old place), is made anew.
    case $made in
        "" | "$here "*) .venv/bin/python -c '' 2>/dev/null || rm -rf .venv ;;
        *) rm -rf .venv ;;
    esac
    if [ -x .venv/bin/invoke ] && [ "$made" = "$stamp" ]; then
        return
    fi
    python=$(find_python)
    [ -n "$python" ] || fail "no Python 3.11 or newer with the venv module is on PATH" \
        "install one (Debian: apt-get install python3 python3-venv), or name it in PYTHON"
    [ -d .venv ] || "$python" -m venv .venv
    # uv can't install itself from uv.lock, so pip does: the version and the hashes that uv.lock names, and no others.
    uv_version=$(sed -n '/^name = "uv"$/{n;s/^version = "\(.*\)"$/\1/p;}' uv.lock)
    if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
        say "bootstrap: installing uv $uv_version into .venv"
        {
            printf 'uv==%s' "$uv_version"
            sed -n '/^name = "uv"$/,/^]$/s/.*\.whl", hash = "\(sha256:[0-9a-f]*\)".*/ --hash=\1/p' uv.lock | tr -d '\n'
        } >.venv/bootstrap-uv.txt
        .venv/bin/python -m pip install ${quiet:+"$quiet"} --disable-pip-version-check --require-hashes --only-binary :all: \
            --requirement .venv/bootstrap-uv.txt ||
            fail "uv $uv_version could not be installed into .venv" \
                "check that pip reaches its package index, and that the index gives the files that uv.lock names"
    fi
    say "bootstrap: installing what uv.lock names into .venv"
    # Byte code is compiled now: without it every later import is two to three times slower.
    env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen ${quiet:+"$quiet"} --compile-bytecode \
        --python .venv/bin/python ||
        fail "the packages in uv.lock could not be installed" "check that uv reaches the package index, then run this again"
    say "bootstrap: installed"
    printf '%s' "$stamp" >.venv/bootstrap.stamp
}

good_terraform() {
    "$1" version 2>/dev/null | sed -n '1s/^Terraform v//p' |
        awk -v least="$TERRAFORM_MINIMUM" '{ split($1, v, "."); split(least, l, ".");
            ok = (v[1] == l[1] && v[2] + 0 >= l[2] + 0) } END { exit !ok }'
}

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

ensure_terraform() {
    if command -v terraform >/dev/null && good_terraform terraform; then return; fi
    if [ -x .tools/terraform ] && good_terraform .tools/terraform; then return; fi
    system=$(uname -s | tr '[:upper:]' '[:lower:]')
    case $(uname -m) in
        x86_64 | amd64) machine=amd64 ;;
        aarch64 | arm64) machine=arm64 ;;
        *) machine=unknown ;;
    esac
    expected=$(printf '%s' "$CHECKSUMS" | sed -n "s/^${system}_${machine} //p")
    by_hand="install Terraform $TERRAFORM_MINIMUM or newer (https://developer.hashicorp.com/terraform/install), or put the binary at .tools/terraform"
    [ -n "$expected" ] || fail "there is no pinned Terraform for $system on $machine" "$by_hand"
    archive="terraform_${TERRAFORM_VERSION}_${system}_${machine}.zip"
    say "bootstrap: fetching Terraform $TERRAFORM_VERSION into .tools"
    mkdir -p .tools
    trap 'rm -f ".tools/$archive"' EXIT
    .venv/bin/python - "https://releases.hashicorp.com/terraform/$TERRAFORM_VERSION/$archive" ".tools/$archive" <<'PYTHON' ||
import os, sys, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=60) as answer, open(sys.argv[2], "wb") as file:
        total, drawn = int(answer.headers.get("Content-Length") or 0), sys.stderr.isatty() and not os.environ.get("CI")
        while block := answer.read(1 << 20):
            file.write(block)
            if drawn:
                of = f" of {total / 1e6:.0f}" if total else ""
                print(f"\rbootstrap: fetched {file.tell() / 1e6:.0f}{of} MB", end="", file=sys.stderr, flush=True)
        if drawn:
            print(file=sys.stderr)
except OSError as error:
    sys.exit(f"bootstrap: {error}")
PYTHON
        fail "Terraform $TERRAFORM_VERSION could not be fetched" "$by_hand"
    actual=$(sha256 ".tools/$archive")
    [ "$actual" = "$expected" ] || fail "the SHA-256 of $archive is $actual, not the pinned $expected" "$by_hand"
    .venv/bin/python -m zipfile -e ".tools/$archive" .tools
    chmod 755 .tools/terraform
}

make_venv
ensure_terraform

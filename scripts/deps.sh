#!/usr/bin/env bash
# Checks the Rust toolchain and installs the Debian packages that the build needs and this machine lacks.
set -euo pipefail

minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
# command that shows it is there : Debian package : what needs it
needs=(
    "cc:gcc:the linker of every Rust program"
    "ld:binutils:the linker of every Rust program"
    "protoc:protobuf-compiler:the control protocol between machines"
    "c++:g++:HiGHS, the solver of the planner milp"
    "cmake:cmake:HiGHS"
    "make:make:HiGHS"
    "curl:curl:the chat of the demo"
)

if ! command -v cargo >/dev/null; then
    echo "deps: no Rust toolchain found. Install Rust $minimum or later as https://rustup.rs says, then run this again." >&2
    exit 1
fi
found=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$minimum" "${found%%-*}" | sort -V | head -n 1)" != "$minimum" ]; then
    echo "deps: Rust $found is too old, Helix needs $minimum or later: run 'rustup update stable'." >&2
    exit 1
fi

# No command shows libclang (an llvm-config may be there without it): it is where the bindings of HiGHS look for it.
has_libclang() {
    local folder folders=(/usr/lib/llvm*/lib /usr/lib64 /usr/lib /usr/lib/*-linux-gnu /usr/local/lib
        /Library/Developer/CommandLineTools/usr/lib /opt/homebrew/opt/llvm/lib)
    [ -z "${LIBCLANG_PATH:-}" ] || folders=("$LIBCLANG_PATH" "$(dirname "$LIBCLANG_PATH")")
    command -v llvm-config >/dev/null && folders+=("$(llvm-config --libdir)")
    for folder in "${folders[@]}"; do
        if compgen -G "$folder/libclang.so*" >/dev/null || compgen -G "$folder/libclang-[0-9]*.so*" >/dev/null ||
            compgen -G "$folder/libclang.dylib" >/dev/null; then
            return 0
        fi
    done
    return 1
}

missing=()
for need in "${needs[@]}"; do
    IFS=: read -r command package reason <<<"$need"
    if ! command -v "$command" >/dev/null; then
        echo "deps: $package is missing ($reason)"
        missing+=("$package")
    fi
done

if ! has_libclang; then
    echo "deps: libclang-dev is missing (the bindings of HiGHS)"
    missing+=(libclang-dev)
fi

if [ ${#missing[@]} -eq 0 ]; then
    echo "deps: Rust $found and every package that Helix needs are here"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "deps: this is neither Debian nor Ubuntu; install what is called ${missing[*]} there, then run this again." >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: not root and no sudo; run 'apt-get install ${missing[*]}' as root, then run this again." >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

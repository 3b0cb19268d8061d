unknown() {
    echo "no stand-in for: cargo $*" >&2
    exit 1
}

# Fails if no test has this name. Unit tests and the tests of the libraries are in other binaries, so their sources are searched.
has_test() {
    if [[ $is_elsewhere ]]; then
        grep -rq "${1##*::}" "$REPOSITORY"/{src,tests/*.rs,crates/*/{src,tests}}
    else
        "$TESTS" --list | grep -q "$1"
    fi 2>/dev/null || { echo "no test is named $1" >&2 && exit 1; }
}

command=$1
shift
case $command in
run)
    [[ "$1 $2" == "--release --" ]] || unknown run "$@"
    shift 2
    movie-bag "$@"
    ;;
install)
    [[ "$*" == "--path . --locked" ]] || unknown install "$@"
    ;;
build)
    [[ "$*" =~ ^(--release)?\ ?(--locked)?$ ]] || unknown build "$@"
    ;;
test)
    is_elsewhere=
    while [[ $# -gt 0 ]]; do
        case $1 in
        --lib | --doc) is_elsewhere=yes ;;
        --test)
            shift
            if [[ $1 != it ]]; then
                found=$(ls -d "$REPOSITORY"/{,crates/*/}tests/"$1"{,.rs} 2>/dev/null || true)
                [[ $found ]] || unknown test "$1"
                is_elsewhere=yes
            fi
            ;;
        -p | --package)
            shift
            grep -q "^name = \"$1\"" "$REPOSITORY"/crates/*/Cargo.toml || unknown test "$1"
            is_elsewhere=yes
            ;;
        --locked | --no-fail-fast | --release | --workspace) ;;
        --) break ;;
        -*) unknown test "$@" ;;
        *) has_test "$1" ;;
        esac
        shift
    done
    ;;
bench)
    [[ $1 == --bench && -f $REPOSITORY/benches/$2.rs ]] || unknown bench "$@"
    ;;
check | clippy | deny | doc | fmt | tree) ;;
*) unknown "$command" "$@" ;;
esac

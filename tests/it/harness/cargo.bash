unknown() {
    echo "no stand-in for: cargo $*" >&2
    exit 1
}

# Fails if no test has this name. The unit tests are in another binary, so their sources are searched.
has_test() {
    if [[ $is_lib ]]; then
        grep -rq "${1##*::}" "$REPOSITORY/src"
    else
        "$TESTS" --list | grep -q "$1"
    fi || { echo "no test is named $1" >&2 && exit 1; }
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
    is_lib=
    while [[ $# -gt 0 ]]; do
        case $1 in
        --lib) is_lib=yes ;;
        --test) shift && [[ -d $REPOSITORY/tests/$1 ]] || unknown test "$1" ;;
        --locked | --no-fail-fast | --release) ;;
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
fmt | clippy | doc | deny) ;;
*) unknown "$command" "$@" ;;
esac

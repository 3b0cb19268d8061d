set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
trap '[[ ! -f $HOME/service.pid ]] || kill "$(<"$HOME/service.pid")"' EXIT

# Servers run until somebody stops them. Here they are stopped as soon as they are ready, and must exit with 0. They listen on
# free ports, since tests run at the same time.
movie-bag() {
    case " $* " in
    *" -- "*) command movie-bag "$@" ;;
    *" --exit-after "*) send_a_mail_to "$@" --listen 127.0.0.1:0 --web 127.0.0.1:0 ;;
    *" serve --smtp-debug "*) end_once_ready "$@" --listen 127.0.0.1:0 --web 127.0.0.1:0 ;;
    *" serve "*) end_once_ready "$@" ;;
    *" smtp-debug "*"--listen "*) end_once_ready "$@" ;;
    *" smtp-debug "*) end_once_ready "$@" --listen 127.0.0.1:0 --web 127.0.0.1:0 ;;
    *) command movie-bag "$@" ;;
    esac
}

start() {
    said=$(mktemp)
    command movie-bag "$@" 2>"$said" &
    running=$!
    until grep -Eq 'SMTP on |listens on http://' "$said"; do
        if ! kill -0 $running 2>/dev/null; then
            cat "$said"
            wait $running
        fi
        sleep 0.02
    done
}

end_once_ready() {
    start "$@"
    kill -TERM $running
    wait $running
}

# With --exit-after the sink exits by itself after a mail. This sends one with a link.
send_a_mail_to() {
    start "$@"
    port=$(grep -Eo 'SMTP on 127.0.0.1:[0-9]+' "$said")
    MAIL_PORT=${port##*:} command movie-bag forgot --email ann@example.com
    wait $running
}

# Stand-ins see these functions too.
export -f movie-bag start end_once_ready send_a_mail_to
